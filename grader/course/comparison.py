"""The student's files beside others of the same names, as a diff."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping

from grader.catalog import Exercise

STYLES = {"+": "green", "-": "red", "@": "cyan"}


def compare(exercise: Exercise, others: Mapping[str, str], theirs: str, ours: str, own_first: bool = False) -> int:
    """Prints the differences: from the others to the student's, or the other way round."""
    lines: list[str] = []
    for name, other in others.items():
        own = _own(exercise, name)
        sides = [(own, f"{ours}/{name}"), (other, f"{theirs}/{name}")]
        (before, its_name), (after, their_name) = sides if own_first else sides[::-1]
        found = list(difflib.unified_diff(before.splitlines(), after.splitlines(), its_name, their_name, lineterm=""))
        lines += found or [f"{name}: no difference to the {theirs}"]
    _print(lines)
    return 0


def _own(exercise: Exercise, name: str) -> str:
    """A file that is missing is empty; bytes that are no text are shown as such."""
    try:
        return (exercise.folder / name).read_bytes().decode("utf-8", "backslashreplace")
    except OSError:
        return ""


def _print(lines: list[str]) -> None:
    if not sys.stdout.isatty():
        print("\n".join(lines))
        return
    from rich.text import Text

    from grader.course.printing import page_code
    from grader.text import clean

    page_code(Text(clean(line, 10_000), _style(line)) for line in lines)


def _style(line: str) -> str:
    return "bold" if line.startswith(("+++", "---")) else STYLES.get(line[:1], "")
