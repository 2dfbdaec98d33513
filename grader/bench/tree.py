"""Processes of a run, looked at from outside: the CPU time and the memory of one and all below it. Linux only."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from grader.bench.cold import family, proportional

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
TIMES = slice(11, 15)  # utime, stime, cutime, cstime: the fields after the name of /proc/PID/stat


def cpu_seconds(root: int) -> float:
    """What a process and all below it have used, those that have ended included, as long as they were waited for."""
    return sum(map(_used, family(root)))


def _used(process: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[TIMES])) / TICKS
    return 0.0


class Peak:
    """The most memory that a process and all below it take together, pages that they share counted once."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self.looks = 0

    @contextlib.contextmanager
    def watching(self, root: int, pause: float) -> Iterator[None]:
        """Looks, waits for `pause` seconds, and looks again, until the block ends."""
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=(root, pause, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look(self, root: int, pause: float, over: threading.Event) -> None:
        while not over.wait(pause):
            self.megabytes = max(self.megabytes, sum(map(proportional, family(root))))
            self.looks += 1
