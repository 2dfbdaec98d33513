"""Sends a tensor with more dimensions than anything can index."""
# verdicts: run_time_error

import json
import os
import struct


def double(x):
    entry = {"dtype": "F32", "shape": [1] * 100_000, "data_offsets": [0, 4]}
    header = json.dumps({"0": entry}).encode()
    text, blob = b'{"d":[["ok",{"T":0}]]}', struct.pack("<Q", len(header)) + header + bytes(4)
    data = struct.pack("<4sIQ", b"TDJ1", len(text), len(blob)) + text + blob
    for descriptor in range(3, 64):
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            pass
    os._exit(0)
