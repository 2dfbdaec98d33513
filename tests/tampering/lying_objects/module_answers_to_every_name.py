"""Puts an object that has every attribute in the module's place."""
# verdicts: wrong_answer, run_time_error

import sys


class Everything:
    def __getattr__(self, name):
        return self

    def __call__(self, *args, **kwargs):
        return self

    def __eq__(self, other):
        return True

    __hash__ = object.__hash__


sys.modules[__name__] = Everything()


def __getattr__(name):
    return Everything()
