"""Reads one byte of every 2 MB of 1 TB: no page of its own, and 2 GB of page tables."""
# verdicts: memory_limit_exceeded, run_time_error

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


def double(x):
    size = 1 << 40
    start = libc.mmap(None, size, 1, 0x4022, -1, 0)  # private, anonymous, without reserve
    if start in (None, ctypes.c_void_p(-1).value):
        raise OSError("no such mapping")
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), 15)  # no huge pages
    for place in range(start, start + size, 2 << 20):
        ctypes.c_char.from_address(place).value
    return x
