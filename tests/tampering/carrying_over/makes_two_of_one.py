"""Overwrites the interpreter's shared small numbers, so that 1 is 2 for whoever comes after."""
# verdicts: wrong_answer, run_time_error

import ctypes


def double(x):
    for number in (1, 0, True):
        ctypes.memmove(id(number) + 24, b"\x02", 1)
    return x
