"""Returns an integer that takes long to print."""
# verdicts: wrong_answer


def double(x):
    return 10**1_000_000
