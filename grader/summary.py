"""Sums a run up: what a report says of its origin, and the tests' results sorted into tasks."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from grader import __version__
from grader.catalog import Exercise
from grader.result import Failure, Measured, Provenance, Report, TaskResult, TestResult, Verdict
from grader.submission import Submission


@dataclass(frozen=True)
class Outcome:
    """What came of running a suite on a submission. Without anything in it: nothing was run."""

    device: str
    seed: int | None = None  # None too where the results come from runs with several seeds
    results: list[TestResult] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # of ours, outside any test
    remarks: list[str] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    isolation: str = ""
    notice: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def now() -> str:
    """The moment in which a run starts, as a report tells it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def sum_up(
    exercise: Exercise,
    submission: Submission,
    suite: Path,
    kind: str,
    outcome: Outcome,
    started: str,
    seconds: float,
    complete: bool,
) -> Report:
    """The report. `kind`: "hidden" or "public". `complete`: every task is to have tests."""
    provenance = Provenance(
        grader=__version__,
        submission_sha256=submission.sha256,
        suite_sha256=suite_digest(exercise, suite),
        lock_sha256=digest(exercise.root / "requirements.lock"),
        seed=outcome.seed,
        device=outcome.device,
        isolation=outcome.isolation,
        notice=outcome.notice,
        python=platform.python_version(),
        versions=outcome.versions,
        started=started,
        seconds=round(seconds, 3),
    )
    tasks = _tasks(exercise, complete, outcome.results, outcome.faults)
    if submission.problem is not None:
        tasks = _unread(exercise, submission.problem, submission.problem_verdict)
    problem, verdict = submission.problem, submission.problem_verdict
    remarks = [*outcome.remarks, *_elsewhere(exercise, outcome), *exercise.rules.remarks]
    measured = outcome.measured
    return Report(exercise.slug, exercise.title, kind, provenance, tasks, problem, verdict, remarks, measured)


def _elsewhere(exercise: Exercise, outcome: Outcome) -> list[str]:
    """Where something was run on another device than the exercise asks for, as somebody wanted."""
    if not outcome.isolation or exercise.required_device in ("", outcome.device):
        return []
    return ["run on a CPU, as was asked for; this exercise is for a GPU, and a run on one counts before this one"]


def _tasks(exercise: Exercise, complete: bool, results: list[TestResult], faults: list[str]) -> list[TaskResult]:
    """The tasks with their tests. Where a fault of ours kept tests from running, they say so instead of passing."""
    strays = sorted({result.name for result in results if not 1 <= result.task <= len(exercise.tasks)})
    if strays:
        faults = [*faults, f"tests without a task of this exercise: {', '.join(strays)}"]
    failure = Failure("a suite that runs", "a fault of the grader, not of yours", private="\n".join(faults))
    rows = []
    for task in exercise.tasks:
        tests = [result for result in results if result.task == task.number]
        if faults:
            tests.append(TestResult("suite", "The suite runs", task.number, Verdict.JUDGE_ERROR, 0.0, failure))
        if tests or complete:
            rows.append(TaskResult(task.number, task.title, task.points, task.hints, tests, task.bonus))
    return rows


def _unread(exercise: Exercise, problem: Failure, verdict: Verdict) -> list[TaskResult]:
    """Every task fails for the one reason that the submission can't be run."""
    sentence = "The submission can be read"
    return [
        TaskResult(
            task.number,
            task.title,
            task.points,
            task.hints,
            [TestResult("submission", sentence, task.number, verdict, 0.0, problem)],
            task.bonus,
        )
        for task in exercise.tasks
    ]


def suite_digest(exercise: Exercise, suite: Path) -> str:
    """What the tests of a result are known by. Where a course changes what they decide, they are other tests."""
    plain, mark = digest(suite), exercise.rules.mark
    return hashlib.sha256(f"{plain}\0{mark}".encode()).hexdigest() if plain and mark else plain


def digest(path: Path) -> str:
    """The SHA-256 of a file; nothing where it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
