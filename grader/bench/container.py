"""An autograder's container as Gradescope gives it: 768 MB, half a core. Which exercises fit, and how long they take.

The zip is made, unpacked and installed as there; `run_autograder` runs in cgroups of that size. Needs root and cgroups.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.gradescope.bundle import bundle
from grader.gradescope.harness import Settings

MEGABYTES = 768
CORES = 0.5
SECONDS = 600  # Gradescope's own limit, as it is set at first
PERIOD = 100_000  # microseconds
ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Fit:
    """How the solution of an exercise fared in there."""

    exercise: str
    points: float | None  # None: there were no results
    max_points: float
    seconds: float
    peak_mb: float
    killed: int  # processes that the kernel ended for want of memory

    @property
    def fits(self) -> bool:
        return self.points == self.max_points and self.seconds < SECONDS


def measure(exercises: list[Exercise], megabytes: int = MEGABYTES) -> Iterator[Fit]:
    """Grades the solution of each. Raises UsageError where cgroups can't be made."""
    for exercise in exercises:
        with tempfile.TemporaryDirectory(prefix="dojo-bench-", dir="/var/tmp") as folder, _groups(megabytes) as groups:
            yield _measured(exercise, Path(folder), groups)


def _measured(exercise: Exercise, folder: Path, groups: list[Path]) -> Fit:
    environment = install(exercise, folder)
    for name in exercise.files:
        (folder / "submission" / name).write_bytes((exercise.solution / name).read_bytes())
    began = time.monotonic()
    join = "".join(f"echo 0 > {group}/cgroup.procs; " for group in groups)
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            ["sh", "-c", f"{join} exec {folder}/source/run_autograder"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    seconds = time.monotonic() - began
    total = sum(task.points for task in exercise.tasks)
    peak, killed = _peak(groups[0])
    return Fit(exercise.slug, _points(folder), total, seconds, peak / 2**20, killed)


def install(exercise: Exercise, folder: Path) -> dict[str, str]:
    """Sets `folder` up as `setup.sh` does, with the packages of this environment; returns that of `run_autograder`."""
    archive = folder / "autograder.zip"
    bundle(exercise, archive, Settings(exercise.key))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder / "source")  # of our own making
    (folder / "source" / "run_autograder").chmod(0o755)
    for name in ("submission", "results"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(folder / "source" / "course")], check=True)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={target} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return {**os.environ, "AUTOGRADER": str(folder), "PYTHON": str(python)}


def _points(folder: Path) -> float | None:
    try:
        return float(json.loads((folder / "results" / "results.json").read_text("utf-8"))["score"])
    except (OSError, ValueError, KeyError):
        return None


@contextlib.contextmanager
def _groups(megabytes: int) -> Iterator[list[Path]]:
    """Cgroups of that size, version 1 or 2; the first one counts memory."""
    name = f"dojo-container-{os.getpid()}"
    if (ROOT / "memory").is_dir():
        memory, cpu = ROOT / "memory" / name, ROOT / "cpu" / name
        quota = f"{int(CORES * PERIOD)}"
        limits = {memory / "memory.limit_in_bytes": f"{megabytes << 20}", cpu / "cpu.cfs_quota_us": quota}
    else:
        memory = cpu = ROOT / name
        limits = {memory / "memory.max": f"{megabytes << 20}", cpu / "cpu.max": f"{int(CORES * PERIOD)} {PERIOD}"}
    groups = list(dict.fromkeys((memory, cpu)))
    try:
        for group in groups:
            group.mkdir()
        for file, value in limits.items():
            file.write_text(value)
    except OSError as error:
        raise UsageError(f"a container's size can't be imposed here: '{error.filename}': {error.strerror}") from None
    try:
        yield groups
    finally:
        for group in groups:
            for child in sorted(group.glob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    child.rmdir()


def _peak(group: Path) -> tuple[int, int]:
    """The most bytes that were in use, and how many processes the kernel has ended."""
    version_1 = (group / "memory.max_usage_in_bytes").exists()
    peak = int((group / ("memory.max_usage_in_bytes" if version_1 else "memory.peak")).read_text())
    events = (group / ("memory.oom_control" if version_1 else "memory.events")).read_text().split()
    return peak, int(events[events.index("oom_kill") + 1])
