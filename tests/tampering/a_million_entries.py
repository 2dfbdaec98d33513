"""Returns a dictionary with a million entries."""
# verdicts: run_time_error


def double(x):
    return {number: x for number in range(1_000_000)}
