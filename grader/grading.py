"""Grades one submission of one exercise: reads it, warms a sandbox, runs the suite, and sums up."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader import runner
from grader.catalog import Exercise
from grader.devices import cards, device_for
from grader.effort import Effort, Selection
from grader.errors import JudgeError, UsageError
from grader.gpu import Slot
from grader.result import Measured, Report, TestResult
from grader.sandbox import Mode, Sandbox
from grader.submission import Submission, read_submission
from grader.summary import Outcome, now, sum_up

if TYPE_CHECKING:
    from grader.recorder import Recorder


@dataclass(frozen=True)
class Settings:
    """How to grade."""

    sandbox: Mode = Mode.AUTO
    device: str = "auto"
    seed: int | None = None
    suite: str = "auto"
    effort: Effort = Effort.WHOLE
    first: tuple[str, ...] = ()  # names of tests that run before the others
    selection: Selection = Selection.ALL
    slots: int = 1  # judges that share a GPU
    turns: str = ""  # by which name the judges of a run take turns, where one is to be alone


@dataclass(frozen=True)
class Progress:
    """What is told while a suite runs."""

    started: Callable[[str], None] = lambda _: None
    finished: Callable[[TestResult], None] = lambda _: None


def open_sandbox(exercise: Exercise, settings: Settings, workers: int = 1, also: Sequence[str] = ()) -> Sandbox:
    """Begins to warm a sandbox for `exercise`; the caller closes it. It may serve several submissions in turn.

    As many as `workers` may be at work in it at a time. The modules `also` are imported beside those of the exercise.
    """
    on_gpu = device_for(exercise, settings.device) == "cuda"
    slot = Slot(cards()[0], settings.slots * workers) if on_gpu else None
    return Sandbox([*exercise.preload, *also], settings.sandbox, slot, exercise.limits.memory_mb * workers)


def grade(
    exercise: Exercise,
    path: Path,
    settings: Settings,
    progress: Progress | None = None,
    sandbox: Sandbox | None = None,
) -> Report:
    """The report on the submission at `path`, graded in `sandbox`, or in one of its own.

    Raises UsageError, or JudgeError where no report is possible.
    """
    began = time.monotonic()
    started = now()
    suite, kind = find_suite(exercise, settings.suite)
    submission = read_submission(exercise, path)
    seed = secrets.randbits(63) if settings.seed is None else settings.seed
    device = sandbox.device if sandbox else device_for(exercise, settings.device)
    isolation, notice, versions = "", "", {}  # nothing was run yet
    results: list[TestResult] = []
    faults: list[str] = []
    remarks: list[str] = []
    measured: list[Measured] = []
    if submission.problem is None:
        # The sandbox imports torch in a process of its own while we import it here.
        with contextlib.ExitStack() as stack:
            used = sandbox or stack.enter_context(open_sandbox(exercise, settings))
            recorder = _run_suite(exercise, submission, suite, used, seed, settings, progress or Progress())
            results, faults, remarks = recorder.results, recorder.faults, recorder.remarks
            measured = recorder.measured
            isolation, notice, versions = used.isolation.value, used.notice, used.versions
    outcome = Outcome(device, seed, results, faults, remarks, measured, isolation, notice, versions)
    # The public tests are samples, and may leave a task out, as a part of the hidden ones may.
    complete = kind == "hidden" and settings.selection is Selection.ALL
    return sum_up(exercise, submission, suite, kind, outcome, started, time.monotonic() - began, complete)


def find_suite(exercise: Exercise, wanted: str) -> tuple[Path, str]:
    """The suite, and whether it is the "hidden" or the "public" one. Raises UsageError, or JudgeError for a fault."""
    hidden = exercise.hidden_suite
    if wanted != "public" and exercise.hidden.is_dir():
        _check_hidden(exercise)
    if wanted == "public" or (wanted == "auto" and hidden is None):
        if not exercise.public_suite.is_file():
            raise JudgeError(f"exercise {exercise.key} has no tests: '{exercise.public_suite}' is missing")
        return exercise.public_suite, "public"
    if hidden is None:
        raise UsageError(f"there is no hidden suite of exercise {exercise.key} here, only the public tests")
    return hidden, "hidden"


def _check_hidden(exercise: Exercise) -> None:
    """The staff's folder holds one suite: none would mean the public tests instead, and two the first of them."""
    suites = sorted(path.name for path in exercise.hidden.glob("test_*.py"))
    if len(suites) != 1:
        found = ", ".join(suites) or "none"
        raise JudgeError(f"'{exercise.hidden}' is to hold one suite, 'test_*.py', and holds {found}")


def _run_suite(
    exercise: Exercise,
    submission: Submission,
    suite: Path,
    sandbox: Sandbox,
    seed: int,
    settings: Settings,
    progress: Progress,
) -> Recorder:
    runner.load()
    from grader.recorder import Recorder, Run

    sandbox.wait_ready()
    run = Run(
        exercise, submission.files, sandbox, seed, sandbox.device, settings.effort, settings.first, settings.selection
    )
    recorder = Recorder(run, progress.started, progress.finished)
    runner.run(suite, exercise.root, recorder)
    return recorder
