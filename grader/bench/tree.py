"""Processes of a run, looked at from outside: the CPU time and the memory of one and all below it."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

from grader.bench.cold import family, proportional

TICKS = os.sysconf("SC_CLK_TCK")
TIMES = slice(11, 15)  # utime, stime, cutime, cstime: of the fields after the name in /proc/PID/stat
SANDBOX = "bwrap"


class Spent:
    """The CPU time of a command and all below it.

    It is on the account of whoever waited for a process. A sandbox that is killed takes the account of all its workers
    with it, for the kernel waits for them and keeps none: so sandboxes are looked at now and then. What they use after
    the last look is missed.
    """

    def __init__(self) -> None:
        self._before = _waited_for()
        self._sandboxes: dict[int, float] = {}

    def look(self, root: int) -> None:
        """At the sandboxes below the process `root`."""
        inside: set[int] = set()  # a sandbox's own first process is called as it is
        for process in family(root):  # parents first
            if process not in inside and _name(process) == SANDBOX:
                members = family(process)
                inside |= set(members)
                self._sandboxes[process] = max(sum(map(_used, members)), self._sandboxes.get(process, 0.0))

    def seconds(self) -> float:
        """Once the command has been waited for."""
        return _waited_for() - self._before + sum(self._sandboxes.values())


def _waited_for() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _name(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text().strip()
    return ""


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
