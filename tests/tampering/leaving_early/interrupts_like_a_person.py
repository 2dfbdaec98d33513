"""Raises KeyboardInterrupt, which ends a test run in the same process."""
# verdicts: run_time_error


def double(x):
    raise KeyboardInterrupt
