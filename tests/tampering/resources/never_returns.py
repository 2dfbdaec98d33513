"""Loops without end, deaf to every signal."""
# verdicts: time_limit_exceeded

import signal

for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


def double(x):
    while True:
        pass
