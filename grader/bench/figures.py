"""What was measured, and what it is held against."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grader.errors import JudgeError

P95 = 0.95


@dataclass(frozen=True)
class Figure:
    """One measured thing, n times, in `unit`."""

    name: str
    n: int
    minimum: float
    median: float
    p95: float  # the nearest rank: with fewer than 20 measurements, the largest
    maximum: float
    unit: str = "s"


@dataclass(frozen=True)
class Aim:
    """A figure or a ratio, and the most that it is to be."""

    name: str
    value: float
    most: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.most


def figure(name: str, values: list[float], unit: str = "s") -> Figure:
    """The figure of at least one measurement."""
    ranked = sorted(values)
    p95 = ranked[math.ceil(P95 * len(ranked)) - 1]
    return Figure(name, len(ranked), ranked[0], statistics.median(ranked), p95, ranked[-1], unit)


def timed(action: Callable[[], object]) -> float:
    """Seconds of wall time that `action` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def run(arguments: list[str], cwd: Path, allowed: tuple[int, ...] = (0,)) -> str:
    """Runs Python with `arguments`; what it printed. Raises JudgeError for another exit code than the allowed ones."""
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise JudgeError(f"'{' '.join(arguments)}' ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
