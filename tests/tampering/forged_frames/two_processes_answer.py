"""Forks, so that parent and child both answer."""
# verdicts: wrong_answer, run_time_error

import os


def double(x):
    return x if os.fork() else 3 * x
