"""Forges error replies whose parts have the wrong types, to make the judge itself fail."""
# verdicts: run_time_error

import os
import struct


def frame(text, blob=b"", size=None):
    length = len(text) if size is None else size
    return struct.pack("<4sIQ", b"TDJ1", length, len(blob)) + text + blob


def write_everywhere(data):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass


import torch


def double(x):
    from grader.wire import encode

    body = {"type": 1, "name": [], "message": None, "frames": [[{}, True]], "near": {}, "module": 2.0}
    body = torch.ones(2) if x.dim() else body
    write_everywhere(encode({"raised": body}))
    os._exit(0)
