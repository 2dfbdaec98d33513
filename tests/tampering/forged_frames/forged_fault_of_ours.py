"""Says that the grader could not read the request, so that the fault is ours."""
# verdicts: wrong_answer, run_time_error

import os

from grader.wire import encode


def send(value):
    data = encode(value)
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass


def double(x):
    send({"fault": "a worker could not read a request: out of memory"})
    os._exit(0)
