"""The gradebook. What a cohort's run needs of it: `known`, `claim`, `record`; what is drawn from it: the rest.

with Gradebook.open(path) as book:
    match book.claim(job):
        case Attempt() as known: ...          # graded already with the same tests, lock, device: nothing to do
        case Held(): ...                      # another run is at it: come back later
        case Claim(): book.record(Result(student, grade(…)))
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from grader.errors import DojoError, JudgeError
from grader.gradebook import claims
from grader.gradebook.attempt import Attempt, HandIn, Job, Result, in_utc, utc
from grader.gradebook.claims import Claim, Held
from grader.gradebook.file import File
from grader.result import Report
from grader.summary import now

COLUMNS = (
    "id, student, slug, submission, suite, lock, device, kind, isolation, required_device, seed, grader, python, "
    "versions, started, seconds, recorded, verdict, points, max_points, footing, submitted, late_seconds, bonus"
)
# Reports repeat the code of a test for each of its failures: zlib takes 59 to 81 % off in 0.04 to 3.7 ms; level 9 and
# lzma take little more (docs/gradebook.md).
LEVEL = 6


@dataclass(frozen=True)
class Student:
    """A line of the roster. What is empty is not known."""

    id: str  # how submissions name the student
    name: str = ""
    email: str = ""
    login: str = ""  # at the learning management system
    number: str = ""  # at the school; Canvas: SIS User ID, Moodle: ID number
    lms_id: str = ""  # Canvas: ID
    section: str = ""


class Recorded(NamedTuple):
    """What the gradebook holds of a job now; `new` is False where it held a result of the same key before."""

    attempt: Attempt
    new: bool


class Gradebook:
    """Attempts with what they rest on. Open one per process and thread."""

    def __init__(self, file: File) -> None:
        self.file = file
        self._run: int | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """For writing. Raises UsageError where it is something else or newer, JudgeError where it is damaged."""
        return cls(File.open(path))

    @classmethod
    def read(cls, path: Path) -> Self:
        """For reading, also where nothing may be written."""
        return cls(File.read(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives back what is claimed."""
        try:
            if self._run is not None:
                with self.file.transaction(durable=False) as connection:
                    claims.drop_all(connection, self._run)
        except DojoError:
            pass  # the claims end with this process
        finally:
            self.file.close()

    # --- what a run needs

    def known(self, job: Job) -> Attempt | None:
        """What makes grading needless: a result of the same key whose footing is at least what the run could give."""
        return _known(self.file.rows(_KNOWN, (*claims.named(job), job.footing.rank)))

    def claim(self, job: Job, again: bool = False) -> Claim | Attempt | Held:
        """Takes the job for this process, unless it is known or somebody else's. `again`: also where it is known."""
        run = self._own()
        with self.file.transaction(durable=False) as connection:  # after a power failure nobody holds a claim
            known = None if again else _known(connection.execute(_KNOWN, (*claims.named(job), job.footing.rank)))
            return known or claims.take(connection, run, job)

    def renew(self) -> None:
        """Holds this process's claims for another lease. Every `claim` and `record` does so too."""
        if self._run is not None:
            with self.file.transaction(durable=False) as connection:
                claims.renew(connection, self._run)

    def release(self, claim: Claim) -> None:
        """Gives a job back that was not graded."""
        if self._run is not None:
            with self.file.transaction(durable=False) as connection:
                claims.drop(connection, self._run, claim.job)

    def record(self, result: Result, again: bool = False) -> Recorded:
        """Stores a result and ends its claim, in one transaction. When this returns, it is on the disk.

        The same result twice is stored once. So is another one of a key that is known on as good a footing, such as
        from a node that was given up too early; with `again` that one is stored too. A judge error is always stored,
        and stands for nothing.
        """
        body, run = result.body(), self._own()
        with self.file.transaction() as connection:
            claims.drop(connection, run, result.job)
            claims.renew(connection, run)
            fingerprint = result.fingerprint(body)
            query = f"SELECT {COLUMNS} FROM attempt WHERE fingerprint = ?"
            stored = _known(connection.execute(query, (fingerprint,)))
            if stored is None and result.footing.judged and not again:
                stored = _known(connection.execute(_KNOWN, (*claims.named(result.job), result.footing.rank)))
            if stored is not None:
                return Recorded(stored, new=False)
            _insert(connection, run, fingerprint, result, body)
            if result.submitted:
                _hand_in(connection, result.hand_in)
            attempt = _known(connection.execute(query, (fingerprint,)))
            assert attempt is not None
        return Recorded(attempt, new=True)

    def hand_in(self, hand_in: HandIn) -> None:
        """Notes when a submission was handed in, also one that is known: the same files may come twice."""
        with self.file.transaction() as connection:
            _hand_in(connection, hand_in)

    def enrol(self, students: Iterable[Student]) -> None:
        """Takes over a roster: new students, and what is now known of the others."""
        query = "INSERT INTO student VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET " + ", ".join(
            f"{name} = excluded.{name}" for name in ("name", "email", "login", "number", "lms_id", "section")
        )
        with self.file.transaction() as connection:
            connection.executemany(query, (astuple(student) for student in students))

    def _own(self) -> int:
        """This process's number in the gradebook, once that is stored."""
        if self._run is None:
            with self.file.transaction(durable=False) as connection:
                run = claims.begin(connection)
            self._run = run
        return self._run

    # --- what is drawn from it

    def students(self) -> list[Student]:
        return [Student(**row) for row in self.file.rows("SELECT * FROM student ORDER BY id")]

    def attempts(self, student: str | None = None, slug: str | None = None) -> list[Attempt]:
        """In the order in which they were recorded."""
        where = [f"{name} = ?" for name, value in (("student", student), ("slug", slug)) if value is not None]
        query = f"SELECT {COLUMNS} FROM attempt {'WHERE ' + ' AND '.join(where) if where else ''} ORDER BY id"
        values = tuple(value for value in (student, slug) if value is not None)
        return [Attempt.from_row(row) for row in self.file.rows(query, values)]

    def hand_ins(self) -> list[HandIn]:
        rows = self.file.rows("SELECT * FROM hand_in ORDER BY student, slug, submitted")
        return [HandIn(**{**row, "submitted": datetime.fromisoformat(row["submitted"])}) for row in rows]

    def body(self, attempt: int) -> dict[str, Any]:
        """An attempt's report as JSON holds it."""
        rows = self.file.rows("SELECT body FROM report WHERE attempt = ?", (attempt,))
        try:
            body: dict[str, Any] = json.loads(zlib.decompress(rows[0]["body"]))
        except (IndexError, ValueError, zlib.error) as error:
            raise JudgeError(f"the report of attempt {attempt} in '{self.file.path}' is damaged: {error}") from None
        return body

    def report(self, attempt: int) -> Report:
        return Report.from_json(json.dumps(self.body(attempt)))

    def check(self) -> Iterator[str]:
        """What is wrong with the file, down to each report. Nothing, as a rule."""
        for check in ("integrity_check", "foreign_key_check"):
            rows = self.file.rows(f"PRAGMA {check}")
            yield from (" ".join(map(str, row.values())) for row in rows if list(row.values()) != ["ok"])
        for row in self.file.rows("SELECT id FROM attempt ORDER BY id"):
            try:
                self.body(row["id"])
            except JudgeError as error:
                yield str(error)


_KNOWN = f"SELECT {COLUMNS} FROM attempt WHERE {claims.WHERE} AND footing >= ? ORDER BY footing DESC, id LIMIT 1"


def _known(rows: Iterable[Any]) -> Attempt | None:
    return next((Attempt.from_row(dict(row)) for row in rows), None)


def _hand_in(connection: sqlite3.Connection, hand_in: HandIn) -> None:
    connection.execute("INSERT OR IGNORE INTO student (id) VALUES (?)", (hand_in.student,))
    values = (*hand_in[:3], in_utc(hand_in.submitted), max(0.0, hand_in.late_seconds))
    connection.execute("INSERT OR IGNORE INTO hand_in VALUES (?, ?, ?, ?, ?)", values)


def _insert(connection: sqlite3.Connection, run: int, fingerprint: str, result: Result, body: str) -> None:
    report, where, judged = result.report, result.report.provenance, result.footing.judged
    connection.execute("INSERT OR IGNORE INTO student (id) VALUES (?)", (result.student,))
    values = {
        "fingerprint": fingerprint,
        "run": run,
        "student": result.student,
        "slug": report.exercise,
        **result.key._asdict(),
        "kind": report.suite,
        "isolation": where.isolation,
        "required_device": result.required_device,
        "seed": where.seed,
        "grader": where.grader,
        "python": where.python,
        "versions": json.dumps(where.versions),
        "started": utc(where.started),
        "seconds": where.seconds,
        "recorded": now(),
        "verdict": report.verdict.value,
        # A fault of ours is no 0: such a row stands for nothing. What a bonus has brought is beyond the maximum.
        "points": report.points - report.bonus_points if judged else 0.0,
        "bonus": report.bonus_points if judged else 0.0,
        "max_points": report.max_points,
        "footing": result.footing.rank,
        "submitted": in_utc(result.submitted) if result.submitted else None,
        "late_seconds": max(0.0, result.late_seconds),
    }
    marks = ", ".join("?" * len(values))
    cursor = connection.execute(f"INSERT INTO attempt ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
    packed = zlib.compress(body.encode(), LEVEL)
    connection.execute("INSERT INTO report VALUES (?, ?)", (cursor.lastrowid, packed))
