"""What the instructor's pages say, as plain data: a row for each student, a cell for each exercise, figures of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grader.gradebook.attempt import Attempt
from grader.gradebook.book import Gradebook, Student
from grader.gradebook.figures import BINS, Distribution, Figures, figures
from grader.gradebook.grades import Grade, Grades, Status, grades
from grader.page.tasks import Mark, TaskView, tasks_of
from grader.report import number
from grader.result import Report, Verdict
from grader.settings.policy import Policy
from grader.similar.kept import Kept
from grader.text import clean_line

SIMILAR = "similar.html"  # beside the index
HEIGHT = 100  # per cent of the tallest bar
SHORT = {Status.MISSING: "–", Status.EXCUSED: "excused", Status.PENDING: "pending"}


@dataclass(frozen=True)
class TaskCell:
    """One task of a student's counting submission: the table's finest grain."""

    number: int
    title: str
    mark: Mark
    points: str
    max_points: str


@dataclass(frozen=True)
class Cell:
    """A student in an exercise. `share` is what a table sorts by, from 0 to 1; -1 where there is no grade."""

    slug: str
    key: str
    words: str
    kind: str
    share: float
    short: str  # what stands in the table
    points: str
    max_points: str
    detail: str  # what the number alone does not say: a penalty, a decision, a fault
    tasks: list[TaskCell]


@dataclass(frozen=True)
class Row:
    """A student. `name` may be empty."""

    file: str
    student: str
    name: str
    section: str
    points: str
    max_points: str
    share: float
    cells: list[Cell]
    in_need: bool = False


@dataclass(frozen=True)
class Column:
    """An exercise: its short name, and the chart of what a class made of it."""

    slug: str
    key: str
    max_points: str
    statuses: list[tuple[str, int]]
    chart: Chart


@dataclass(frozen=True)
class Alike:
    """Two submissions that are alike in structure, and where both are shown side by side."""

    key: str
    students: list[tuple[str, str]]  # each with its page, "" where it has none
    shares: list[str]
    like_solution: bool
    link: str


@dataclass(frozen=True)
class Chart:
    """A histogram of shares of points: counts, and heights in per cent of the tallest."""

    said: str
    bars: list[tuple[str, int, int]]  # label, count, height


@dataclass(frozen=True)
class Index:
    """The class."""

    title: str
    drawn: str
    columns: list[Column]
    rows: list[Row]
    total: Chart
    figures: Figures
    sections: list[str]
    alike: list[Alike]


@dataclass(frozen=True)
class Piece:
    """What a student's page says of one exercise."""

    cell: Cell
    title: str
    problem: str
    tasks: list[TaskView]
    attempts: list[tuple[str, str, str]]  # when, verdict and points, what it rests on


@dataclass(frozen=True)
class StudentPage:
    row: Row
    pieces: list[Piece]
    alike: list[Alike]


class Class:
    """Everything that the pages need of a gradebook, read once; reports one at a time."""

    def __init__(self, book: Gradebook, policy: Policy, alike: Sequence[Kept] = ()) -> None:
        self._book = book
        self._attempts = book.attempts()
        self.grades: Grades = grades(book, policy, self._attempts)
        self._alike = sorted(alike, key=lambda pair: (pair.like_solution, -max(pair.share_left, pair.share_right)))
        self._files = {student.id: page_of(place) for place, student in enumerate(self.grades.students)}
        self._of: dict[tuple[str, str], list[Attempt]] = {}
        for attempt in self._attempts:
            self._of.setdefault((attempt.student, attempt.slug), []).append(attempt)

    def index(self, title: str, drawn: str) -> Index:
        found = figures(self._book, self.grades)
        columns = [
            Column(
                clean_line(each.slug),
                key_of(each.slug),
                number(each.max_points),
                sorted(each.statuses.items()),
                chart(each.distribution),
            )
            for each in found.exercises
        ]
        in_need = {each.student for each in found.in_need}
        rows = [replace(row, in_need=row.student in in_need) for row in self.rows()]
        sections = sorted({row.section for row in rows if row.section})
        return Index(clean_line(title), drawn, columns, rows, chart(found.total), found, sections, self._pairs())

    def rows(self) -> list[Row]:
        return [self._row(place, student) for place, student in enumerate(self.grades.students)]

    def _row(self, place: int, student: Student) -> Row:
        got, most = self.grades.total(student.id)
        return Row(
            file=page_of(place),
            student=clean_line(student.id),
            name=clean_line(student.name),
            section=clean_line(student.section),
            points=number(round(got, 2)),
            max_points=number(most),
            share=got / most if most else 0.0,
            cells=[self._cell(grade) for grade in self.grades.rows[student.id]],
        )

    def _cell(self, grade: Grade) -> Cell:
        graded = grade.status in (Status.GRADED, Status.OVERRIDDEN)
        return Cell(
            slug=clean_line(grade.slug),
            key=key_of(grade.slug),
            words=grade.status.value,
            kind=kind_of(grade),
            share=grade.share if graded else -1.0,
            short=number(round(grade.points, 2)) if graded else SHORT[grade.status],
            points=number(round(grade.points, 2)) if graded else "",
            max_points=number(grade.max_points),
            detail=detail(grade),
            tasks=self._tasks(grade),
        )

    def _tasks(self, grade: Grade) -> list[TaskCell]:
        report = self._report(grade)
        if report is None:
            return []
        mark = Mark.of(report.problem_verdict) if report.problem else None
        return [
            TaskCell(
                task.number,
                clean_line(task.label),
                mark or Mark.of(task.verdict),
                number(0 if report.problem else task.points),
                number(task.max_points),
            )
            for task in report.tasks
        ]

    def _report(self, grade: Grade) -> Report | None:
        return None if grade.attempt is None else self._book.report(grade.attempt.id)

    def student(self, row: Row, student: str) -> StudentPage:
        """The page of one student, with the report of each submission that counts."""
        pairs = zip(row.cells, self.grades.rows[student], strict=True)
        return StudentPage(row, [self._piece(cell, grade) for cell, grade in pairs], self._pairs(student))

    def _pairs(self, student: str | None = None) -> list[Alike]:
        """Those of one student, or all."""
        return [
            Alike(
                key=key_of(pair.exercise),
                students=[(clean_line(each), self._files.get(each, "")) for each in (pair.left, pair.right)],
                shares=[f"{100 * share:.0f} %" for share in (pair.share_left, pair.share_right)],
                like_solution=pair.like_solution,
                link=f"{SIMILAR}#{pair.anchor}" if pair.anchor else SIMILAR,
            )
            for pair in self._alike
            if student is None or student in (pair.left, pair.right)
        ]

    def _piece(self, cell: Cell, grade: Grade) -> Piece:
        report = self._report(grade)
        problem = report.problem if report else None
        return Piece(
            cell=cell,
            title=clean_line(report.title) if report else cell.slug,
            problem=clean_line(f"expected {problem.expected}; got {problem.got}") if problem else "",
            tasks=tasks_of(report, instructor=True) if report and not problem else [],
            attempts=[told(each) for each in self._of.get((grade.student, grade.slug), [])],
        )


def page_of(place: int) -> str:
    """Names of students are no names of files: theirs may hold anything."""
    return f"students/{place + 1}.html"


def told(attempt: Attempt) -> tuple[str, str, str]:
    """An attempt in three parts."""
    what = f"{attempt.verdict.words}, {number(attempt.points)} of {number(attempt.max_points)}"
    rests = f"submission {attempt.key.submission[:12]}, {attempt.kind} tests {attempt.key.suite[:12]}"
    weak = "".join(f", {each}" for each in attempt.footing.weaknesses)
    return attempt.started[:16].replace("T", " "), what, f"{rests}, {attempt.isolation or 'not run'}{weak}"


def key_of(slug: str) -> str:
    """What a person calls an exercise: "3", or "final"."""
    head = slug.split("_")[0]
    return clean_line(head.removeprefix("ex").lstrip("0") or head)


def kind_of(grade: Grade) -> str:
    """The class of a cell's colour; the words beside it say the same."""
    if grade.status in (Status.PENDING,) or grade.unjudged:
        return "ours"
    if grade.status in (Status.MISSING, Status.EXCUSED):
        return "untouched"
    return "passed" if grade.share >= 1 - 1e-9 else "failed"


def detail(grade: Grade) -> str:
    """Why a grade is not the points that were earned, and what is behind it."""
    parts = []
    if grade.dropped:
        parts.append("dropped")
    if grade.penalty:
        parts.append(f"{100 * grade.penalty:.0f} % off for lateness")
    if grade.decision and grade.status in (Status.OVERRIDDEN, Status.EXCUSED):
        parts.append(clean_line(f"by hand: {grade.decision.reason}"))
    if grade.unjudged:
        parts.append("the grader failed on a submission")
    if grade.attempt and grade.attempt.verdict not in (Verdict.ACCEPTED, Verdict.WRONG_ANSWER):
        parts.append(grade.attempt.verdict.words)
    return "; ".join(parts)


def chart(shares: Distribution) -> Chart:
    """The bars of a distribution, and the same in words."""
    most = max(shares.bins) or 1
    bars = [
        (f"{100 * place // BINS} to {100 * (place + 1) // BINS} %", count, round(HEIGHT * count / most))
        for place, count in enumerate(shares.bins)
    ]
    if not shares.count:
        return Chart("no grades yet", bars)
    said = f"mean {100 * shares.mean:.0f} %, median {100 * shares.median:.0f} %, {shares.full} with all points"
    return Chart(said, bars)
