"""Returns numbers that are close to every other number."""
# verdicts: wrong_answer


class Close(float):
    def __sub__(self, other):
        return 0.0

    __rsub__ = __sub__

    def __eq__(self, other):
        return True

    __le__ = __lt__ = __ge__ = __gt__ = __eq__
    __hash__ = float.__hash__


def double(x):
    return Close(1.0)
