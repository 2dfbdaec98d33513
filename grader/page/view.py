"""What the page says, as plain data in the order of the page: texts made safe to show, and no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader.page.advice import Advice, advice
from grader.page.source import SourceFile, source_files
from grader.page.tasks import FailureView, Mark, TaskView, failure_of, tasks_of
from grader.report import number, scored
from grader.result import Report
from grader.text import clean_line

if TYPE_CHECKING:
    from grader.figures.picture import Picture


@dataclass(frozen=True)
class Page:
    """All that the page says."""

    key: str
    title: str
    mark: Mark
    points: str
    max_points: str
    scored: str  # both in words
    how: str
    problem: FailureView | None
    next: Advice
    notices: list[str]
    tasks: list[TaskView]
    pictures: Sequence[Picture]
    undrawn: str
    sources: list[SourceFile]
    provenance: list[tuple[str, str]]
    measured: list[tuple[str, str]]
    instructor: bool


def page_of(
    report: Report,
    files: Mapping[str, str],
    pictures: Sequence[Picture] = (),
    undrawn: str = "",
    folder: str = "",
    instructor: bool = False,
    withheld: str = "",
) -> Page:
    """The page on `report`. Seeds, inputs and the suite's code are in an instructor's page alone.

    `withheld`: why a student does not read the words of hidden tests, where that is so.
    """
    shown = report if instructor else report.for_student(withheld)
    return Page(
        key=shown.exercise.split("_")[0].removeprefix("ex").lstrip("0"),
        title=shown.title,
        mark=Mark.of(shown.verdict),
        points=number(shown.points),
        max_points=number(shown.max_points),
        scored=scored(shown),
        how=_how(shown),
        problem=failure_of(shown.problem) if shown.problem else None,
        next=advice(shown, folder),
        notices=_notices(shown),
        tasks=tasks_of(shown, instructor),
        pictures=pictures,
        undrawn=clean_line(undrawn),
        sources=source_files(files, shown),
        provenance=_provenance(shown),
        measured=[(row.name, _measured(row.value, row.of, row.budget)) for row in shown.measured],
        instructor=instructor,
    )


def _how(report: Report) -> str:
    where = report.provenance
    return f"{report.suite} tests, {where.device}, {where.isolation}" if where.isolation else "not run"


def _notices(report: Report) -> list[str]:
    notices = [clean_line(remark) for remark in report.remarks] + ([report.withheld] if report.withheld else [])
    if report.suite == "public":
        notices.append("These are the public tests only; the hidden ones decide the points.")
    if report.provenance.isolation == "plain process":
        reason = f" ({clean_line(report.provenance.notice)})" if report.provenance.notice else ""
        notices.append(f"Run without a sandbox{reason}: do not grade strangers’ code this way.")
    return notices


def _measured(value: float, of: int, budget: str) -> str:
    images = f", counted on {of} images" if of else ""
    return clean_line(f"{value:.4f}{images}{f', {budget}' if budget else ''}")


def _provenance(report: Report) -> list[tuple[str, str]]:
    where = report.provenance
    rows = [
        ("Graded", where.started),
        ("Took", f"{where.seconds:.1f} s"),
        ("Submission, SHA-256", where.submission_sha256),
        ("Suite, SHA-256", where.suite_sha256),
        ("Lock file, SHA-256", where.lock_sha256),
        ("Device", where.device if where.isolation else ""),
        ("Isolation", where.isolation or "not run"),
        ("Python", where.python),
        *((name, version) for name, version in sorted(where.versions.items())),
        ("Grader", where.grader),
        ("Seed", "" if where.seed is None else str(where.seed)),
    ]
    return [(name, clean_line(value)) for name, value in rows if value]
