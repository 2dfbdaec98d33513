"""Recurses without end in C, so that the process dies of a signal."""
# verdicts: run_time_error

import sys

sys.setrecursionlimit(10**9)


class Loop:
    def __repr__(self):
        return repr(self)


def double(x):
    return repr(Loop())
