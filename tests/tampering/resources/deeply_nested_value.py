"""Returns a list in a list in a list, a thousand times."""
# verdicts: wrong_answer


def double(x):
    value = []
    for _ in range(1000):
        value = [value]
    return value
