"""What to do next, in a sentence or two: the same advice as on the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from grader.report import first_open
from grader.result import Report, TaskResult, Verdict
from grader.text import clean_line


@dataclass(frozen=True)
class Advice:
    """A sentence, the task that it is about, and that task's first hint."""

    sentence: str
    task: int | None = None
    hint: str = ""


def advice(report: Report, folder: str) -> Advice:
    """Where to go on; `folder` is where the student works."""
    if report.verdict is Verdict.JUDGE_ERROR:
        again = "Run it again, and tell your instructor if it stays."
        return Advice(f"The grader failed; no points are lost by it. {again}")
    if report.problem:
        missing = report.verdict is Verdict.NOT_ATTEMPTED
        return Advice(
            f"The file is expected in {folder}/." if missing else "Mend this first: nothing else could be run."
        )
    task = first_open(report)
    if task is None:
        return Advice("Nothing is left to do here: every test passes.")
    if task.verdict is Verdict.NOT_ATTEMPTED:
        begin = f"Read {folder}/README.md, then write" if report.points == 0 else "Write"
        return Advice(f"{begin} task {task.number}, {task.label}.", task.number, task.hints[0])
    begin = "Every task that is due passes. You may go on with" if report.verdict is Verdict.ACCEPTED else "Go on with"
    go_on = f"{begin} task {task.number}, {task.label}. {_failing(task)}".strip()
    return Advice(go_on, task.number, task.hints[0])


def _failing(task: TaskResult) -> str:
    if not task.told:
        return ""
    failed = [test for test in task.tests if test.verdict is not Verdict.ACCEPTED]
    first = clean_line(failed[0].sentence) if failed else ""
    if len(task.tests) == 1:
        return f"Its test fails: “{first}”."
    begin = f"{len(failed)} of its {len(task.tests)} tests {'fails' if len(failed) == 1 else 'fail'}"
    return f"{begin}: “{first}”." if len(failed) == 1 else f"{begin}; the first is “{first}”."
