"""What the page says, as plain data in the order of the page: texts made safe to show, and no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from grader.page.advice import Advice, advice
from grader.page.source import SourceFile, caret_parts, source_files
from grader.report import number
from grader.result import Failure, Place, Report, TaskResult, TestResult, Verdict
from grader.text import clean, clean_line

if TYPE_CHECKING:
    from grader.figures.picture import Picture

# The sign before a verdict, and the class of its colour.
MARKS = {
    Verdict.ACCEPTED: ("✓", "passed"),
    Verdict.NOT_ATTEMPTED: ("·", "untouched"),
    Verdict.JUDGE_ERROR: ("!", "ours"),
}
MISS = ("✗", "failed")
MAX_PRIVATE = 20_000  # characters of a test's code and inputs


@dataclass(frozen=True)
class Mark:
    """A verdict as it is shown: a sign, a class for its colour, and words, for neither is to be needed."""

    sign: str
    kind: str
    words: str

    @classmethod
    def of(cls, verdict: Verdict) -> Mark:
        return cls(*MARKS.get(verdict, MISS), verdict.words)


@dataclass(frozen=True)
class PlaceView:
    """A line of the submission; `sign` is what a caret points at, where it is known."""

    file: str
    line: int
    before: str
    sign: str
    after: str


@dataclass(frozen=True)
class FailureView:
    """Why something failed."""

    call: str
    expected: str
    got: str
    hint: str
    place: PlaceView | None
    private: str


@dataclass(frozen=True)
class TestView:
    """One test. `like`: the sentence of an earlier test that failed for the same reason, which is told there."""

    __test__ = False  # not a test class to pytest

    sentence: str
    mark: Mark
    failure: FailureView | None = None
    printed: str = ""
    like: str = ""


@dataclass(frozen=True)
class TaskView:
    """One task: failed tests first, in the order of the suite."""

    number: int
    title: str
    mark: Mark
    points: str
    max_points: str
    hints: list[str]
    failed: list[TestView] = field(default_factory=list)
    passed: list[TestView] = field(default_factory=list)

    @property
    def untouched(self) -> bool:
        return self.mark.kind == "untouched"

    @property
    def tests(self) -> int:
        return len(self.failed) + len(self.passed)


@dataclass(frozen=True)
class Page:
    """All that the page says."""

    key: str
    title: str
    mark: Mark
    points: str
    max_points: str
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
) -> Page:
    """The page on `report`. Seeds, inputs and the suite's code are in an instructor's page alone."""
    shown = report if instructor else report.for_student()
    return Page(
        key=shown.exercise.split("_")[0].removeprefix("ex").lstrip("0"),
        title=shown.title,
        mark=Mark.of(shown.verdict),
        points=number(shown.points),
        max_points=number(shown.max_points),
        how=_how(shown),
        problem=_failure(shown.problem) if shown.problem else None,
        next=advice(shown, folder),
        notices=_notices(shown),
        tasks=_tasks(shown),
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
    notices = [clean_line(remark) for remark in report.remarks]
    if report.suite == "public":
        notices.append("These are the public tests only; the hidden ones decide the points.")
    if report.provenance.isolation == "plain process":
        reason = f" ({clean_line(report.provenance.notice)})" if report.provenance.notice else ""
        notices.append(f"Run without a sandbox{reason}: do not grade strangers’ code this way.")
    return notices


def _tasks(report: Report) -> list[TaskView]:
    told: dict[Failure, str] = {}
    return [_task(task, told, untold=report.problem is not None) for task in report.tasks]


def _task(task: TaskResult, told: dict[Failure, str], untold: bool) -> TaskView:
    """`untold`: the one reason of all failures stands above the tasks."""
    tests = [] if untold else [_test(test, told) for test in task.tests]
    return TaskView(
        task.number,
        task.title,
        Mark.of(task.verdict),
        number(task.points),
        number(task.max_points),
        task.hints,
        [test for test in tests if test.mark.kind != "passed"],
        [test for test in tests if test.mark.kind == "passed"],
    )


def _test(test: TestResult, told: dict[Failure, str]) -> TestView:
    sentence, mark = clean_line(test.sentence), Mark.of(test.verdict)
    if test.verdict in (Verdict.ACCEPTED, Verdict.NOT_ATTEMPTED) or test.failure is None:
        return TestView(sentence, mark)
    # The same line of the submission, or the same missing name, behind many tests is told once.
    cause = replace(test.failure, call="", private="", hint="")
    like = told.get(cause, "") if test.verdict is Verdict.RUN_TIME_ERROR else ""
    told.setdefault(cause, sentence)
    return TestView(sentence, mark, _failure(test.failure), clean(test.printed, 4000).strip(), like)


def _failure(failure: Failure) -> FailureView:
    return FailureView(
        clean_line(failure.call, 500),
        clean(failure.expected),
        clean(failure.got),
        clean(failure.hint),
        _place(failure.place) if failure.place else None,
        clean(failure.private, MAX_PRIVATE),
    )


def _place(place: Place) -> PlaceView:
    return PlaceView(clean_line(place.file), place.line, *caret_parts(place))


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
        ("Device", where.device),
        ("Isolation", where.isolation or "not run"),
        ("Python", where.python),
        *((name, version) for name, version in sorted(where.versions.items())),
        ("Grader", where.grader),
        ("Seed", "" if where.seed is None else str(where.seed)),
    ]
    return [(name, clean_line(value)) for name, value in rows if value]
