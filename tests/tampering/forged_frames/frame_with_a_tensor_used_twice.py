"""Sends one tensor under two names, so that they share memory."""
# verdicts: run_time_error

import os

from grader.wire import HEADER, MAGIC, encode


def double(x):
    frame = encode({"ok": 2 * x})
    middle = HEADER.size + HEADER.unpack_from(frame)[1]
    text = b'{"d":[["ok",[{"T":0},{"T":0}]]]}'
    data = HEADER.pack(MAGIC, len(text), len(frame) - middle) + text + frame[middle:]
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
    os._exit(0)
