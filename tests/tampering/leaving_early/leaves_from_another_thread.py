"""Ends the process from a thread while the answer is being sent."""
# verdicts: wrong_answer, run_time_error

import os
import threading


def double(x):
    threading.Timer(0.0005, os._exit, [0]).start()
    return x
