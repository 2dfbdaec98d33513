"""Changes tensors, code and read-only pages that it shares with the warm parent."""
# verdicts: wrong_answer, run_time_error

import ctypes
import json
import mmap

import torch

libc = ctypes.CDLL(None)


def double(x):
    for module in (torch, torch.nn, torch.optim, json):
        for name in list(vars(module)):
            if callable(getattr(module, name, None)) and not name.startswith("_"):
                setattr(module, name, lambda *args, **kwargs: x)
    address = ctypes.cast(libc.getpid, ctypes.c_void_p).value
    page = address & -mmap.PAGESIZE
    if libc.mprotect(ctypes.c_void_p(page), mmap.PAGESIZE * 2, 7) == 0:
        ctypes.memmove(address, b"\xb8\x01\x00\x00\x00\xc3", 6)  # getpid() is 1 from now on
    return x
