"""results.json of an Exercism test runner, version 3 of its interface."""

from __future__ import annotations

from typing import Any

from grader.formats import words
from grader.result import Report, TaskResult, TestResult, Verdict
from grader.text import clean

VERSION = 3
MOST_OUTPUT = 500  # characters of what a submission printed


def exercism(report: Report) -> dict[str, Any]:
    """A runner ends with 0 whatever the tests say; "error" means that no test was run."""
    if report.problem or report.verdict is Verdict.JUDGE_ERROR:
        message = words.of_problem(report) or words.JUDGE_FAILED
        return {"version": VERSION, "status": "error", "message": message, "tests": []}
    tests = [_test(task, test) for task in report.tasks for test in task.tests if _counts(task, test)]
    status = "pass" if report.verdict is Verdict.ACCEPTED else "fail"
    return {"version": VERSION, "status": status, "message": None, "tests": tests}


def _counts(task: TaskResult, test: TestResult) -> bool:
    """Exercism knows no bonus, and passes where every test does: one of a bonus that is missed is left out."""
    return not task.bonus or test.verdict is Verdict.ACCEPTED


def _test(task: TaskResult, test: TestResult) -> dict[str, Any]:
    """A test's code stays with the staff: in its place stands what was called."""
    row: dict[str, Any] = {
        "name": words.title(test),
        "test_code": clean(test.failure.call) if test.failure else "",
        "status": "pass" if test.verdict is Verdict.ACCEPTED else "fail",
        "task_id": task.number,
    }
    if test.verdict is not Verdict.ACCEPTED:
        row["message"] = words.of_test(test)
    if test.printed:
        row["output"] = clean(test.printed, MOST_OUTPUT - 1)
    return row
