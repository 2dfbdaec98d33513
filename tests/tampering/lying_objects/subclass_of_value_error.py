"""Raises a subclass of ValueError that calls itself ValueError."""
# verdicts: run_time_error, wrong_answer


def double(x):
    kind = type("ValueError", (ValueError,), {"__module__": "builtins", "__eq__": lambda self, other: True})
    raise kind("3")
