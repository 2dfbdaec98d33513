"""Takes shared memory, which belongs to no single process."""
# verdicts: memory_limit_exceeded

import mmap


def double(x):
    held = []
    while True:
        held.append(mmap.mmap(-1, 8 << 20))
        held[-1].write(b"x" * (8 << 20))
