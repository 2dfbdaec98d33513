"""Takes memory without end."""
# verdicts: memory_limit_exceeded


def double(x):
    held = []
    while True:
        held.append(bytearray(b"x" * (8 << 20)))
