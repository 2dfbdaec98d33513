"""Attaches to its parent, reads its memory, and takes its descriptors."""
# verdicts: wrong_answer

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def double(x):
    for target in {1, os.getppid()}:
        if libc.ptrace(16, target, None, None) == 0 or libc.ptrace(0x4206, target, None, None) == 0:
            print("LEAK: attached to", target)
        pidfd = libc.syscall(434, target, 0)
        for number in range(64):
            if pidfd >= 0 and libc.syscall(438, pidfd, number, 0) >= 0:
                print("LEAK: took descriptor", number, "of", target)
        for name in (
            "mem",
            "environ",
            "maps",
            "fd/3",
            "fd/4",
            "fd/5",
            "cwd/.",
            "root/.",
            "auxv",
            "stack",
            "task/1/mem",
        ):
            path = f"/proc/{target}/{name}"
            try:
                os.listdir(path) if name.endswith(".") else open(path, "rb").read(64)
                print("LEAK: read", path)
            except OSError:
                pass
    print("searched the parent", flush=True)
    return x
