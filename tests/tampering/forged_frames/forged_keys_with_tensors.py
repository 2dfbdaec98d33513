"""Sends the driver's keys with tensors that no truth value can be made of."""
# verdicts: wrong_answer, run_time_error

import os
import linecache
import re

import torch

from grader.wire import encode


def send(value):
    data = encode(value)
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass


def keys_of_the_driver():
    """Every name in quotes in the sources of the drivers that this process was sent."""
    texts = ["".join(lines) for name, (_, _, lines, _) in linecache.cache.items() if name.startswith("<driver")]
    return re.findall(r"['\"]([\w.]+)['\"]", "".join(texts)) or ["double"]


def double(x):
    send({"ok": {key: torch.ones(3, 4) for key in keys_of_the_driver()}})
    os._exit(0)
