"""Sends None where a test reads keys and entries, and ends."""
# verdicts: wrong_answer, run_time_error

import os

from grader.wire import encode


def send(value):
    data = encode(value)
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass


def double(x):
    send({"ok": None})
    os._exit(0)
