"""Stops its own process, so that no timer in it can run."""
# verdicts: time_limit_exceeded

import os
import signal


def double(x):
    os.kill(os.getpid(), signal.SIGSTOP)
    return x
