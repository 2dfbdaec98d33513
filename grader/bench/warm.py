"""From a save to the verdict on the screen, beside a plain pytest of the same suite in one process, cold."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from grader.bench.figures import Aim, Figure, figure, run, timed
from grader.catalog import Exercise
from grader.errors import JudgeError

RATIO_AIM = 1 / 8  # of the plain pytest
P95_AIM = 1.0  # seconds
COLD_ROUNDS = 3
PAUSE = 1.5  # seconds between a verdict and the next save: a person types at least a word
BEGIN = re.compile(r"^(?P<indent> *)# BEGIN SOLUTION.*$", re.MULTILINE)
VERDICT = re.compile(r"verdict in [\d.]+ s")


def warm(root: Path, exercises: list[Exercise], rounds: int) -> tuple[list[Figure], list[Aim]]:
    """For each exercise: saves after which every test is due, and saves that change one task."""
    figures: list[Figure] = []
    aims: list[Aim] = []
    for exercise in exercises:
        cold = figure(f"plain pytest, EX={exercise.key}, cold", [_plain(exercise) for _ in range(COLD_ROUNDS)])
        figures.append(cold)
        for what, change in (("", anything), (", one task changed", one_task)):
            saved = figure(f"save to verdict, EX={exercise.key}{what}", _saves(root, exercise, rounds, change))
            figures.append(saved)
            ratio = saved.median / cold.median
            aims.append(Aim(f"EX={exercise.key}{what}: save to verdict / plain pytest", ratio, RATIO_AIM))
            aims.append(Aim(f"EX={exercise.key}{what}: save to verdict, 95th percentile", saved.p95, P95_AIM, "s"))
    return figures, aims


def _plain(exercise: Exercise) -> float:
    """The hidden suite beside the solution, without the tests that train, as any pytest would run them."""
    with tempfile.TemporaryDirectory(prefix="dojo-bench-") as folder:
        place = Path(folder) / "exercises" / exercise.slug
        shutil.copytree(exercise.solution, place)
        shutil.copy(exercise.folder / "exercise.toml", place)
        suite = exercise.hidden_suite
        if suite is None:
            raise JudgeError(f"exercise {exercise.key} has no hidden suite to measure")
        shutil.copy(suite, place)
        options = ["-q", "-p", "no:cacheprovider", "-m", "not training", "--import-mode=importlib"]
        # Some tests need a worker, and fail here; most pass. What counts is that the same suite is gone through.
        return timed(lambda: run(["-m", "pytest", *options, str(place / suite.name)], Path(folder), (0, 1)))


def anything(text: str, number: int) -> str:
    """A statement of the module's own may change anything: no test is spared."""
    return f"{text}\nassert {number} >= 0\n"


def one_task(text: str, number: int) -> str:
    """What a student mostly does: a line more in one of the solution's parts, each in turn."""
    parts = list(BEGIN.finditer(text))
    part = parts[number % len(parts)]
    return f"{text[: part.end()]}\n{part['indent']}changed = {number}{text[part.end() :]}"


def _saves(root: Path, exercise: Exercise, rounds: int, change: Callable[[str, int], str]) -> list[float]:
    """Seconds from the moment a new file is in place until the verdict is printed by `dojo watch`."""
    with tempfile.TemporaryDirectory(prefix="dojo-bench-") as folder:
        course = course_with(root, exercise, Path(folder))
        name = exercise.files[0]
        text = (exercise.solution / name).read_text("utf-8")
        target = course / exercise.folder.relative_to(root) / name
        target.write_text(text, "utf-8")
        seconds = []
        with watching(course, exercise) as process:
            lines = process.stdout
            assert lines is not None
            await_verdict(lines)
            for number in range(rounds):
                time.sleep(PAUSE)
                draft = target.with_suffix(".new")
                text = change(text, number)
                draft.write_text(text, "utf-8")
                began = time.perf_counter()
                draft.replace(target)
                await_verdict(lines)
                seconds.append(time.perf_counter() - began)
        return seconds


def course_with(root: Path, exercise: Exercise, folder: Path) -> Path:
    """A copy of the course with one exercise, for its file is going to change."""
    for path in (exercise.folder, exercise.hidden, exercise.solution):
        shutil.copytree(path, folder / path.relative_to(root), dirs_exist_ok=True)
    return folder


@contextlib.contextmanager
def watching(course: Path, exercise: Exercise) -> Iterator[subprocess.Popen[str]]:
    """`dojo watch` in a pipe, until the block ends."""
    command = [sys.executable, "-m", "grader", "watch", exercise.key]
    search = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))))
    with subprocess.Popen(
        command,
        cwd=course,
        env=os.environ | {"PYTHONPATH": search},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # SIGINT is ignored in a shell's background jobs


def await_verdict(lines: IO[str]) -> None:
    """Reads until the next verdict. Raises JudgeError where the watch ends first."""
    seen = []
    for line in lines:
        seen.append(line)
        if VERDICT.search(line):
            if "not graded" in "".join(seen):
                break
            return
    raise JudgeError(f"the watch gave no verdict: {''.join(seen)[-500:]}")
