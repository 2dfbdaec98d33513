"""A class for the bench: submissions of known verdicts, drawn with a seed, no two of them alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.catalog import Exercise
from grader.proof.plants import Case, cases
from grader.result import Verdict

RIGHT = ("solution", f"{Verdict.ACCEPTED}/")
WRONG = (f"{Verdict.WRONG_ANSWER}/",)


@dataclass(frozen=True)
class Sheet:
    """What one student has handed in, and the verdicts that are right for it."""

    student: str
    exercise: Exercise
    expected: frozenset[Verdict]
    text: str

    def write(self, folder: Path) -> Path:
        """Puts it where `dojo cohort` looks for it; returns the path."""
        path = folder / self.student / self.exercise.slug / self.exercise.files[0]
        path.parent.mkdir(parents=True)
        path.write_text(self.text, "utf-8")
        return path


def draw(exercises: Sequence[Exercise], count: int, seed: int, distinct: int | None = None) -> list[Sheet]:
    """`count` sheets, of each exercise as many; half of them are right answers.

    Where `distinct` is less than `count` the first so many are drawn, and come again for other students: so two classes
    of unlike size are alike in what they ask of a grader. Each sheet names its student in a comment, or it would be
    known already.
    """
    chance = random.Random(seed)
    pools = {each.slug: (_plants(each, RIGHT), _plants(each, WRONG)) for each in exercises}
    drawn: list[tuple[Exercise, Case]] = []
    for number in range(min(count, distinct or count)):
        exercise = exercises[number % len(exercises)]
        drawn.append((exercise, chance.choice(chance.choice(pools[exercise.slug]))))
    return [_sheet(f"student{number:05}", *drawn[number % len(drawn)]) for number in range(count)]


def _plants(exercise: Exercise, names: tuple[str, ...]) -> list[Case]:
    """Without those that may run into the time limit: they would measure the limit."""
    chosen = (case for case in cases(exercise) if case.name.startswith(names))
    return [case for case in chosen if Verdict.TIME_LIMIT not in case.expected]


def _sheet(student: str, exercise: Exercise, case: Case) -> Sheet:
    text = case.files[exercise.files[0]]
    return Sheet(student, exercise, case.expected, f"{text.rstrip()}\n\n# {student}\n")
