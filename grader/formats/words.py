"""A test's outcome in plain text, cleaned: no control characters, nothing that a log takes for a command."""

from __future__ import annotations

from collections.abc import Iterator

from grader.result import Failure, Report, TaskResult, TestResult, Verdict
from grader.text import clean, clean_line

JUDGE_FAILED = "The grader failed; no points are lost by it."
NOT_WRITTEN = "Not attempted yet."
PUBLIC_ONLY = "These are the public tests only; the hidden ones decide the points."
LONGEST = 2000  # characters of one part of a message


def of_failure(failure: Failure) -> str:
    """What was called, expected and got, where, and what to think about: a line or more for each."""
    return "\n".join(_parts(failure))


def _parts(failure: Failure) -> Iterator[str]:
    if failure.call:
        yield f"called: {clean_line(failure.call, LONGEST)}"
    yield f"expected: {clean(failure.expected, LONGEST)}"
    yield f"got: {clean(failure.got, LONGEST)}"
    if failure.place:
        yield f"at: {clean_line(failure.place.file)}, line {failure.place.line}: {clean_line(failure.place.text)}"
    if failure.hint:
        yield f"hint: {clean(failure.hint, LONGEST)}"
    if failure.private:
        yield clean(failure.private, 10 * LONGEST)


def of_test(test: TestResult) -> str:
    """Why a test did not pass; empty for one that did."""
    if test.verdict is Verdict.ACCEPTED:
        return ""
    if test.verdict is Verdict.NOT_ATTEMPTED:
        return NOT_WRITTEN
    if test.verdict is Verdict.JUDGE_ERROR or test.failure is None:
        return JUDGE_FAILED
    return of_failure(test.failure)


def of_task(task: TaskResult) -> str:
    """A line with the count, and each test that did not pass."""
    if task.verdict is Verdict.NOT_ATTEMPTED:
        return NOT_WRITTEN
    if not task.told:
        return "\n".join(test.failure.got for test in task.tests if test.failure)
    failed = [test for test in task.tests if test.verdict is not Verdict.ACCEPTED]
    count = f"{len(task.tests) - len(failed)} of {len(task.tests)} tests pass."
    told = [f"{title(test)} ({test.verdict.words})\n{of_test(test)}" for test in failed]
    return "\n\n".join([count, *told])


def of_problem(report: Report) -> str:
    """What kept the whole submission from being run; empty where nothing did."""
    return of_failure(report.problem) if report.problem else ""


def title(test: TestResult) -> str:
    return clean_line(test.sentence)
