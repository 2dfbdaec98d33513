"""Grades as tables for a learning management system: RFC 4180, in UTF-8, safe to open in a spreadsheet.

What the systems do with a cell is read from their importers: Canvas leaves an empty cell alone, takes "EX" for excused,
and finds a student by ID, then SIS User ID, then SIS Login ID, then name. Moodle takes "-" for no grade, asks which
column names the student, and refuses the whole file for one student that it does not know.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from enum import StrEnum

from grader.gradebook.book import Student
from grader.gradebook.grades import Grade, Grades, Status
from grader.text import clean_line

# Spreadsheets run what begins so; the wide forms in some locales. They pass over spaces before it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
DECIMALS = 2  # what the systems keep


class Dialect(StrEnum):
    GENERIC = "generic"
    CANVAS = "canvas"
    MOODLE = "moodle"


def cell(text: str) -> str:
    """Foreign text as a cell: in one line, without control characters, and never a formula."""
    line = clean_line(text, 1000)
    return f"'{line}" if text.startswith(FORMULA) or line.startswith(FORMULA) else line


def points(value: float) -> str:
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def table(grades: Grades, dialect: Dialect, columns: Mapping[str, str], missing_as_zero: bool = False) -> Iterator[str]:
    """The lines of the table. `columns`: an exercise's name at the system, where that is not its slug."""
    names = [cell(columns.get(slug, slug)) for slug in grades.slugs]
    none = "-" if dialect is Dialect.MOODLE else ""  # that sign alone is no formula, and no text of a stranger
    marks = {Status.EXCUSED: "EX" if dialect is Dialect.CANVAS else none, Status.PENDING: none}
    marks |= {} if missing_as_zero else {Status.MISSING: none}
    yield _line([*_HEADS[dialect], *names, *(_TOTALS if dialect is Dialect.GENERIC else ())])
    if dialect is Dialect.CANVAS:
        yield _line(
            ["    Points Possible", "", "", "", "", *(points(grades.max_points[slug]) for slug in grades.slugs)]
        )
    for student in grades.students:
        row = [cell(text) for text in _who(student, dialect)]
        row += [marks.get(grade.status, points(grade.points)) for grade in grades.rows[student.id]]
        yield _line(row + (_totals(grades, student.id) if dialect is Dialect.GENERIC else []))


_HEADS = {
    Dialect.GENERIC: ("student", "name", "email"),
    Dialect.CANVAS: ("Student", "ID", "SIS User ID", "SIS Login ID", "Section"),
    Dialect.MOODLE: ("Username", "ID number", "Email address"),
}
_TOTALS = ("points", "max_points", "percent", "excused", "pending", "dropped")


def _who(student: Student, dialect: Dialect) -> tuple[str, ...]:
    login = student.login or student.id
    if dialect is Dialect.CANVAS:
        return student.name or student.id, student.lms_id, student.number, login, student.section
    if dialect is Dialect.MOODLE:
        return login, student.number, student.email
    return student.id, student.name, student.email


def _totals(grades: Grades, student: str) -> list[str]:
    got, most = grades.total(student)
    row = grades.rows[student]
    percent = points(100 * got / most) if most else ""
    return [points(got), points(most), percent, *(_slugs(row, kind) for kind in (Status.EXCUSED, Status.PENDING, None))]


def _slugs(row: list[Grade], status: Status | None) -> str:
    """The exercises with this status; those that are dropped for None."""
    return " ".join(grade.slug for grade in row if (grade.dropped if status is None else grade.status is status))


def _line(cells: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()
