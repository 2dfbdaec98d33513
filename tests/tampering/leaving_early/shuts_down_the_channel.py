"""Shuts the socket down in both directions and returns."""
# verdicts: run_time_error

import gc
import socket


def double(x):
    for each in gc.get_objects():
        if isinstance(each, socket.socket):
            each.shutdown(socket.SHUT_RDWR)
    return x
