"""Opens descriptors without end."""
# verdicts: run_time_error

import os


def double(x):
    while True:
        os.dup(0)
