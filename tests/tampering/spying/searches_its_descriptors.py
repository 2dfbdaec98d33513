"""Reads whatever its descriptors hold: requests that wait, files, pipes, passed descriptors."""
# verdicts: wrong_answer, run_time_error

import os
import re
import socket

PATTERN = re.compile(b"CANAR[Y]-[A-Z]+")  # does not find itself


def contents(descriptor):
    try:
        copy = socket.socket(fileno=os.dup(descriptor))
        copy.settimeout(0.02)
        data, passed, _, _ = socket.recv_fds(copy, 1 << 16, 16, socket.MSG_PEEK)
        if passed:
            print("LEAK: descriptors were passed", passed)
        return data
    except OSError:
        pass
    try:
        return os.pread(descriptor, 1 << 20, 0)
    except OSError:
        return b""


def double(x):
    seen = 0
    for name in os.listdir("/proc/self/fd"):
        data = contents(int(name))
        seen += len(data)
        for found in PATTERN.findall(data):
            print("LEAK: in descriptor", name, found)
    print("searched", seen, "bytes of descriptors", flush=True)
    return x
