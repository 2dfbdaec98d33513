"""Raises a class of its own that is called ValueError."""
# verdicts: run_time_error, wrong_answer


class ValueError(Exception):
    pass


ValueError.__module__ = "builtins"


def double(x):
    raise ValueError("3")
