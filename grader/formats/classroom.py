"""Results for GitHub Classroom's reporter: for each task one, with a single test that carries the task's points.

The reporter counts passes × `max_score` in its table and sums `score` in its notice; with one test a result they agree.
A result always has `tests`, and no score outside of its bounds: the reporter would take it.
It knows no bonus: one that is earned adds to the maximum too, one that is missed to neither, so that its sums agree.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from grader.formats import words
from grader.result import Report, TaskResult, Verdict
from grader.text import clean_line

VERSION = 1


def classroom(reports: Iterable[Report]) -> dict[str, dict[str, Any]]:
    """Results by the name of the runner, such as "ex03-task2"."""
    return {runner(report.exercise, task.number): _result(report, task) for report in reports for task in report.tasks}


def runner(slug: str, task: int) -> str:
    """The name of a task's runner: the reporter reads the variable of this name in capitals, and `_RESULTS`."""
    return f"{slug.split('_')[0]}-task{task}"


def outputs(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Lines for the file that `GITHUB_OUTPUT` names: each result in base64, and the list of the runners."""
    encoded = {name: base64.b64encode(json.dumps(result).encode()).decode() for name, result in results.items()}
    return "".join(f"{name}={text}\n" for name, text in {**encoded, "runners": ",".join(results)}.items())


def _result(report: Report, task: TaskResult) -> dict[str, Any]:
    verdict = report.problem_verdict if report.problem else task.verdict
    status = {Verdict.ACCEPTED: "pass", Verdict.JUDGE_ERROR: "error"}.get(verdict, "fail")
    score = 0 if report.problem else task.points
    most = score if task.bonus else task.max_points
    test = {
        "name": f"{report.exercise}, task {task.number}: {clean_line(task.label)}",
        "status": status,
        "score": score,
        "message": None if status == "pass" else words.of_problem(report) or words.of_task(task),
        "test_code": "",
        "filename": "",
        "line_no": 0,
        "duration": round(1000 * sum(test.seconds for test in task.tests)),
    }
    return {"version": VERSION, "status": status, "max_score": most, "tests": [test]}
