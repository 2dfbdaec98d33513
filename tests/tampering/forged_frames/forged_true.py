"""Sends the one word that a careless test takes for a pass."""
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
    send({"ok": True})
    os._exit(0)
