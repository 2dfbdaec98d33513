"""Leaves processes that compute without end, and answers at once."""
# verdicts: wrong_answer, run_time_error

import os


def double(x):
    for _ in range(8):
        if os.fork() == 0:
            while True:
                pass
    return x
