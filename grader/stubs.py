"""Derives a student's stubs from the solutions.

# BEGIN SOLUTION task 2: one optimisation step        raise NotImplementedError("task 2: one optimisation step")
...                                             →
# END SOLUTION
"""

from __future__ import annotations

import json
import re

from grader.catalog import Exercise
from grader.errors import JudgeError, UsageError
from grader.result import write_atomically

BEGIN = re.compile(r"^(\s*)# BEGIN SOLUTION (task \d+: .+?)\s*$")
END = re.compile(r"^\s*# END SOLUTION\s*$")


def derive(source: str, name: str) -> str:
    """The stub of a solution. Raises JudgeError, with the line, for a region that is not closed or not opened."""
    lines: list[str] = []
    opened = 0
    for number, line in enumerate(source.splitlines(), start=1):
        begin = BEGIN.match(line)
        if begin and not opened:
            opened = number
            lines.append(f"{begin[1]}raise NotImplementedError({json.dumps(begin[2], ensure_ascii=False)})")
        elif END.match(line) and opened:
            opened = 0
        elif begin or END.match(line) or "BEGIN SOLUTION" in line:
            raise JudgeError(f"'{name}', line {number}: a solution region is nested, not open, or lacks its task")
        elif not opened:
            lines.append(line)
    if opened:
        raise JudgeError(f"'{name}', line {opened}: the solution region is not closed")
    return "\n".join(lines) + "\n"


def stubs_of(exercise: Exercise) -> dict[str, str]:
    """What each file of an exercise is to hold before the student begins."""
    return {name: derive((exercise.solution / name).read_text("utf-8"), name) for name in exercise.files}


def solution_of(exercise: Exercise) -> dict[str, str]:
    """The solution as a person reads it, without our marks. Raises UsageError where it is not there."""
    if exercise.number is None:
        raise UsageError(f"the {exercise.title!r} has no solution but the one that you write in '{exercise.slug}/'")
    try:
        texts = {name: (exercise.solution / name).read_text("utf-8") for name in exercise.files}
    except (OSError, UnicodeDecodeError):
        where = exercise.solution.relative_to(exercise.root)
        raise UsageError(
            f"there is no solution of exercise {exercise.key} here: '{where}' is kept by the staff"
        ) from None
    return {name: _without_marks(text) for name, text in texts.items()}


def _without_marks(source: str) -> str:
    return "".join(line for line in source.splitlines(True) if not BEGIN.match(line) and not END.match(line))


def drifted(exercise: Exercise) -> list[str]:
    """The stubs that are not what their solution makes them. The final project's stub is made when it is handed out."""
    if exercise.number is None:
        return []
    return [
        name
        for name, text in stubs_of(exercise).items()
        if not (exercise.folder / name).is_file() or (exercise.folder / name).read_text("utf-8") != text
    ]


def rewrite(exercise: Exercise) -> list[str]:
    """Writes the stubs that drifted; returns their names."""
    names = drifted(exercise)
    for name in names:
        write_atomically(exercise.folder / name, stubs_of(exercise)[name])
    return names
