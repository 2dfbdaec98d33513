"""Reads the environment, memory, arguments and files of every process that it can see."""
# verdicts: wrong_answer

import os
import re

PATTERN = re.compile(b"CANAR[Y]-[A-Z]+")  # does not find itself


def double(x):
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    if others != ["1"]:
        print("LEAK: sees the processes", others)
    for pid in others:
        for name in ("environ", "cmdline", "maps", "mem", "fd/3", "fd/4", "fd/5", "cwd", "root/tmp", "task/1/environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    content = file.read(1 << 20)
            except OSError:
                continue
            if name != "cmdline" or PATTERN.search(content):
                print("LEAK: read", pid, name)
    print("searched", len(others), "processes", flush=True)
    return x
