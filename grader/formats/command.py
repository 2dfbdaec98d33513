"""`dojo results`: kept reports in a form that another system reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.archive import report_path
from grader.catalog import Catalog, Exercise
from grader.errors import JudgeError, UsageError
from grader.formats.classroom import classroom, outputs
from grader.formats.exercism import exercism
from grader.formats.github import annotate, summary
from grader.formats.gradescope import gradescope
from grader.formats.junit import junit
from grader.result import Report, Verdict, write_atomically

Drawn = Callable[[Catalog, list[Report]], str]
FORMATS: dict[str, Drawn] = {
    "junit": lambda _, reports: junit(reports),
    "exercism": lambda _, reports: _json(exercism(only(reports, "exercism"))),
    "gradescope": lambda _, reports: _json(gradescope(only(reports, "gradescope"))),
    "classroom": lambda _, reports: _json(classroom(reports)),
    "github-output": lambda _, reports: outputs(classroom(reports)),
    "github-summary": lambda _, reports: summary(reports),
    "github-annotations": lambda catalog, reports: annotate(reports, folders(catalog)),
}


@dataclass(frozen=True)
class Request:
    """What `dojo results` was asked for."""

    form: str
    exercises: Sequence[Exercise]
    report: Path | None = None  # of one exercise, where it is not kept in its usual place
    out: Path | None = None
    append: bool = False
    instructor: bool = False
    student: str = ""  # whose submission it was, where that is known


def write_results(catalog: Catalog, request: Request) -> int:
    """Writes them. 3 where the judge failed on any of them, and otherwise 0: the points are in what is written."""
    reports = [_read(exercise, request) for exercise in request.exercises]
    shown = reports
    if not request.instructor:
        reasons = [each.rules.withheld(request.student) for each in request.exercises]
        shown = [report.for_student(reason) for report, reason in zip(reports, reasons, strict=True)]
    text = FORMATS[request.form](catalog, shown)
    if request.out is None:
        print(text, end="")
    else:
        _write(request.out, text, request.append)
    return JudgeError.exit_code if any(report.verdict is Verdict.JUDGE_ERROR for report in reports) else 0


def _read(exercise: Exercise, request: Request) -> Report:
    path = request.report or report_path(exercise)
    try:
        report = Report.from_json(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            f"there is no report in '{path}': grade exercise {exercise.key} first, as in `make grade EX={exercise.key}`"
        ) from None
    if report.exercise != exercise.slug:
        raise UsageError(f"'{path}' is the report of '{report.exercise}', and not of '{exercise.slug}'")
    return report


def only(reports: list[Report], form: str) -> Report:
    """Raises UsageError where there are several."""
    if len(reports) != 1:
        raise UsageError(f"{form} takes one exercise: name it, as in `dojo results {form} 3`")
    return reports[0]


def folders(catalog: Catalog) -> dict[str, str]:
    return {each.slug: each.folder.relative_to(catalog.root).as_posix() for each in catalog.exercises}


def _json(body: object) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str, append: bool) -> None:
    try:
        if append:  # to a file of the runner's, in which other steps write too
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        else:
            write_atomically(path, text)
    except OSError as error:
        raise UsageError(f"--out '{path}' can't be written: {error.strerror}") from None
