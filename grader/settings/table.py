"""One table of `course.toml`: values by their type, and refusals that say where and what is due."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from grader.errors import UsageError

NUMBER = re.compile(r"(?:ex)?0*(\d+)(?:_.*)?")
TIME = "2026-03-01T23:59:00+01:00"


def near(text: str, known: Collection[str]) -> str:
    """The end of a refusal: the known name that `text` comes near to, if there is one."""
    found = difflib.get_close_matches(text, known, 1)
    if not found and (number := NUMBER.fullmatch(text)):  # "ex3" for ex03_training_loop
        found = [each for each in known if each.startswith(f"ex{int(number[1]):02}_")]
    if not found and len(text) > 2:
        found = [each for each in known if text in each]
    return f", did you mean '{found[0]}'?" if found else ""


@dataclass(frozen=True)
class Table:
    """A table, and the name under which it stands in the file; "" for the file itself."""

    body: Mapping[str, Any]
    where: str = ""

    def __iter__(self) -> Iterator[str]:
        return iter(self.body)

    def __contains__(self, key: str) -> bool:
        return key in self.body

    def path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def only(self, known: Collection[str], kind: str = "key") -> None:
        """Raises UsageError for a name that is none of the `known`."""
        for key in self.body:
            if key not in known:
                raise UsageError(f"unknown {kind} '{self.path(key)}'{near(key, known)}")

    def refuse(self, key: str, due: str) -> UsageError:
        return UsageError(f"{self.path(key)}={self.body[key]!r} is to be {due}")

    def table(self, key: str) -> Table:
        """The table below; an empty one where there is none."""
        value = self.body.get(key, {})
        if not isinstance(value, dict):
            raise self.refuse(key, "a table")
        return Table(value, self.path(key))

    def text(self, key: str, default: str = "") -> str:
        value = self.body.get(key, default)
        if not isinstance(value, str):
            raise self.refuse(key, "a text")
        return value

    def texts(self, key: str) -> list[str]:
        value = self.body.get(key, [])
        if not isinstance(value, list) or any(not isinstance(each, str) for each in value):
            raise self.refuse(key, "a list of texts")
        return value

    def choice(self, key: str, allowed: Collection[str], default: str) -> str:
        value = self.text(key, default)
        if value not in allowed:
            raise UsageError(f"{self.path(key)}='{value}' is not one of {', '.join(allowed)}{near(value, allowed)}")
        return value

    def whole(self, key: str, default: int, low: int, high: int, said: str) -> int:
        value = self.body.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.refuse(key, said)
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self.body.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.refuse(key, f"a number from {low:g}" + ("" if math.isinf(high) else f" to {high:g}"))
        return float(value)

    def moments(self) -> dict[str, datetime]:
        """Every value of the table as a time."""
        for key, value in self.body.items():
            if not isinstance(value, datetime) or value.tzinfo is None:
                raise UsageError(f"{self.path(key)} is to be a time with its zone, as in {TIME}")
        return dict(self.body)
