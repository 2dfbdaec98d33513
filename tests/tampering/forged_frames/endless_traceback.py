"""Forges an error whose traceback has sixty thousand lines, to keep the judge busy."""
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
    from grader.wire import encode

    rows = [["double.py", 1, "f"]] * 40_000
    write_everywhere(encode({"raised": {"type": "E", "name": "E", "message": "m", "frames": rows}}))
    os._exit(0)
