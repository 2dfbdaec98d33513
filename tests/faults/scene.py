"""A fault, the toy course that is graded while it strikes, and how it was taken."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from grader import cgroup
from grader.__main__ import main
from grader.result import Report
from tests.faults.processes import below, descriptors, groups, wait_until

ALL, LOST, USAGE, JUDGE, INTERRUPTED = 0, 1, 2, 3, 130
ACCEPTED, RUN_TIME, WRONG, TIME = "accepted", "run_time_error", "wrong_answer", "time_limit_exceeded"
JUDGE_ERROR, NO_REPORT = "judge_error", "no report"
OURS, STUDENTS = "ours", "the student's"
AUTO, REQUIRE, OFF = "auto", "require", "off"
BOTH = (REQUIRE, OFF)
INSTALLED = shutil.which("bwrap") is not None
ONE = (REQUIRE,) if INSTALLED else (OFF,)  # where isolation makes no difference
EVER = 99  # times that a fault strikes
STRAY_SECONDS = 10.0  # for what is ending to have ended, on a loaded machine
PR_SET_CHILD_SUBREAPER = 36
EARLIER = "the report of an earlier run"

# Nothing here needs torch in the worker, so that a sandbox starts in a moment.
TOML = """
title = "Doubling"
summary = "Twice a number."
files = ["double.py"]
preload = []
[limits]
test_seconds = 5.0
memory_mb = 512
[[tasks]]
number = 1
title = "Twice"
points = 2
hints = ["Think of 2."]
[[tasks]]
number = 2
title = "Errors"
points = 1
hints = ["Raise it."]
"""
RIGHT = """
def double(x):
    if x < 0:
        raise ValueError(f"{x} is negative")
    return 2 * x
"""
SUITE = """
import os
import sys
import time

import pytest

from grader.checks import check_equal, check_raises
# HEAD


@pytest.fixture
def before():
    pass


@pytest.mark.task(1)
def test_doubles(submission, before):
    check_equal(submission.double(21), 42)
    check_equal(submission.double(4), 8)


# SECOND
@pytest.mark.task(2)
def test_refuses_what_is_negative(submission):
    # BODY
    check_raises(ValueError, submission.double, -1, mentions=("-1",))
"""


@dataclass
class Scene:
    """A course in a folder of its own, and what a fault changes while it is graded."""

    root: Path
    temporary: Path
    patches: contextlib.ExitStack
    mounts: contextlib.ExitStack  # longer there than the patches: what came of the fault lies there
    source: str = "solutions"

    @property
    def suite(self) -> Path:
        return self.root / "tests/hidden/ex01_double/test_double.py"

    @property
    def toml(self) -> Path:
        return self.root / "exercises/ex01_double/exercise.toml"

    def report(self, name: str = "report") -> Path:
        return self.root / f"reports/ex01_double/{name}.json"

    def patch(self, where: Any, name: str, value: Any) -> None:
        self.patches.enter_context(mock.patch.object(where, name, value))

    def submit(self, code: str) -> None:
        """Hands in something else than the reference."""
        folder = self.root / "handed_in"
        (folder / "double.py").write_text(code)
        self.source = str(folder)


Play = Callable[[Scene, list[str]], int]  # grades; returns the exit code


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and how it is to be taken."""

    name: str
    inject: Callable[[Scene], None]
    verdict: str = ACCEPTED
    code: int = ALL
    modes: tuple[str, ...] = BOTH
    tries: int | None = None  # of the test that it strikes most, where the report tells
    play: Play | None = None  # in this process, if none is given
    replaces: bool | None = None  # whether the earlier report is replaced: by a grade, if nothing is given
    leaves: str = ""  # what nobody could have removed

    @property
    def whose(self) -> str:
        return STUDENTS if self.code == LOST else OURS


@dataclass
class Outcome:
    """How it was taken."""

    code: int
    verdict: str
    seconds: float
    strays: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def whose(self) -> str:
        return STUDENTS if self.code == LOST else OURS


def play(fault: Fault, mode: str) -> Outcome:
    """Grades the toy course while `fault` strikes."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
        contextlib.ExitStack() as mounts,
        contextlib.ExitStack() as patches,
    ):
        scene = build(Path(folder), patches, mounts)
        watch = Watch(scene)
        fault.inject(scene)
        watch.files = watch.seen()
        arguments = ["grade", "1", "--from", scene.source, "--sandbox", mode]
        code = (fault.play or play_here)(scene, arguments)
        patches.close()
        outcome = judge(fault, scene, code)
        outcome.strays = watch.strays(fault.leaves)
    outcome.problems += [f"left behind: {stray}" for stray in outcome.strays if stray.split()[0] != fault.leaves]
    outcome.seconds = time.monotonic() - began
    return outcome


def build(folder: Path, patches: contextlib.ExitStack, mounts: contextlib.ExitStack) -> Scene:
    scene = Scene(folder / "course", folder / "tmp", patches, mounts)
    for path, text in {
        "exercises/ex01_double/exercise.toml": TOML,
        "exercises/ex01_double/double.py": "def double(x):\n    raise NotImplementedError\n",
        "solutions/ex01_double/double.py": RIGHT,
        "tests/hidden/ex01_double/test_double.py": SUITE,
        "reports/ex01_double/report.json": EARLIER,
        "requirements.lock": "torch==2.11.0\n",
    }.items():
        (scene.root / path).parent.mkdir(parents=True, exist_ok=True)
        (scene.root / path).write_text(text)
    scene.temporary.mkdir()
    (scene.root / "handed_in").mkdir()
    return scene


def play_here(scene: Scene, arguments: list[str]) -> int:
    """In this process: what is patched here is patched for the judge."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    nothing = scene.patches.enter_context(Path(os.devnull).open("w"))  # noqa: SIM115
    scene.patch(tempfile, "tempdir", str(scene.temporary))
    try:
        with contextlib.chdir(scene.root), contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            return main(arguments)
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def start(scene: Scene, arguments: list[str], **streams: Any) -> subprocess.Popen[bytes]:
    """In a process of its own, as a person starts it."""
    command = [sys.executable, "-m", "grader", *arguments]
    environment = {**os.environ, "TMPDIR": str(scene.temporary), "MARK": str(scene.root / "mark")}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
    settings = {"cwd": scene.root, "env": environment, "stdin": subprocess.DEVNULL, "preexec_fn": heed_signals}
    return subprocess.Popen(command, **settings, **streams)


def heed_signals() -> None:
    """A background job, as CI may be, ignores Ctrl-C, under `nohup` SIGHUP too, and so would all that it starts."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def play_apart(scene: Scene, arguments: list[str]) -> int:
    return start(scene, arguments).wait(60)


def judge(fault: Fault, scene: Scene, code: int) -> Outcome:
    """The outcome, and where it differs from what is due."""
    replaced = scene.report().read_text() != EARLIER
    beside = scene.report("report.judge_error")
    path = scene.report() if replaced else beside
    report = Report.from_json(path.read_text()) if path.is_file() else None
    outcome = Outcome(code, report.verdict.value if report else NO_REPORT, 0.0)
    due = fault.code in (ALL, LOST) if fault.replaces is None else fault.replaces
    tries = max((test.attempts for task in report.tasks for test in task.tests), default=0) if report else 0
    points = {ALL: (3.0, 3.0), LOST: (0.0, 2.0)}.get(code, (0.0, 3.0))
    for what, expected, got in (
        ("exit code", fault.code, code),
        ("verdict", fault.verdict, outcome.verdict),
        ("earlier report replaced", due, replaced),
        ("tries", fault.tries or tries, tries),
        ("points", True, report is None or points[0] <= report.points <= points[1]),
    ):
        if expected != got:
            outcome.problems.append(f"{what}: {expected} expected, {got} came")
    return outcome


class Watch:
    """Sees what is there before and after: processes, open descriptors, temporary files, memory groups."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        # Whoever loses its parent becomes our child, and is seen.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        gc.collect()
        self.processes = below(os.getpid())
        self.descriptors = descriptors()
        self.groups = groups()
        self.files = self.seen()

    def strays(self, known: str) -> list[str]:
        gc.collect()
        wait_until(lambda: all(stray.split()[0] == known for stray in self._now()), STRAY_SECONDS)
        found = self._now()
        for name in groups() - self.groups:
            for parent in cgroup._parents():
                with contextlib.suppress(OSError):
                    (parent / name).rmdir()
        for pid in below(os.getpid(), dead=True) - below(os.getpid()) - self.processes:
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)  # an orphan that came to us
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        return found

    def _now(self) -> list[str]:
        found = [f"process {pid}" for pid in below(os.getpid()) - self.processes]
        found += [f"temporary file {path.name}" for path in self.scene.temporary.iterdir()]
        found += [f"file {path}" for path in self.seen() - self.files]
        found += [f"group {name}" for name in groups() - self.groups]
        more = descriptors() - self.descriptors
        return found + ([f"{more} descriptors"] if more > 0 else [])

    def seen(self) -> set[Path]:
        kept = {self.scene.report(), self.scene.report("report.judge_error"), self.scene.root / "mark"}
        kept.add(self.scene.root / "handed_in/double.py")
        return {path for path in self.scene.root.rglob("*") if "__pycache__" not in path.parts} - kept
