"""Makes itself unreadable, so that its memory files can't be counted."""
# verdicts: run_time_error, memory_limit_exceeded

import ctypes
import os


def double(x):
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    while True:
        os.write(os.memfd_create("held"), b"x" * (16 << 20))
