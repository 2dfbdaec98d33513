"""Who is in the class: a CSV of students, and whom a name in an export means."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from grader.cohort.systems import Person
from grader.errors import UsageError
from grader.gradebook.book import Student

COLUMNS = ("student", "name", "email", "login", "number", "lms_id", "section", "path")


@dataclass(frozen=True)
class Roster:
    """The students, and the paths that are known to be one's."""

    students: list[Student]
    paths: dict[tuple[str, ...], str]  # below the folder of submissions, to the student

    def owner_of(self, parts: tuple[str, ...]) -> tuple[str, int] | None:
        """The student whose path the roster gives, and how many parts of it that are."""
        lengths = range(len(parts), 0, -1)
        return next(((self.paths[parts[:n]], n) for n in lengths if parts[:n] in self.paths), None)

    def find(self, person: Person) -> Student | str:
        """The student who is meant, or why nobody is: by what is sure before what is likely."""
        for said, of in (
            (person.lms_id, lambda each: [each.lms_id]),
            (person.number, lambda each: [each.number]),
            (person.email.casefold(), lambda each: [each.email.casefold()]),
            (person.id, lambda each: [each.id, each.login]),
            (squeezed(person.name or person.id), lambda each: names(each.name)),
        ):
            found = self._who(said, of)
            if len(found) == 1:
                return found[0]
            if found:
                return f"{len(found)} students of the roster may be meant: give one the column 'path'"
        return "not on the roster"

    def _who(self, said: str, of: Callable[[Student], Iterable[str]]) -> list[Student]:
        return [each for each in self.students if said and said in of(each)]


def names(name: str) -> set[str]:
    """A name as exports write it: Canvas puts the family name first, and leaves the spaces out."""
    words = name.replace(",", " ").split()
    return {squeezed("".join(words[n:] + words[:n])) for n in range(len(words))}


def squeezed(text: str) -> str:
    """Its letters and digits, without accents and case."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def read_roster(path: Path) -> Roster:
    """Raises UsageError, naming the line."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"the roster '{path}' can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the roster '{path}' is not UTF-8: save it as CSV with that encoding") from None
    head = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    try:
        columns = [each.strip().casefold() for each in next(rows, [])]
        if "student" not in columns:
            raise UsageError(f"the roster '{path}' has no column 'student'; it may have {', '.join(COLUMNS)}")
        return _roster(path, [(rows.line_num, dict(zip(columns, row, strict=False))) for row in rows if any(row)])
    except csv.Error as error:
        raise UsageError(f"the roster '{path}', line {rows.line_num}, is no CSV: {error}") from None


def _roster(path: Path, rows: list[tuple[int, dict[str, str]]]) -> Roster:
    students: dict[str, Student] = {}
    paths: dict[tuple[str, ...], str] = {}
    for line, row in rows:
        cells = {name: row.get(name, "").strip() for name in COLUMNS}
        student, where = cells.pop("student"), tuple(part for part in cells.pop("path").split("/") if part != ".")
        if not student or student in students:
            what = f"names '{student}' a second time" if student else "names no student"
            raise UsageError(f"the roster '{path}', line {line}, {what}")
        students[student] = Student(student, **cells)
        if any(where):
            paths[tuple(part for part in where if part)] = student
    return Roster(list(students.values()), paths)
