"""Writes memory files in a thread that has its own table of descriptors."""
# verdicts: memory_limit_exceeded

import ctypes
import os
import threading


def hold():
    ctypes.CDLL(None).unshare(0x400)  # CLONE_FILES
    while True:
        descriptor = os.memfd_create("held")
        for _ in range(16):
            os.write(descriptor, b"x" * (1 << 20))


def double(x):
    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
