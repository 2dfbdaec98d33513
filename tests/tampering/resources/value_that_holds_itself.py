"""Returns a list that holds itself."""
# verdicts: wrong_answer


def double(x):
    value = [x]
    value.append(value)
    return value
