"""Raises an error whose message is a string subclass that contains everything."""
# verdicts: run_time_error, wrong_answer


class Text(str):
    def __contains__(self, other):
        return True

    def __getitem__(self, index):
        return self


class Error(Exception):
    def __str__(self):
        return Text("nothing")


def double(x):
    raise Error
