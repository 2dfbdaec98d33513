"""Ends by a signal that no handler sees."""
# verdicts: run_time_error

import os
import signal


def double(x):
    os.kill(os.getpid(), signal.SIGKILL)
