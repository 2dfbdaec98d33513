"""Which attempt counts, what lateness costs, what is dropped: a part of `course.toml`, or the options of a command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from grader.errors import UsageError

DAY = 86400.0
MOST_DROPPED = 1000


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
            ("drop_lowest", self.drop_lowest, 0, MOST_DROPPED),
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


def counted(text: str) -> Counts:
    if text not in tuple(Counts):
        raise UsageError(f"counts='{text}' is not one of {', '.join(Counts)}")
    return Counts(text)
