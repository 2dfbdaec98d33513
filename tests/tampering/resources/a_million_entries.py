"""Returns a dictionary with a million entries."""
# verdicts: run_time_error, memory_limit_exceeded


def double(x):
    return {number: x for number in range(1_000_000)}
