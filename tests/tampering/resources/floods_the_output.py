"""Prints a gigabyte."""
# verdicts: run_time_error

import os


def double(x):
    for _ in range(1024):
        os.write(1, b"x" * (1 << 20))
    return x
