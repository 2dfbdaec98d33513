"""A grade in a fresh process: its time beside a bare `import torch`, and its memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from grader.bench.figures import Aim, Figure, figure, run, timed

COLD_AIM = 1.6  # times the bare import
MEMORY_AIM = 1200.0  # MB, shared pages counted once
LOOK_SECONDS = 0.05
GRADE = ["-m", "grader", "grade", "1", "--from", "solutions"]


def cold(root: Path, rounds: int) -> tuple[list[Figure], list[Aim]]:
    """The bare import and the cold grade in turn, so that a noisy minute hits both."""
    imports: list[float] = []
    grades: list[float] = []
    for _ in range(rounds):
        imports.append(timed(lambda: run(["-c", "import torch"], root)))
        grades.append(timed(lambda: run(GRADE, root)))
    bare, grade = figure('python -c "import torch"', imports), figure("cold grade, EX=1 FROM=solutions", grades)
    return [bare, grade], [Aim("cold grade / bare import, medians", grade.median / bare.median, COLD_AIM)]


def memory(root: Path, rounds: int) -> tuple[list[Figure], list[Aim]]:
    """The peak of one grade, the judge and all below it. Linux only: elsewhere nothing is measured."""
    if not Path("/proc/self/smaps_rollup").exists():
        return [], []
    peaks = [_peak([*GRADE[:3], "3", *GRADE[4:]], root) for _ in range(rounds)]
    one = figure("peak memory of a grade, EX=3", peaks, "MB")
    return [one], [Aim("peak memory", one.median, MEMORY_AIM, "MB")]


def _peak(arguments: list[str], root: Path) -> float:
    """In MB: the largest sum of all processes' proportional set sizes (PSS), looked at twenty times a second."""
    peak = 0.0
    with subprocess.Popen([sys.executable, *arguments], cwd=root, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(proportional, family(process.pid))))
            time.sleep(LOOK_SECONDS)
    return peak


def proportional(process: int, kinds: tuple[str, ...] = ("Pss",)) -> float:
    """A process's share of the memory that it maps, in MB; 0 once it has ended."""
    with contextlib.suppress(OSError):
        rows = (line.split() for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines())
        return sum(int(row[1]) for row in rows if row[0].rstrip(":") in kinds) / 1024
    return 0.0


def family(root: int) -> list[int]:
    """A process and all below it."""
    found = [root]
    for process in found:
        found += children(process)
    return found


def children(process: int) -> list[int]:
    """The processes that a process has started, and has not waited for yet. Linux only: elsewhere none."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it may end while we look, its folder with it
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text().split())
    return found
