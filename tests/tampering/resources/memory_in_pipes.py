"""Fills pipes and sockets, whose memory belongs to the kernel."""
# verdicts: wrong_answer, run_time_error, memory_limit_exceeded

import fcntl
import os
import socket

held = []


def double(x):
    try:
        while True:
            _, end = os.pipe()
            os.set_blocking(end, False)
            try:
                fcntl.fcntl(end, 1031, 1 << 20)  # F_SETPIPE_SZ
            except OSError:
                pass
            pair = socket.socketpair()
            held.append(pair)
            pair[0].setblocking(False)
            try:
                os.write(end, bytes(1 << 20))
                pair[0].send(bytes(1 << 20))
            except OSError:
                pass
    except OSError:
        print("searched", len(held), "pipes", flush=True)
    return x
