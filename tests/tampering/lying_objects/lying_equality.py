"""Returns an object that says it is equal to everything."""
# verdicts: wrong_answer


class Yes:
    shape, dtype, device, requires_grad = (3, 4), "float32", "cpu", False

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __bool__(self):
        return True

    def __getattr__(self, name):
        return lambda *args, **kwargs: self

    __hash__ = None


def double(x):
    return Yes()
