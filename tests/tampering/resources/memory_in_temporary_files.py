"""Fills the shared-memory folder and the scratch folder at once."""
# verdicts: memory_limit_exceeded, run_time_error


def double(x):
    for folder in ("/dev/shm", "."):
        with open(f"{folder}/held", "wb", buffering=0) as file:
            while True:
                try:
                    file.write(b"x" * (1 << 20))
                except OSError:
                    break
    raise MemoryError
