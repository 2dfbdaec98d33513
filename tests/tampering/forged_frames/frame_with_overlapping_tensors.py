"""Sends tensors whose offsets overlap and pass the end of their data."""
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


import json


def double(x):
    entry = {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}
    header = json.dumps({"0": entry, "1": {**entry, "data_offsets": [24, 72]}, "2": {**entry, "shape": [2**62, 4]}})
    blob = struct.pack("<Q", len(header)) + header.encode() + bytes(48)
    write_everywhere(frame(b'{"d":[["ok",{"T":0}]]}', blob))
    return x
