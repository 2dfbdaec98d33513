"""`python -m grader.similar.measure`: how often copies are missed, and independent answers told.

Independent answers: the solution and the accepted plants of an exercise, written apart, each in its own way. Copies:
the same, disguised by machine. The result goes to docs/results/similar.json; docs/similar.md says what follows from it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from grader.catalog import Exercise
from grader.commands.options import course
from grader.errors import DojoError
from grader.proof.plants import cases
from grader.proof.records import write_record
from grader.result import Verdict
from grader.similar.disguise import Disguise, disguised, half_of
from grader.similar.gather import work_of
from grader.similar.pairs import Rule, find_similar

RECORD = "similar.json"
SEEDS = 5
GRAMS = (6, 8, 10, 12, 14, 16, 20)
HALF = "half"
REFERENCE = "solution"
Shares = dict[frozenset[str], float]  # the larger share of two answers, where both are long enough


@dataclass(frozen=True)
class Copy:
    """A disguised copy, and which answer it is of."""

    original: str
    how: str
    text: str


def main() -> int:
    """Measures, prints a line for each exercise, and records."""
    try:
        catalog = course()
        # The final project's accepted plants are the reference with other files laid over it: independent of nothing.
        rows = [row(each) for each in catalog.exercises if each.number is not None]
        path = write_record(catalog.root, RECORD, {"rule": asdict(Rule()), "seeds": SEEDS, "exercises": rows})
    except DojoError as error:
        print(f"dojo: {error}", file=sys.stderr)
        return error.exit_code
    for each in rows:
        print(*(f"{key}={value}" for key, value in each.items() if key != "grams"), sep="  ")
    print(path)
    return 0


def row(exercise: Exercise) -> dict[str, Any]:
    """One exercise: what is told and missed under the rule, and how far the two kinds lie apart for other grams."""
    originals = _originals(exercise, (Verdict.ACCEPTED,))
    copies = _copies(originals)
    shares = _shares(exercise, originals, copies, Rule())
    return {
        "exercise": exercise.key,
        "answers": len(originals),
        "long_enough": len({name for pair in shares for name in pair} & set(originals)),
        "independent": _told(originals, shares),
        "independent_of_any_length": _told(originals, _shares(exercise, originals, {}, Rule(least_tokens=0))),
        **{how: _missed(copies, shares, how) for how in (*Disguise, HALF)},
        "mistakes": _mistakes(exercise, originals[REFERENCE]),
        "grams": [
            _apart(gram, originals, copies, _shares(exercise, originals, copies, Rule(gram, 0, 0))) for gram in GRAMS
        ],
    }


def _originals(exercise: Exercise, verdicts: Iterable[Verdict]) -> dict[str, str]:
    due = set(verdicts)
    return {each.name: "\n".join(each.files.values()) for each in cases(exercise) if each.expected == due}


def _copies(originals: Mapping[str, str]) -> dict[str, Copy]:
    copies = [
        Copy(name, how, disguised(text, how, seed))
        for name, text in originals.items()
        for how in Disguise
        for seed in range(SEEDS)
    ]
    for (name, text), (_, other) in itertools.permutations(originals.items(), 2):
        if mixed := half_of(text, other, seed=len(copies)):
            copies.append(Copy(name, HALF, mixed))
    return {f"copy {number}": each for number, each in enumerate(copies)}


def _shares(exercise: Exercise, originals: Mapping[str, str], copies: Mapping[str, Copy], rule: Rule) -> Shares:
    """Of all pairs of a class in which all of them have handed in."""
    texts = {**originals, **{name: each.text for name, each in copies.items()}}
    works = [work_of(name, {exercise.files[0]: text}) for name, text in texts.items()]
    found = find_similar(exercise, works, replace(rule, least_share=0.0))
    return {frozenset((pair.left, pair.right)): pair.share for pair in found.pairs}


def _independent(originals: Mapping[str, str], shares: Shares) -> list[float]:
    pairs = map(frozenset, itertools.combinations(originals, 2))
    return [shares[pair] for pair in pairs if pair in shares]


def _told(originals: Mapping[str, str], shares: Shares) -> dict[str, int]:
    return _counted("told", [share >= Rule().least_share for share in _independent(originals, shares)])


def _of_copies(copies: Mapping[str, Copy], shares: Shares, how: str) -> list[float]:
    pairs = [frozenset((name, each.original)) for name, each in copies.items() if each.how == how]
    return [shares[pair] for pair in pairs if pair in shares]


def _missed(copies: Mapping[str, Copy], shares: Shares, how: str) -> dict[str, int]:
    return _counted("missed", [share < Rule().least_share for share in _of_copies(copies, shares, how)])


def _counted(what: str, wrong: Sequence[bool]) -> dict[str, int]:
    return {"n": len(wrong), what: sum(wrong)}


def _mistakes(exercise: Exercise, solution: str) -> dict[str, int]:
    """Planted mistakes beside the solution that most of them were made from: how many are told as alike to it."""
    planted = _originals(exercise, (Verdict.WRONG_ANSWER,)) | {REFERENCE: solution}
    shares = _shares(exercise, planted, {}, Rule())
    pairs = [share for pair, share in shares.items() if REFERENCE in pair]
    return _counted("told", [share >= Rule().least_share for share in pairs])


def _apart(gram: int, originals: Mapping[str, str], copies: Mapping[str, Copy], shares: Shares) -> dict[str, float]:
    """The most alike of the independent pairs, and the least alike of the copies. Nothing is too short here."""
    lowest = {how.value: round(min(_of_copies(copies, shares, how)), 3) for how in Disguise}
    return {"gram": gram, "independent_highest": round(max(_independent(originals, shares)), 3), **lowest}


if __name__ == "__main__":
    raise SystemExit(main())
