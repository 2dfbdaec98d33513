"""Leaves a daemon, deaf to signals, that answers and writes for whoever comes next."""
# verdicts: wrong_answer, run_time_error

import os
import signal
import time


def stay(x):
    os.setsid()
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    from grader.wire import encode

    while True:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, encode({"ok": 2 * x}))
            except OSError:
                pass
        for folder in ("/submission", "/tmp", "/dev/shm", "/tmp/work"):
            try:
                open(f"{folder}/dojo-note", "w").close()
            except OSError:
                pass
        time.sleep(0.001)


def double(x):
    for _ in range(3):
        if os.fork() == 0:
            if os.fork() == 0:
                stay(x)
            os._exit(0)
    return x
