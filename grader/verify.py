"""Half of the contract of an exercise: its suite gives every right answer all points, and no wrong one.

The solution and every planted submission are graded like a student's. The other half is in `mutation`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from grader.catalog import Exercise
from grader.effort import Effort
from grader.grade import Settings, grade, open_sandbox
from grader.plants import Case, cases
from grader.result import Report, TaskResult, Verdict
from grader.rules import Finding, rules
from grader.sandbox import Isolation, Mode, Sandbox

TIME_SHARE = 0.5  # of the time limit; the reference is to need less


def verify(
    exercise: Exercise, settings: Settings, told: Callable[[int, int], None] = lambda *_: None
) -> Iterator[Finding]:
    """Checks an exercise's files, its solution, stub and plants, case by case; `told` hears how many are done."""
    yield from rules(exercise)
    every = list(cases(exercise))
    agreed: list[bool] = []  # of the public tests with the hidden ones
    with open_sandbox(exercise, settings) as sandbox:
        for number, case in enumerate(every):
            told(number, len(every))
            report = grade_files(exercise, case.files, _effort(case, settings), sandbox)
            yield _finding(case, report)
            samples = replace(settings, suite="public", effort=Effort.FIRST_FAILURE)
            public = grade_files(exercise, case.files, samples, sandbox)
            agreed.append((public.verdict is Verdict.ACCEPTED) == (report.verdict is Verdict.ACCEPTED))
            if case.name == "solution":
                yield from _reference(exercise, report)
                yield _finding(replace(case, name="solution, public tests"), public)
        isolated = sandbox.isolation is Isolation.BUBBLEWRAP
    yield _foretold(agreed)
    if isolated:
        plain = Settings(sandbox=Mode.OFF, seed=1)
        with open_sandbox(exercise, plain) as sandbox:
            report = grade_files(exercise, every[0].files, plain, sandbox)
            yield _finding(replace(every[0], name="solution, plain processes, seed 1"), report)


def _effort(case: Case, settings: Settings) -> Settings:
    """A plant that a quick test has caught need not train as well; right answers and the stub meet every test."""
    if case.name == "stub" or Verdict.ACCEPTED in case.expected:
        return settings
    return replace(settings, effort=Effort.SPARING)


def _foretold(agreed: list[bool]) -> Finding:
    """How often the public tests say what the hidden ones say: of interest, and no reason to fail."""
    got = f"{sum(agreed)} of {len(agreed)} verdicts ({sum(agreed) / len(agreed):.0%})"
    return Finding("foretold by the public tests", "", got, ok=True)


def grade_files(exercise: Exercise, files: dict[str, str], settings: Settings, sandbox: Sandbox) -> Report:
    """The report on a submission that is given as name → text."""
    with tempfile.TemporaryDirectory(prefix="dojo-verify-") as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, "utf-8")
        return grade(exercise, Path(folder), settings, sandbox=sandbox)


def _finding(case: Case, report: Report) -> Finding:
    tests = [test for task in report.tasks for test in task.tests]
    failed = [test for test in tests if test.verdict is not Verdict.ACCEPTED]
    ok = report.verdict in case.expected
    note = ""
    if Verdict.ACCEPTED in case.expected:
        ok = ok and report.points == report.max_points
        note = "; ".join(f"{test.name}: {_cause(test.failure)}" for test in failed)
    elif case.name == "stub":
        spared = [test.name for test in tests if test.verdict is not Verdict.NOT_ATTEMPTED]
        ok = ok and not spared and report.points == 0
        note = f"not failed by it: {', '.join(spared)}" if spared else f"{len(tests)} tests"
    else:
        ok = ok and report.points < report.max_points
        note = f"{failed[0].name}{f' and {len(failed) - 1} more' if len(failed) > 1 else ''}" if failed else ""
    if not ok:
        note += f" (seed {report.provenance.seed})"
    expected = " or ".join(sorted(verdict.words for verdict in case.expected))
    return Finding(case.name, expected, report.verdict.words, ok, note, report.provenance.seconds)


def _cause(failure: object) -> str:
    expected, got = getattr(failure, "expected", ""), getattr(failure, "got", "")
    return f"expected {expected}, got {got}"


def _reference(exercise: Exercise, report: Report) -> Iterator[Finding]:
    """Each task has a hidden test, and the reference takes less than half of the time limit."""
    empty = [str(task.number) for task in report.tasks if not _has_tests(task)]
    yield Finding("each task has a hidden test", "all", f"not task {', '.join(empty)}" if empty else "all", not empty)
    slowest = max((test for task in report.tasks for test in task.tests), key=lambda test: test.seconds)
    bound = exercise.limits.test_seconds * TIME_SHARE
    got = f"{slowest.seconds:.2f} s in {slowest.name}"
    yield Finding("time of the reference", f"under {bound:g} s a test", got, slowest.seconds < bound)


def _has_tests(task: TaskResult) -> bool:
    return any(test.name != "suite" for test in task.tests)
