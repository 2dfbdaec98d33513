"""The part of the settings that leaves the staff's checkout: never seeds, extensions, columns, or a comment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from grader.settings.course import CourseSettings
from grader.settings.rules import Rules, Visibility

HEAD = "# What the staff decided for this course, as far as it is for students.\n"


def reduced(settings: CourseSettings, slugs: Sequence[str]) -> str:
    """A `course.toml` with the message, and for these exercises what holds for all; "" where that is nothing."""
    rules = {slug: settings.rules[slug] for slug in slugs if slug in settings.rules}
    top = [f"message = {_text(settings.message)}"] if settings.message else []
    bonus = [f"{slug}.{number}" for slug, each in rules.items() for number in sorted(each.bonus)]
    top += [f"bonus = [{', '.join(map(_text, bonus))}]"] if bonus else []
    lines = [*top, *_tables(rules)]
    return HEAD + "\n".join(lines) + "\n" if lines else ""


def _tables(rules: dict[str, Rules]) -> Iterator[str]:
    yield from _table("due", {slug: each.due.isoformat() for slug, each in rules.items() if each.due})
    # One that waits for a due time may not have one yet: only a default may say so.
    told = {slug: each.visibility for slug, each in rules.items() if each.visibility is not Visibility.PUBLIC}
    told |= {slug: Visibility.HIDDEN for slug in told if rules[slug].due is None}
    yield from _table("visibility", {slug: _text(kind) for slug, kind in told.items()})
    for slug, each in rules.items():
        yield from _table(f"thresholds.{slug}", {name: repr(value) for name, value in each.thresholds.items()})


def _table(name: str, rows: dict[str, str]) -> list[str]:
    return [f"\n[{name}]", *(f"{key} = {value}" for key, value in rows.items())] if rows else []


def _text(text: str) -> str:
    """A basic string of TOML: JSON's escapes are among its own; DEL is to be escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
