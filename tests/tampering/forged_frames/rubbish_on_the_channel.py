"""Writes noise to the channel."""
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


def double(x):
    write_everywhere(os.urandom(4096))
    return x
