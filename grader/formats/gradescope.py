"""results.json of a Gradescope autograder: a row for each task, with its points.

A bonus task is worth 0 points there, and what it brings is beyond the maximum.
A submission on which the judge failed has no results: Gradescope then says that the autograder failed, which is not 0.
"""

from __future__ import annotations

from typing import Any

from grader.errors import JudgeError
from grader.formats import words
from grader.result import Report, TaskResult, Verdict
from grader.settings.rules import Visibility
from grader.text import clean_line

VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
BY_COURSE = {
    Visibility.PUBLIC: "visible",
    Visibility.HIDDEN: "hidden",
    Visibility.AFTER_DUE_DATE: "after_due_date",  # the due date is the one that is set at Gradescope
}


def gradescope(report: Report, visibility: str = "visible") -> dict[str, Any]:
    """Raises JudgeError where the judge failed: a grade would be a guess."""
    if report.verdict is Verdict.JUDGE_ERROR:
        raise JudgeError(f"{report.exercise} could not be graded: {words.JUDGE_FAILED}")
    where = report.provenance
    return {
        "score": report.points,
        "execution_time": round(where.seconds, 3),
        "output": "\n".join([*words.of_problem(report).splitlines(), *_remarks(report)]),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "tests": [_row(report, task, visibility) for task in report.tasks],
        "extra_data": {
            "verdict": report.verdict.value,
            "suite": report.suite,
            "submission_sha256": where.submission_sha256,
            "suite_sha256": where.suite_sha256,
            "lock_sha256": where.lock_sha256,
            "isolation": where.isolation,
            "grader": where.grader,
        },
    }


def _row(report: Report, task: TaskResult, visibility: str) -> dict[str, Any]:
    passed = task.verdict is Verdict.ACCEPTED and not report.problem
    return {
        "name": f"Task {task.number}: {clean_line(task.label)}",
        "number": str(task.number),
        "score": task.points if passed else 0,
        "max_score": 0 if task.bonus else task.max_points,
        "status": "passed" if passed else "failed",
        "output": words.of_problem(report) or words.of_task(task),
        "visibility": visibility,
    }


def _remarks(report: Report) -> list[str]:
    public = [words.PUBLIC_ONLY] if report.suite == "public" else []
    return [clean_line(remark) for remark in report.remarks] + public
