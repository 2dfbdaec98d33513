"""Recurses without end in Python."""
# verdicts: run_time_error


def double(x):
    return double(x)
