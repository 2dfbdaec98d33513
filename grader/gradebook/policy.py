"""Which attempt counts, what lateness costs, what is dropped: `grading.toml`, or the options of a command."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from grader.errors import UsageError

DAY = 86400.0


class Counts(StrEnum):
    BEST = "best"
    LAST = "last"


@dataclass(frozen=True)
class Policy:
    """How attempts become a grade. The defaults: the best attempt, no penalty, nothing dropped."""

    counts: Counts = Counts.BEST
    drop_lowest: int = 0
    late_percent_per_day: float = 0.0  # of the points earned, for each day begun after deadline and grace
    late_grace_minutes: float = 0.0
    late_cap_percent: float = 100.0  # the most that lateness takes
    due: Mapping[str, datetime] = field(default_factory=dict)  # of an exercise
    extensions: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)  # of a student, then an exercise
    columns: Mapping[str, str] = field(default_factory=dict)  # an exercise's name at the learning management system

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("drop_lowest", self.drop_lowest, 0, 1000),
            ("late.percent_per_day", self.late_percent_per_day, 0, 100),
            ("late.grace_minutes", self.late_grace_minutes, 0, math.inf),
            ("late.cap_percent", self.late_cap_percent, 0, 100),
        ):
            if not low <= value <= high or value != value:
                raise UsageError(f"{name}={value} is not a number from {low} to {high}")

    def late_seconds(self, student: str, slug: str, submitted: str | None, recorded: float) -> float:
        """By the deadline that is set here; where none is, what was found when the submission was graded."""
        due = self.extensions.get(student, {}).get(slug, self.due.get(slug))
        if due is None or submitted is None:
            return recorded
        return max(0.0, (datetime.fromisoformat(submitted) - due).total_seconds())

    def penalty(self, late_seconds: float) -> float:
        """The part of the earned points that lateness takes, from 0 to 1."""
        over = late_seconds - 60 * self.late_grace_minutes
        days = math.ceil(over / DAY) if over > 0 else 0
        return min(days * self.late_percent_per_day, self.late_cap_percent) / 100


def read_policy(path: Path) -> Policy:
    """Raises UsageError, naming the file and what is wrong in it."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"'{path}' can't be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"'{path}' is no TOML: {error}") from None
    try:
        return _policy(table)
    except UsageError as error:
        raise UsageError(f"'{path}': {error}") from None


def _policy(table: dict[str, Any]) -> Policy:
    _check_keys(table, ("counts", "drop_lowest", "late", "due", "extensions", "columns"))
    late = _table(table, "late")
    _check_keys(late, ("percent_per_day", "grace_minutes", "cap_percent"))
    return Policy(
        counts=counted(_typed(table, "counts", str, "best")),
        drop_lowest=_typed(table, "drop_lowest", int, 0),
        late_percent_per_day=float(_typed(late, "percent_per_day", (int, float), 0)),
        late_grace_minutes=float(_typed(late, "grace_minutes", (int, float), 0)),
        late_cap_percent=float(_typed(late, "cap_percent", (int, float), 100)),
        due=_moments(_table(table, "due"), "due"),
        extensions={
            name: _moments(_table(table["extensions"], name), f"extensions.{name}")
            for name in _table(table, "extensions")
        },
        columns={slug: _typed(table["columns"], slug, str, "") for slug in _table(table, "columns")},
    )


def counted(text: str) -> Counts:
    if text not in tuple(Counts):
        raise UsageError(f"counts='{text}' is not one of {', '.join(Counts)}")
    return Counts(text)


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise UsageError(f"unknown key '{key}'" + (f", did you mean '{near[0]}'?" if near else ""))


def _typed(table: Mapping[str, Any], key: str, kind: type | tuple[type, ...], default: Any) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UsageError(f"{key}={value!r} is of the wrong type")
    return value


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = _typed(table, key, dict, {})
    return found


def _moments(table: Mapping[str, Any], where: str) -> dict[str, datetime]:
    for key, value in table.items():
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise UsageError(f"{where}.{key} is to be a time with its zone, as in 2026-03-01T23:59:00+01:00")
    return dict(table)
