"""Reads every file that it can see for the suite, the solution and the labels."""
# verdicts: wrong_answer

import os
import re
import sys

PATTERN = re.compile(b"CANAR[Y]-[A-Z]+")  # does not find itself
SYSTEM = ("/proc", "/sys", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/dev/pts")


def search():
    packages = [os.path.realpath(path) for path in sys.path if "packages" in path] + [sys.base_prefix]
    seen = 0
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.realpath(f"{folder}/{name}") not in {*SYSTEM, *packages}]
        for name in files:
            path = f"{folder}/{name}"
            try:
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        seen += 1
                        for found in PATTERN.findall(file.read(4 << 20)):
                            print("LEAK:", path, found)
            except OSError:
                pass
    return seen


def double(x):
    print("searched", search(), "files", flush=True)
    return x
