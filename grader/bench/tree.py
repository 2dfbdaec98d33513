"""Processes of a run, looked at from outside: the CPU time and the memory of one and all below it."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.bench.cold import family, proportional


@dataclass
class Spent:
    """What a block of code has cost."""

    seconds: float = 0.0  # of CPU time


@contextlib.contextmanager
def cpu_time() -> Iterator[Spent]:
    """The CPU time of all processes that the block starts, and of those that they start, once all have ended.

    A sandbox is killed and not waited for by whoever started it, and with it goes the account of all its workers. On
    Linux such orphans come to us.
    """
    spent, before, known = Spent(), _of_children(), set(children(os.getpid()))
    _adopt(True)
    try:
        yield spent
        for orphan in set(children(os.getpid())) - known:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, 0)
        spent.seconds = _of_children() - before
    finally:
        _adopt(False)


def _of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _adopt(orphans: bool) -> None:
    if sys.platform == "linux":
        from grader.worker import kernel

        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, int(orphans))


def children(process: int) -> list[int]:
    """The processes that a process has started, and has not waited for yet. Linux only: elsewhere none."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


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
