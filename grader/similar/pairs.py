"""The pairs of an exercise that are worth a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grader.catalog import Exercise
from grader.similar.overlaps import overlaps
from grader.similar.prints import GRAM, Printed, given_to, printed

Shares = NDArray[np.float64]

MOST_TOKENS = 20_000  # no answer is so long; a made one would cost minutes
MOST_CHARACTERS = 200_000


@dataclass(frozen=True)
class Rule:
    """What counts as alike. The defaults are chosen from figures: docs/similar.md, docs/results/similar.json."""

    gram: int = GRAM
    least_share: float = 0.55  # of the larger share of a pair, from which on it is told
    least_tokens: int = 230  # of one's own; right answers that are shorter are alike by nature


@dataclass(frozen=True)
class Work:
    """What one student has handed in for one exercise, as text."""

    student: str
    text: str
    files: tuple[tuple[str, int], ...]  # names, and how many lines of the text are of each

    def file_of_lines(self) -> Iterator[tuple[str, int]]:
        """For each line its file, and its number there."""
        return ((name, number) for name, lines in self.files for number in range(1, lines + 1))


@dataclass(frozen=True)
class Pair:
    """Two students whose answers are alike. A share is of the tokens that are one's own, found in the other's."""

    exercise: str  # its slug
    left: str
    right: str
    share_left: float
    share_right: float
    tokens: int
    solution_left: float  # the share that is found in the reference solution; 0.0 where there is none here
    solution_right: float
    versions: tuple[int, int]  # which of `Found.works` they are
    least: float

    @property
    def share(self) -> float:
        return max(self.share_left, self.share_right)

    @property
    def like_solution(self) -> bool:
        """Both are like the reference solution, which says nothing of the two students."""
        return min(self.solution_left, self.solution_right) >= self.least


@dataclass(frozen=True)
class Found:
    """What was found among the answers to one exercise."""

    exercise: Exercise
    works: list[Work]  # those that were compared
    pairs: list[Pair]  # the most alike first, those like the solution at the end
    left_out: dict[str, str]  # students, and why nothing can be said
    usual: float  # the larger share of a pair in the middle of all pairs
    high: float  # 95 of 100 pairs are below
    prints: list[Printed] = field(repr=False)  # of each of `works`

    @property
    def students(self) -> int:
        """How many were compared."""
        return len({work.student for work in self.works})

    def reasons(self) -> list[tuple[str, list[str]]]:
        """Why nothing can be said, and of whom."""
        found: dict[str, list[str]] = {}
        for student, why in sorted(self.left_out.items()):
            found.setdefault(why, []).append(student)
        return sorted(found.items())


def find_similar(exercise: Exercise, works: Sequence[Work], rule: Rule = Rule()) -> Found:
    """Compares all answers to an exercise with each other, those of one student excepted."""
    given = given_to(exercise, rule.gram)
    left_out: dict[str, str] = {}
    kept: list[tuple[Work, Printed]] = []
    for work in works:
        made = printed(work.text, given, rule.gram) if len(work.text) <= MOST_CHARACTERS else None
        if why := _why_not(made, rule.least_tokens):
            left_out.setdefault(work.student, why)
        elif made:
            kept.append((work, made))
    for work, _ in kept:
        left_out.pop(work.student, None)  # another version of it can be compared
    return _compared(exercise, kept, left_out, rule, _solution(exercise, given, rule.gram))


def _why_not(made: Printed | None, least: int) -> str:
    if made is None or len(made.row.symbols) > MOST_TOKENS:
        return "too long to compare"
    few = made.tokens < least
    return f"too short to say anything: fewer than {least} tokens of its own" if few else ""


def _solution(exercise: Exercise, given: frozenset[int], gram: int) -> Printed | None:
    """Our marks in it are comments, which are no tokens."""
    paths = [exercise.solution / name for name in exercise.files]
    if not all(path.is_file() for path in paths):
        return None
    return printed("\n".join(path.read_text("utf-8") for path in paths), given, gram)


def _compared(
    exercise: Exercise,
    kept: Sequence[tuple[Work, Printed]],
    left_out: dict[str, str],
    rule: Rule,
    solution: Printed | None,
) -> Found:
    prints = [made for _, made in kept]
    shares = _shares([*prints, *([solution] if solution else [])])
    of_solution = shares[: len(kept), -1] if solution else np.zeros(len(kept))
    students = [work.student for work, _ in kept]
    best, larger = _best(students, shares[: len(kept), : len(kept)])
    pairs = [
        Pair(
            exercise.slug,
            students[one],
            students[other],
            float(shares[one, other]),
            float(shares[other, one]),
            round(max(shares[one, other] * prints[one].tokens, shares[other, one] * prints[other].tokens)),
            float(of_solution[one]),
            float(of_solution[other]),
            (one, other),
            rule.least_share,
        )
        for one, other in best
        if max(shares[one, other], shares[other, one]) >= rule.least_share
    ]
    pairs.sort(key=lambda each: (each.like_solution, -each.share, -each.tokens, each.left, each.right))
    usual, high = np.quantile(larger, (0.5, 0.95)) if larger.size else (0.0, 0.0)
    return Found(exercise, [work for work, _ in kept], pairs, left_out, float(usual), float(high), prints)


def _shares(prints: Sequence[Printed]) -> Shares:
    """[n, n]: which share of one (row) is found in another (column)."""
    own = np.array([[max(1, each.tokens)] for each in prints], dtype=np.float64).reshape(len(prints), 1)
    return overlaps(prints) / own


def _best(students: Sequence[str], shares: Shares) -> tuple[list[tuple[int, int]], Shares]:
    """For each two students those versions that are most alike, as two rows; and the larger shares of these pairs."""
    names = {name: number for number, name in enumerate(sorted(set(students)))}
    who = np.array([names[each] for each in students], dtype=np.int64)
    rows, columns = np.nonzero(who[:, None] < who[None, :])
    larger = np.maximum(shares[rows, columns], shares[columns, rows])
    order = np.lexsort((-larger, who[columns], who[rows]))
    both = who[rows] * len(names) + who[columns]
    _, first = np.unique(both[order], return_index=True)
    chosen = order[first]
    return list(zip(rows[chosen].tolist(), columns[chosen].tolist(), strict=True)), larger[chosen]
