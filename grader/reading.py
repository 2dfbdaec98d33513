"""Lessons without an exercise: folders like `exercises/lesson00_basics`, where nothing is graded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageError

FOLDER = re.compile(r"lesson(\d{2,})_([a-z0-9_]+)")
TEXT = "README.md"


@dataclass(frozen=True)
class Reading:
    """One such lesson. Having no `exercise.toml`, it is in no list of what can be graded."""

    root: Path
    slug: str
    number: int
    title: str

    @property
    def key(self) -> str:
        """What a person types."""
        return str(self.number)

    @property
    def folder(self) -> Path:
        return self.root / "exercises" / self.slug

    @property
    def files(self) -> list[Path]:
        """The text, and the pictures that it shows."""
        return [self.folder / TEXT, *sorted(self.folder.glob("*.svg"))]

    @property
    def names(self) -> set[str]:
        """What a person may call it."""
        short = self.slug.partition("_")
        return {self.key, f"{self.number:02}", f"lesson{self.number}", short[0], short[2], self.slug}

    @property
    def not_graded(self) -> str:
        """What to say to whoever wants points for it."""
        return (
            f"lesson {self.key} is for reading, and has no points: `make lesson EX={self.key}` opens it, "
            f"`make read EX={self.key}` shows it here"
        )


def readings(root: Path) -> list[Reading]:
    """All of them below a course's root folder, in their order."""
    found = []
    for path in sorted((root / "exercises").glob(f"lesson*/{TEXT}")):
        if match := FOLDER.fullmatch(path.parent.name):
            found.append(Reading(root, path.parent.name, int(match[1]), _title(path, match[2])))
    return sorted(found, key=lambda each: each.number)


def _title(path: Path, otherwise: str) -> str:
    """The first heading, without "Lesson 0: "."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        heading = next((line for line in lines if line.startswith("# ")), f"# {otherwise}")
    title = heading.removeprefix("# ").rpartition(": ")[2].strip()
    return title[:1].upper() + title[1:]


def text_of(folder: Path) -> str:
    """The lesson in a folder, of an exercise or without one. Raises UsageError."""
    path = folder / TEXT
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"the lesson '{path}' can't be read: {reason}") from None
