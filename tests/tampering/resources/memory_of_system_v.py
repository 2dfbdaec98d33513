"""Fills System V shared memory and detaches it."""
# verdicts: memory_limit_exceeded

import ctypes

libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p


def double(x):
    while True:
        address = libc.shmat(libc.shmget(0, 16 << 20, 0o1600), None, 0)
        ctypes.memset(address, 1, 16 << 20)
        libc.shmdt(ctypes.c_void_p(address))
