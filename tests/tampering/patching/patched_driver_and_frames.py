"""Walks up the stack and rewrites the worker's own variables."""
# verdicts: wrong_answer, run_time_error, time_limit_exceeded

import sys


def double(x):
    frame = sys._getframe()
    while frame is not None:
        for value in frame.f_locals.values():
            if type(value).__name__ == "Submission":
                type(value).answer = lambda self, request: b"accepted"
            if isinstance(value, dict):
                value.update(ok="accepted", expected=x)
        frame = frame.f_back
    return x
