"""Has exit handlers forge a success when the process ends."""
# verdicts: wrong_answer

import atexit
import os
import sys


def succeed():
    print("all tests passed", flush=True)
    os._exit(0)


atexit.register(succeed)
sys.excepthook = lambda *error: succeed()


def double(x):
    return x
