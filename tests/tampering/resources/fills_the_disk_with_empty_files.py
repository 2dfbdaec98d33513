"""Makes empty files, which take the kernel's memory, until none can be made any more."""
# verdicts: run_time_error

import os


def double(x):
    for number in range(100_000):
        os.close(os.open(f"{number}", os.O_CREAT))
    return x
