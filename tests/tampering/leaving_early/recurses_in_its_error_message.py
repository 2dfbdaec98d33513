"""Raises an error whose text can't be made."""
# verdicts: run_time_error


class Bottomless(Exception):
    def __str__(self):
        return str(self)


def double(x):
    raise Bottomless
