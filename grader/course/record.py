"""What is remembered of a student, as types. A body of JSON lies below it, so that unknown keys survive an update."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from grader.result import Report, Verdict

VERSION = 1


class Newer(Exception):
    """The record was written by a later version of the course."""


@dataclass(frozen=True)
class Score:
    """The outcome of one run on the student's own files."""

    points: float
    verdict: Verdict
    suite: str  # "hidden" or "public"
    submission: str  # its SHA-256
    date: str
    passed: tuple[int, ...]  # numbers of tasks

    @classmethod
    def of(cls, report: Report) -> Score:
        where = report.provenance
        passed = [] if report.problem else [task.number for task in report.tasks if task.points]
        return cls(report.points, report.verdict, report.suite, where.submission_sha256, where.started, tuple(passed))

    @property
    def founded(self) -> bool:
        """Whether the tests that decide have spoken, and not only the samples."""
        return self.suite == "hidden"

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Of two scores, the one that is kept as the best has the higher rank."""
        return self.founded, self.verdict is Verdict.ACCEPTED, self.points


class Record:
    """Results, hints seen, solutions asked for, congratulations shown."""

    def __init__(self, body: dict[str, Any] | None = None) -> None:
        self._body = body or {"version": VERSION}
        self._body.setdefault("exercises", {})

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Raises Newer, or ValueError where this is no record."""
        body = json.loads(text)
        if not isinstance(body, dict) or not isinstance(body.get("version"), int) or body["version"] < 1:
            raise ValueError("it is no record of a student")
        if body["version"] > VERSION:
            raise Newer(f"version {body['version']}")
        record = cls(body)
        try:
            record._check()
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it holds something else: {error}") from None
        return record

    def to_json(self) -> str:
        return json.dumps(self._body, indent=2, sort_keys=True) + "\n"

    def _check(self) -> None:
        """Reads everything once, so that a later look can't fail."""
        for slug, row in self._body["exercises"].items():
            self.best(slug), self.last(slug), self.confirmed(slug), self.congratulated(slug)
            for task in row.get("hints", {}):
                self.hints(slug, int(task))
        self.finished()

    def _row(self, slug: str) -> dict[str, Any]:
        row: dict[str, Any] = self._body["exercises"].get(slug, {})
        return row

    def _set(self, slug: str, key: str, value: object) -> None:
        self._body["exercises"].setdefault(slug, {})[key] = value

    # --- results

    def best(self, slug: str) -> Score | None:
        return _score(self._row(slug).get("best"))

    def last(self, slug: str) -> Score | None:
        return _score(self._row(slug).get("last"))

    def take(self, slug: str, score: Score) -> None:
        """Notes a run. A judge error says nothing, and the public tests say nothing beside the hidden ones."""
        if score.verdict is Verdict.JUDGE_ERROR:
            return
        last, best = self.last(slug), self.best(slug)
        if last is None or score.founded >= last.founded:
            self._set(slug, "last", asdict(score))
        if best is None or score.rank > best.rank:
            self._set(slug, "best", asdict(score))

    def forget_last(self, slug: str) -> None:
        """The files have been given back: nothing is known of those that lie there now."""
        self._row(slug).pop("last", None)

    # --- hints, solutions, congratulations

    def hints(self, slug: str, task: int) -> int:
        """How many hints of a task were seen."""
        seen = self._row(slug).get("hints", {}).get(str(task), 0)
        if not isinstance(seen, int) or seen < 0:
            raise TypeError(f"{seen!r} hints")
        return seen

    def all_hints(self) -> int:
        return sum(sum(row.get("hints", {}).values()) for row in self._body["exercises"].values())

    def see_hints(self, slug: str, task: int, count: int) -> None:
        self._set(slug, "hints", {**self._row(slug).get("hints", {}), str(task): count})

    def confirmed(self, slug: str) -> str:
        """When the student asked for the solution before having solved the exercise."""
        return _date(self._row(slug).get("solution_confirmed", ""))

    def confirm(self, slug: str, date: str) -> None:
        self._set(slug, "solution_confirmed", date)

    def congratulated(self, slug: str) -> str:
        return _date(self._row(slug).get("congratulated", ""))

    def congratulate(self, slug: str, date: str) -> None:
        self._set(slug, "congratulated", date)

    def finished(self) -> str:
        """When the whole course was solved for the first time."""
        return _date(self._body.get("finished", ""))

    def finish(self, date: str) -> None:
        self._body["finished"] = date


def _score(row: dict[str, Any] | None) -> Score | None:
    if row is None:
        return None
    points, passed = row["points"], tuple(row["passed"])
    if not isinstance(points, int | float) or not 0 <= points < math.inf or set(map(type, passed)) - {int}:
        raise TypeError(f"{points!r} points for the tasks {passed!r}")
    if not isinstance(row["suite"], str) or not isinstance(row["submission"], str):
        raise TypeError("a score without its suite and its submission")
    return Score(points, Verdict(row["verdict"]), row["suite"], row["submission"], _date(row["date"]), passed)


def _date(text: str) -> str:
    if text:
        datetime.fromisoformat(text)
    return text
