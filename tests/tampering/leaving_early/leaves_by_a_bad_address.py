"""Reads from address 0, which ends the process."""
# verdicts: run_time_error

import ctypes


def double(x):
    return ctypes.string_at(0)
