"""Returns an object that runs code when it is pickled or unpickled."""
# verdicts: wrong_answer

import os


class Payload:
    def __reduce__(self):
        return os.system, ("touch /tmp/dojo-was-here",)

    __getstate__ = __array__ = __index__ = __float__ = lambda self, *args: os._exit(0)


def double(x):
    return Payload()
