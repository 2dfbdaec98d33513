"""How a class would be graded without this grader: one process after the other, two at a time.

Both rivals run the test functions of the hidden suite on the student's file, in one process that holds both. They get
one OpenMP thread each, idle ones asleep: with the defaults two processes with torch slow each other many times.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from grader.bench.class_run import JOBS, environment
from grader.bench.classroom import Sheet
from grader.catalog import Exercise
from grader.errors import JudgeError

Grader = Callable[[Sheet, Path], None]
PATIENCE_SECONDS = 300.0


@dataclass
class Sample:
    """Sheets that a rival has graded."""

    seconds: list[float] = field(default_factory=list)  # each by itself, two at a time
    elapsed: float = 0.0  # all of them

    @property
    def each(self) -> float:
        """Seconds a submission."""
        return self.elapsed / len(self.seconds)

    def add(self, sheets: Sequence[Sheet], grade: Grader) -> Sample:
        """Grades some more, and returns what these took."""
        part = Sample()
        began = time.perf_counter()
        with ThreadPoolExecutor(JOBS) as pool:
            part.seconds = list(pool.map(lambda sheet: _timed(sheet, grade), sheets))
        part.elapsed = time.perf_counter() - began
        self.seconds += part.seconds
        self.elapsed += part.elapsed
        return part


def _timed(sheet: Sheet, grade: Grader) -> float:
    with tempfile.TemporaryDirectory(prefix="dojo-bench-") as folder:
        began = time.perf_counter()
        grade(sheet, Path(folder))
        return time.perf_counter() - began


def plain_pytest(sheet: Sheet, folder: Path) -> None:
    """A fresh `python -m pytest` on the hidden suite, with the student's file beside it."""
    place = folder / "exercises" / sheet.exercise.slug
    place.mkdir(parents=True)
    (place / sheet.exercise.files[0]).write_text(sheet.text, "utf-8")
    shutil.copy(sheet.exercise.folder / "exercise.toml", place)
    suite = Path(shutil.copy(suite_of(sheet.exercise), place))
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-m", "not training"]
    # What needs a worker fails here, as wrong answers do: what counts is that the same tests are gone through.
    printed = call([sys.executable, "-m", "pytest", *options, str(suite)], folder, (0, 1))
    if "passed" not in printed and "failed" not in printed:
        raise JudgeError(f"plain pytest has run nothing: {printed[-300:]}")


def suite_of(exercise: Exercise) -> Path:
    """The hidden suite. Raises JudgeError where there is none to measure."""
    if exercise.hidden_suite is None:
        raise JudgeError(f"exercise {exercise.key} has no hidden suite to measure")
    return exercise.hidden_suite


def call(command: Sequence[str], cwd: Path, allowed: tuple[int, ...] = (0,)) -> str:
    """Runs a rival; what it printed. Raises JudgeError for another exit code than the allowed ones."""
    settings = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    # Not what this process has set for a pytest of its own: a rival's looks for plugins.
    clean = {name: value for name, value in environment().items() if not name.startswith("PYTEST_")}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=clean | settings,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JudgeError(f"'{command[0]}' did not end within {PATIENCE_SECONDS:.0f} s") from None
    if done.returncode not in allowed:
        raise JudgeError(f"'{' '.join(command)}' ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
    return done.stdout
