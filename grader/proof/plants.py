"""Planted submissions: the solution, the stub, and right and wrong answers, each with the verdict that is due.

They lie under `tests/hidden/SLUG/`. A plant's folder is its verdict (`accepted/`, `wrong_answer/` …), its file name is
the bug, and its line `# verdicts: a, b` admits several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from grader.catalog import Exercise
from grader.result import Verdict
from grader.stubs import stubs_of

ADMITTED = re.compile(r"^# verdicts: ([a-z_, ]+)$", re.MULTILINE)
OUTSIDE = {"__pycache__"}


@dataclass(frozen=True)
class Case:
    """A submission whose verdict is known beforehand."""

    name: str
    expected: frozenset[Verdict]
    files: dict[str, str]


def reference_files(exercise: Exercise) -> dict[str, str]:
    """The solution's files, name → text."""
    return {name: (exercise.solution / name).read_text("utf-8") for name in exercise.files}


def cases(exercise: Exercise) -> Iterator[Case]:
    """The solution, the stub, and every plant, in that order."""
    solution = reference_files(exercise)
    yield Case("solution", frozenset({Verdict.ACCEPTED}), solution)
    yield Case("stub", frozenset({Verdict.NOT_ATTEMPTED}), stubs_of(exercise))
    for verdict in Verdict:
        folder = exercise.hidden / verdict.value
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.name in OUTSIDE:
                continue
            # A file stands for the one file of an exercise; a folder lies over the reference's files.
            own = {each.name: each.read_text("utf-8") for each in path.glob("*.py")} if path.is_dir() else {}
            files = {**solution, **own} if path.is_dir() else {exercise.files[0]: path.read_text("utf-8")}
            admitted = ADMITTED.search("\n".join(own.values() if own else files.values()))
            words = admitted[1].split(",") if admitted else [verdict.value]
            yield Case(f"{verdict.value}/{path.stem}", frozenset(Verdict(word.strip()) for word in words), files)
