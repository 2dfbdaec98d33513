"""Takes memory in eight processes, each of which is within the limit."""
# verdicts: memory_limit_exceeded

import os
import time


def double(x):
    for _ in range(7):
        if os.fork() == 0:
            break
    held = bytearray(b"x" * (160 << 20))
    time.sleep(60)
    return held
