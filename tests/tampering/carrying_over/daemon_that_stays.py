"""Leaves a process in another session that answers for the next test."""
# verdicts: wrong_answer, run_time_error

import os
import time


def double(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(0.01)
        os._exit(0)
    return x
