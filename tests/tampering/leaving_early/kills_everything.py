"""Sends SIGSTOP and SIGKILL to its parent, its group and every process that it may."""
# verdicts: wrong_answer, run_time_error

import os
import signal


def double(x):
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
        for target in (os.getppid(), 1, -1):
            try:
                os.kill(target, number)
            except OSError:
                pass
    return x
