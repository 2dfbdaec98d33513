"""What an instructor decides by hand: points or an excuse. A log to which is only added."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from grader.errors import UsageError
from grader.gradebook.book import Gradebook
from grader.summary import now


class Kind(StrEnum):
    OVERRIDE = "override"  # these points, whatever the attempts say
    EXCUSE = "excuse"  # the exercise does not count for this student
    WITHDRAW = "withdraw"  # back to what is computed


@dataclass(frozen=True)
class Decision:
    """One line of the log. The latest one on a student and an exercise holds."""

    id: int
    student: str
    slug: str
    kind: Kind
    points: float | None
    reason: str
    author: str
    made: str


def decide(
    book: Gradebook, student: str, slug: str, kind: Kind, reason: str, author: str, points: float | None = None
) -> None:
    """Adds to the log. Raises UsageError where the reason, the author or sensible points are missing."""
    if not reason.strip() or not author.strip():
        raise UsageError("a decision needs a reason and an author: give --reason TEXT and --author NAME")
    if kind is Kind.OVERRIDE and (points is None or not math.isfinite(points) or points < 0):
        raise UsageError(f"POINTS='{points}' is not a number from 0")
    if not book.file.rows("SELECT 1 FROM student WHERE id = ?", (student,)):
        raise UsageError(f"there is no student '{student}' in '{book.file.path}'")
    values = (student, slug, kind.value, points, reason.strip(), author.strip(), now())
    with book.file.transaction() as connection:
        connection.execute(
            "INSERT INTO decision (student, slug, kind, points, reason, author, made) VALUES (?, ?, ?, ?, ?, ?, ?)",
            values,
        )


def decisions(book: Gradebook) -> list[Decision]:
    """The whole log, oldest first."""
    rows = book.file.rows("SELECT * FROM decision ORDER BY id")
    return [Decision(**{**row, "kind": Kind(row["kind"])}) for row in rows]
