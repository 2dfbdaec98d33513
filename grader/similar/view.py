"""What the page shows of a pair, as plain data: the lines of both files, in pieces that are alike or not."""

from __future__ import annotations

import itertools
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grader.page.source import MAX_LINES, MAX_WIDTH
from grader.similar.kept import MOST_SHOWN
from grader.similar.pairs import Found, Pair, Work
from grader.similar.prints import Printed
from grader.text import clean_line

Span = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """Text of one line. `passage` numbers what is alike from 1; 0 is what is not. `first`: a passage begins here."""

    text: str
    passage: int
    first: bool = False


@dataclass(frozen=True)
class Line:
    """A line with its number within its file; `file` names a file that begins here."""

    number: int
    pieces: list[Piece]
    file: str = ""


@dataclass(frozen=True)
class Side:
    """One student's files."""

    student: str
    share: str
    solution: str
    lines: list[Line]
    passages: list[int]  # for each passage, the one of the other side with which it shares most
    left_out: int


@dataclass(frozen=True)
class PairView:
    """A pair with both sides."""

    pair: Pair
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class Section:
    """An exercise."""

    found: Found
    shown: list[PairView]


def section(found: Found) -> Section:
    """The pairs of an exercise, the most alike first."""
    return Section(found, [pair_view(found, pair) for pair in found.pairs[:MOST_SHOWN]])


def pair_view(found: Found, pair: Pair) -> PairView:
    """Both files of a pair, with copydetect's passages."""
    from copydetect import compare_files

    left, right = (found.prints[each] for each in pair.versions)
    slices = compare_files(left.grams, right.grams)[2]
    spans = [[(int(start), int(end)) for start, end in each.T] for each in slices]
    links = [_links(left, right, spans[0], spans[1]), _links(right, left, spans[1], spans[0])]
    students, shares = (pair.left, pair.right), (pair.share_left, pair.share_right)
    alike = (pair.solution_left, pair.solution_right)
    one, other = (
        _side(found.works[pair.versions[n]], students[n], shares[n], alike[n], _places(made, spans[n]), links[n])
        for n, made in enumerate((left, right))
    )
    return PairView(pair, (one, other))


def _links(own: Printed, other: Printed, spans: Sequence[Span], others: Sequence[Span]) -> list[int]:
    """For each passage the number of the other side's with which it shares most."""
    own_ends, ends = ([end for _, end in each] for each in (spans, others))
    votes = [Counter[int]() for _ in spans]
    for hash_, start in own.positions:
        for there in other.grams.hash_idx.get(hash_, ()):
            votes[bisect(own_ends, start)][bisect(ends, there) + 1] += 1
    return [each.most_common(1)[0][0] for each in votes]


def _places(made: Printed, spans: Sequence[Span]) -> list[Span]:
    """From tokens to characters."""
    places = made.row.places
    return [(places[start][0], places[min(end, len(places)) - 1][1]) for start, end in spans]


def _side(work: Work, student: str, share: float, solution: float, places: list[Span], links: list[int]) -> Side:
    lines = _lines(work, places)
    return Side(
        clean_line(student, 80),
        f"{100 * share:.0f} %",
        f"{100 * solution:.0f} %",
        lines[:MAX_LINES],
        links,
        len(lines[MAX_LINES:]),
    )


def _lines(work: Work, places: Sequence[Span]) -> list[Line]:
    marks = np.zeros(len(work.text), dtype=np.int64)
    for number, (start, end) in enumerate(places, start=1):
        marks[start:end] = number
    begins = {start for start, _ in places}
    lines: list[Line] = []
    offset, texts = 0, work.text.split("\n")[:-1]
    for name, number in work.file_of_lines():
        text = texts[len(lines)]
        lines.append(Line(number, _pieces(text[:MAX_WIDTH], offset, marks, begins), name if number == 1 else ""))
        offset += len(text) + 1
    return lines


def _pieces(text: str, offset: int, marks: np.ndarray[tuple[int], np.dtype[np.int64]], begins: set[int]) -> list[Piece]:
    """Indentation is no part of a passage."""
    indent = len(text) - len(text.lstrip())
    pieces = [Piece(text[:indent], 0)] if indent else []
    inside = marks[offset + indent : offset + len(text)]
    cuts = [0, *(np.flatnonzero(np.diff(inside)) + 1).tolist(), len(inside)]
    for start, end in itertools.pairwise(cuts):
        if start < end:
            place = indent + start
            piece = text[place : indent + end]
            pieces.append(Piece(piece, int(inside[start]), offset + place in begins))
    return pieces
