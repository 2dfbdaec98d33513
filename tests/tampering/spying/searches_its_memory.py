"""Reads its own memory for the suite, the expected values and the labels."""
# verdicts: wrong_answer

import re

PATTERN = re.compile(b"CANAR[Y]-[A-Z]+")  # does not find itself


def search():
    seen = 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps.read().splitlines():
            span, rights, _, _, inode, *_ = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if "r" not in rights or ("w" not in rights and inode != "0"):
                continue  # libraries
            while start < end:
                try:
                    memory.seek(start)
                    chunk = memory.read(min(end - start, 16 << 20))
                except (OSError, ValueError, OverflowError):
                    break
                if not chunk:
                    break
                seen += len(chunk)
                for found in PATTERN.findall(chunk):
                    print("LEAK: in memory", found)
                start += len(chunk)
    return seen


def double(x):
    print("searched", search() >> 20, "MB", flush=True)
    return x
