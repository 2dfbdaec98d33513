"""What a gradebook records: a job before it is graded, a result after it, an attempt once it is stored."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from grader.errors import UsageError
from grader.result import Report, Verdict

PLAIN = "plain process"  # sandbox.Isolation.PROCESS; that module starts processes, and is not needed to read a book
HIDDEN = "hidden"


class Key(NamedTuple):
    """What decides a result, seeds and chance aside: the same key need not be graded again."""

    submission: str
    suite: str
    lock: str
    device: str


class Footing(NamedTuple):
    """How well a result is founded, the weightiest reason first. A tuple, so that two of them compare as they should.

    A result replaces another of the same student and exercise only where its footing is at least as good.
    """

    judged: bool  # the judge did not fail
    hidden: bool  # the tests that decide have spoken, and not only the samples
    isolated: bool  # a sandbox stood between the submission and the machine
    on_device: bool  # it ran on the device that the exercise requires

    @classmethod
    def of(cls, kind: str, isolation: str, device: str, required: str = "", judged: bool = True) -> Footing:
        """Of a run, or of one that is planned. Nothing was run where `isolation` is empty: nothing could be forged."""
        ran = isolation != ""
        return cls(judged, kind == HIDDEN, isolation != PLAIN, not ran or required in ("", device))

    @classmethod
    def from_rank(cls, rank: int) -> Footing:
        return cls(*(bool(rank >> place & 1) for place in (3, 2, 1, 0)))

    @property
    def rank(self) -> int:
        """The same order as one number, for SQL."""
        return sum(part << place for part, place in zip(self, (3, 2, 1, 0), strict=True))

    @property
    def weaknesses(self) -> list[str]:
        words = ("the judge failed", "public tests only", "without a sandbox", "not on the required device")
        return [word for word, held in zip(words, self, strict=True) if not held]


class Job(NamedTuple):
    """A submission that is to be graded, and the footing that the run can give it."""

    student: str
    slug: str
    key: Key
    footing: Footing


class HandIn(NamedTuple):
    """That a submission was handed in. The same files may be handed in more than once, and are graded once."""

    student: str
    slug: str
    submission: str  # its hash, as in the key
    submitted: datetime  # with a time zone
    late_seconds: float  # after the deadline that held when it was found


@dataclass(frozen=True)
class Result:
    """A graded submission, as a run hands it in."""

    student: str
    report: Report
    submitted: datetime | None = None  # with a time zone
    late_seconds: float = 0.0  # after the deadline that held when it was graded
    required_device: str = ""  # `Exercise.required_device`

    @property
    def key(self) -> Key:
        where = self.report.provenance
        return Key(where.submission_sha256, where.suite_sha256, where.lock_sha256, where.device)

    @property
    def footing(self) -> Footing:
        where, judged = self.report.provenance, self.report.verdict is not Verdict.JUDGE_ERROR
        return Footing.of(self.report.suite, where.isolation, where.device, self.required_device, judged)

    @property
    def job(self) -> Job:
        return Job(self.student, self.report.exercise, self.key, self.footing)

    @property
    def hand_in(self) -> HandIn:
        assert self.submitted is not None
        return HandIn(self.student, self.report.exercise, self.key.submission, self.submitted, self.late_seconds)

    def body(self) -> str:
        """The report without the spaces that `to_json` puts in for people."""
        return json.dumps(json.loads(self.report.to_json()), separators=(",", ":"))

    def fingerprint(self, body: str) -> str:
        """The same for the same run of the same student's submission, and for nothing else."""
        return hashlib.sha256(f"{self.student}\0{self.report.exercise}\0{body}".encode()).hexdigest()


@dataclass(frozen=True)
class Attempt:
    """One row of the gradebook. Its report is read on its own, for it is long."""

    id: int
    student: str
    slug: str
    key: Key
    kind: str  # "hidden" or "public"
    isolation: str
    required_device: str
    seed: int | None
    grader: str
    python: str
    versions: dict[str, str]
    started: str  # ISO 8601, UTC, as all times here
    seconds: float
    recorded: str
    verdict: Verdict
    points: float  # with those of bonus tasks, so there may be more than the maximum
    max_points: float
    footing: Footing
    submitted: str | None
    late_seconds: float
    bonus: float = 0.0  # of the points

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Attempt:
        key = Key(*(row.pop(name) for name in Key._fields))
        parsed = {
            "key": key,
            "verdict": Verdict(row["verdict"]),
            "versions": json.loads(row["versions"]),
            "footing": Footing.from_rank(row["footing"]),
            "points": row["points"] + row["bonus"],
        }
        return cls(**{**row, **parsed})

    @property
    def order(self) -> tuple[Footing, str, int]:
        """Of several runs on one submission the last in this order stands: the best founded, then the latest."""
        return self.footing, self.started, self.id


def in_utc(moment: datetime) -> str:
    """How times are stored: texts of one zone, so that their order is that of the moments."""
    if moment.tzinfo is None:
        raise UsageError(
            f"the time '{moment.isoformat()}' has no time zone: add one, as in '{moment.isoformat()}+01:00'"
        )
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def utc(text: str) -> str:
    """The same for a moment given as text."""
    return in_utc(datetime.fromisoformat(text))
