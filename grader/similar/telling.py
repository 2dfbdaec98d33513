"""The pairs as a table, in lines. It says what is alike, and nothing of how it came about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from grader.similar.gather import Gathered
from grader.similar.pairs import Found, Pair
from grader.text import clean_line

MOST_FILES = 20  # files that are named at the end
MOST_NAMES = 10
MOST_PAIRS = 200  # of an exercise, for a person to read
NAME = 22  # columns for a student


def table(found: Iterable[Found]) -> Iterator[str]:
    """Each exercise with its pairs, and whom nothing can be said of."""
    nothing = True
    for each in found:
        nothing = False
        yield from (*_head(each), *map(_line, each.pairs[:MOST_PAIRS]), *_foot(each), "")
    if nothing:
        yield "There was nothing to compare."


def closing(gathered: Gathered, page: Path) -> Iterator[str]:
    """What belongs to no student or exercise, and where the page is."""
    if gathered.strays:
        yield f"{len(gathered.strays):,} files belong to no student or exercise:"
    for each in gathered.strays[:MOST_FILES]:
        yield f"  {clean_line(each.where, 120)}: {clean_line(each.why)}"
    if len(gathered.strays) > MOST_FILES:
        yield f"  and {len(gathered.strays) - MOST_FILES:,} more"
    yield f"Look at both: {page}"


def _head(found: Found) -> Iterator[str]:
    yield f"{found.exercise.slug}   {found.students:,} compared"
    if found.students > 2:
        usual, high = 100 * found.usual, 100 * found.high
        yield f"  usual here: {usual:.0f} % (median of all pairs); 95 of 100 pairs are below {high:.0f} %"
    if found.pairs:
        yield f"  {'left':{NAME}} {'right':{NAME}} {'of left':>7} {'of right':>8} {'tokens':>6}"
    elif found.students > 1:
        yield "  no pair is alike enough to be told"


def _line(pair: Pair) -> str:
    left, right = (f"{clean_line(each, NAME - 1):{NAME}}" for each in (pair.left, pair.right))
    shares = f"{100 * pair.share_left:>5.0f} % {100 * pair.share_right:>6.0f} % {pair.tokens:>6}"
    return f"  {left} {right} {shares}{'  both like the solution' if pair.like_solution else ''}"


def _foot(found: Found) -> Iterator[str]:
    if len(found.pairs) > MOST_PAIRS:
        yield f"  and {len(found.pairs) - MOST_PAIRS:,} more; a larger --least leaves the most alike"
    for why, students in found.reasons():
        names = ", ".join(clean_line(each, 40) for each in students[:MOST_NAMES])
        more = f" and {len(students) - MOST_NAMES:,} more" if len(students) > MOST_NAMES else ""
        yield f"  not compared, {clean_line(why)}: {names}{more}"
    if not found.students and found.left_out:
        yield "  nothing can be said of anyone here"
