"""Sends the right answer twice: one call has one reply."""
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

    reply = encode({"ok": 2 * x})
    write_everywhere(reply)
    return 2 * x
