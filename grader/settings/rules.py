"""What a course decides for one exercise: who reads the words of its hidden tests, bonus tasks, other thresholds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


class Visibility(StrEnum):
    """What students read of hidden tests. Public tests are always told."""

    PUBLIC = "public"  # the words of those that fail
    HIDDEN = "hidden"  # the points of each task alone
    AFTER_DUE_DATE = "after_due_date"  # the words, from the due time on


@dataclass(frozen=True)
class Rules:
    """The defaults change nothing."""

    visibility: Visibility = Visibility.PUBLIC
    due: datetime | None = None
    extensions: Mapping[str, datetime] = field(default_factory=dict)  # of a student
    bonus: frozenset[int] = frozenset()  # numbers of tasks
    thresholds: Mapping[str, float] = field(default_factory=dict)  # that take the place of published ones
    published: Mapping[str, float] = field(default_factory=dict)  # of these, as the exercise has them

    def withheld(self, student: str = "", at: datetime | None = None) -> str:
        """Why the words of hidden tests are kept from a student at that time, now by default; "" where they are not.

        A student who is not known has no extension.
        """
        if self.visibility is Visibility.PUBLIC:
            return ""
        if self.visibility is Visibility.HIDDEN:
            return "In this course hidden tests tell the points of each task, and no more."
        due = self.extensions.get(student, self.due)
        if due is None:
            return "What the hidden tests say is shown after the due time, which is not set yet."
        return (
            ""
            if (at or datetime.now(UTC)) >= due
            else f"What the hidden tests say is shown from {due.isoformat(' ', 'minutes')} on."
        )

    @property
    def remarks(self) -> list[str]:
        """For every report: where a threshold is not the one whose error rates are known."""
        return [
            f"Warning: the threshold '{name}' is {value:g} in this course, and {self.published[name]:g} as published."
            for name, value in self.thresholds.items()
            if value != self.published[name]
        ]

    @property
    def mark(self) -> str:
        """What of this decides a result, as a text; "" where nothing does. Results by other marks are not compared."""
        other = {name: value for name, value in sorted(self.thresholds.items()) if value != self.published[name]}
        if not other and not self.bonus:
            return ""
        return json.dumps({"bonus": sorted(self.bonus), "thresholds": other})
