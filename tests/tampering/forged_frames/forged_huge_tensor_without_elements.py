"""Sends a tensor of 2^40 rows that holds nothing, for a loop over rows."""
# verdicts: wrong_answer, run_time_error

import os

import torch

from grader.wire import encode


def send(value):
    data = encode(value)
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass


def double(x):
    send({"ok": torch.empty(2**40, 0)})
    os._exit(0)
