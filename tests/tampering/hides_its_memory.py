"""Makes itself unreadable, so that its memory files can't be counted."""
# verdicts: run_time_error

import ctypes
import os
import time


def double(x):
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    descriptor = os.memfd_create("held")
    os.write(descriptor, b"x" * (1 << 20))
    time.sleep(60)
