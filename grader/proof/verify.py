"""Half of the contract of an exercise: its suite gives every right answer all points, and no wrong one.

The solution and every planted submission are graded like a student's. The other half is in `mutation`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from grader.catalog import Exercise
from grader.effort import Effort
from grader.grading import Settings, grade, open_sandbox
from grader.parent import Isolation
from grader.proof.caught import read_caught
from grader.proof.plants import Case, cases
from grader.proof.rules import Finding, rules
from grader.result import Report, TaskResult, TestResult, Verdict
from grader.sandbox import Mode, Sandbox

TIME_SHARE = 0.5  # of the time limit; the reference is to need less
RUNS = 3  # of a reference that seems to need more


@dataclass(frozen=True)
class Listener:
    """What is told while a part of a contract is looked at."""

    told: Callable[[int, int], None] = lambda *_: None  # how many cases of how many are done
    caught: Callable[[str, str], None] = lambda *_: None  # a plant or mutant, and the test that caught it


def verify(
    exercise: Exercise, settings: Settings, whole: bool = True, listener: Listener | None = None
) -> Iterator[Finding]:
    """Checks an exercise's files, its solution, stub and plants, case by case.

    With `whole` a plant meets every test. Without, it meets them until one has caught it with a verdict that is due.
    """
    listener = listener or Listener()
    yield from rules(exercise)
    every = list(cases(exercise))
    known = read_caught(exercise)
    agreed: list[bool] = []  # of the public tests with the hidden ones
    with open_sandbox(exercise, settings) as sandbox:
        for number, case in enumerate(every):
            listener.told(number, len(every))
            report = _graded(exercise, case, settings, sandbox, "" if whole else known.get(case.name, ""), whole)
            if failed := [test.name for test in failures(report) if test.attempts]:
                listener.caught(case.name, known[case.name] if known.get(case.name) in failed else failed[0])
            yield _finding(case, report)
            if whole or case.name == "solution":
                samples = replace(settings, suite="public", effort=Effort.FIRST_FAILURE)
                public = grade_files(exercise, case.files, samples, sandbox)
                agreed.append((public.verdict is Verdict.ACCEPTED) == (report.verdict is Verdict.ACCEPTED))
            if case.name == "solution":
                yield _tested(report)
                whole_suite = partial(grade_files, exercise, case.files, settings, sandbox)
                yield time_of_the_reference(exercise, report, whole_suite)
                yield _finding(replace(case, name="solution, public tests"), public)
        isolated = sandbox.isolation is Isolation.BUBBLEWRAP
    if whole:
        yield _foretold(agreed)
    if isolated:
        plain = Settings(sandbox=Mode.OFF, seed=1)
        with open_sandbox(exercise, plain) as sandbox:
            report = grade_files(exercise, every[0].files, plain, sandbox)
            yield _finding(replace(every[0], name="solution, plain processes, seed 1"), report)


def _graded(exercise: Exercise, case: Case, settings: Settings, sandbox: Sandbox, likely: str, whole: bool) -> Report:
    """Right answers and the stub meet every test. A plant that a quick test has caught need not train as well."""
    if case.name == "stub" or Verdict.ACCEPTED in case.expected:
        return grade_files(exercise, case.files, settings, sandbox)
    if not whole:
        brief = replace(settings, effort=Effort.FIRST_FAILURE, first=(likely,))
        report = grade_files(exercise, case.files, brief, sandbox)
        if report.verdict in case.expected:
            return report
    return grade_files(exercise, case.files, replace(settings, effort=Effort.SPARING), sandbox)


def failures(report: Report) -> list[TestResult]:
    """The tests that did not pass, in the order of the report."""
    return [test for task in report.tasks for test in task.tests if test.verdict is not Verdict.ACCEPTED]


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
    failed = failures(report)
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
        ran = [test.name for test in failed if test.attempts] or [test.name for test in failed]
        note = f"{ran[0]}{f' and {len(ran) - 1} more' if len(ran) > 1 else ''}" if ran else ""
    if not ok:
        note += f" (seed {report.provenance.seed})"
    expected = " or ".join(sorted(verdict.words for verdict in case.expected))
    return Finding(case.name, expected, report.verdict.words, ok, note, report.provenance.seconds)


def _cause(failure: object) -> str:
    expected, got = getattr(failure, "expected", ""), getattr(failure, "got", "")
    return f"expected {expected}, got {got}"


def _tested(report: Report) -> Finding:
    """Each task has a hidden test."""
    empty = [str(task.number) for task in report.tasks if not _has_tests(task)]
    return Finding("each task has a hidden test", "all", f"not task {', '.join(empty)}" if empty else "all", not empty)


def time_of_the_reference(exercise: Exercise, report: Report, again: Callable[[], Report]) -> Finding:
    """Whether the reference takes less than half of the time limit. `again` grades it once more.

    Neighbours on the machine make a test slow now and then, the reference makes it slow each time: the least counts.
    """
    bound = exercise.limits.test_seconds * TIME_SHARE
    slowest = _slowest(report)
    for _ in range(RUNS - 1):
        if slowest.seconds < bound:
            break
        slowest = min(slowest, _slowest(again()), key=lambda test: test.seconds)
    got = f"{slowest.seconds:.2f} s in {slowest.name}"
    return Finding("time of the reference", f"under {bound:g} s a test", got, slowest.seconds < bound)


def _slowest(report: Report) -> TestResult:
    return max((test for task in report.tasks for test in task.tests), key=lambda test: test.seconds)


def _has_tests(task: TaskResult) -> bool:
    return any(test.name != "suite" for test in task.tests)
