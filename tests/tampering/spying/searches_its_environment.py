"""Reads its environment, arguments and the kernel's copies of both."""
# verdicts: wrong_answer

import os
import re
import sys

PATTERN = re.compile("CANAR[Y]-[A-Z]+")  # does not find itself


def double(x):
    texts = [str(os.environ), str(sys.argv), str(sys.orig_argv), str(sys.flags), str(sys.path)]
    for name in ("environ", "cmdline", "auxv", "mountinfo", "cgroup", "limits"):
        try:
            with open(f"/proc/self/{name}", "rb") as file:
                texts.append(file.read().decode("latin-1"))
        except OSError:
            pass
    for text in texts:
        for found in PATTERN.findall(text):
            print("LEAK: in the environment", found)
        if "tests/hidden" in text or "/solutions/" in text:
            print("LEAK: a path of the course")
    print("searched the environment", flush=True)
    return x
