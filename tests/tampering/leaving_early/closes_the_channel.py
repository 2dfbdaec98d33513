"""Closes every descriptor and goes on."""
# verdicts: run_time_error

import os
import time


def double(x):
    os.closerange(0, 64)
    time.sleep(60)
