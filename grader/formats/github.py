"""What a job of GitHub's shows: a summary in Markdown, and annotations on lines of the submission."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping

from grader.formats import words
from grader.report import MARKS, MISS, number
from grader.result import Report, TestResult, Verdict
from grader.text import clean_line

MOST_ANNOTATIONS = 10  # of one kind, for a step: GitHub shows no more


def summary(reports: Iterable[Report]) -> str:
    """Markdown for the file that `GITHUB_STEP_SUMMARY` names. What comes from a submission is text in it."""
    reports = list(reports)
    points, most = (sum(values) for values in zip(*((each.points, each.max_points) for each in reports), strict=True))
    bonus = sum(each.bonus_points for each in reports)
    more = f", {number(bonus)} of them a bonus" if bonus else ""
    rows = [
        f"## {number(points)} of {number(most)} points{more}",
        "",
        "| | exercise | points | |",
        "|---|---|---:|---|",
    ]
    for report in reports:
        mark, _ = MARKS.get(report.verdict, MISS)
        worth = f"{number(report.points)} / {number(report.max_points)}"
        rows.append(f"| {mark} | {_plain(report.title)} | {worth} | {report.verdict.words} |")
    for report in reports:
        rows += _details(report)
    rows += [f"\n{_plain(text)}" for text in dict.fromkeys(each for report in reports for each in _notes(report))]
    if any(report.suite == "public" for report in reports):
        rows += ["", words.PUBLIC_ONLY]
    return "\n".join(rows) + "\n"


def _details(report: Report) -> Iterator[str]:
    told = (
        [("", words.of_problem(report))]
        if report.problem
        else [
            (f"task {task.number}: {_plain(task.label)}", words.of_task(task))
            for task in report.tasks
            if task.verdict is not Verdict.ACCEPTED
        ]
    )
    if not told:
        return
    yield f"\n<details><summary>{_plain(report.title)}: {report.verdict.words}</summary>\n"
    for title, text in told:
        yield f"<b>{title}</b>" if title else ""
        yield f"<pre>{html.escape(text)}</pre>"
    yield "</details>"


def _notes(report: Report) -> list[str]:
    return [*report.remarks, *([report.withheld] if report.withheld else [])]


def _plain(text: str) -> str:
    """A line that is no markup, inside of a table too."""
    return html.escape(clean_line(text)).translate({ord(each): f"&#{ord(each)};" for each in "|[]`*_~\\"})


def annotate(reports: Iterable[Report], folders: Mapping[str, str]) -> str:
    """Workflow commands, one a line, that mark lines of the submission. `folders`: where an exercise's files are."""
    lines = [
        _command(f"{folders[report.exercise]}/{test.failure.place.file}", test.failure.place.line, test)
        for report in reports
        for task in report.tasks
        for test in task.tests
        if test.failure and test.failure.place and test.verdict is not Verdict.NOT_ATTEMPTED
    ]
    return "".join(f"{line}\n" for line in list(dict.fromkeys(lines))[:MOST_ANNOTATIONS])


def _command(path: str, line: int, test: TestResult) -> str:
    message = f"{words.title(test)}\n{words.of_test(test)}"
    title = test.verdict.words
    return f"::error file={_property(path)},line={line},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """As GitHub's runner wants it: nothing in it can end the command or begin another one."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
