"""Writes files until nothing can be written any more."""
# verdicts: run_time_error, memory_limit_exceeded


def double(x):
    number = 0
    while True:
        with open(f"part{number}", "wb") as file:
            file.write(b"x" * (8 << 20))
        number += 1
