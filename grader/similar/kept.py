"""The pairs as data beside the page, for the instructor's pages: who, in what, how much, and where it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import UsageError

if TYPE_CHECKING:  # whoever reads pairs needs no copydetect
    from grader.similar.pairs import Found

PAGE = Path("reports", "similar.html")  # of a course, where nobody names another
MOST_SHOWN = 50  # of an exercise; a page is for looking
KINDS = (str, str, str, float, float, bool, str)  # of the fields of a pair


@dataclass(frozen=True)
class Kept:
    """One pair. `anchor` is its place on the page, "" where it is beyond the most that are shown there."""

    exercise: str  # its slug
    left: str
    right: str
    share_left: float
    share_right: float
    like_solution: bool
    anchor: str


def anchor(exercise: int, pair: int) -> str:
    """Of the page's n-th pair in its n-th exercise, both from 1."""
    return f"p{exercise}-{pair}"


def kept(found: Iterable[Found]) -> str:
    """All pairs as JSON."""
    pairs = [
        Kept(
            exercise=pair.exercise,
            left=pair.left,
            right=pair.right,
            share_left=round(pair.share_left, 4),
            share_right=round(pair.share_right, 4),
            like_solution=pair.like_solution,
            anchor=anchor(index, place) if place <= MOST_SHOWN else "",
        )
        for index, each in enumerate(found, start=1)
        for place, pair in enumerate(each.pairs, start=1)
    ]
    return json.dumps({"pairs": [asdict(pair) for pair in pairs]}, indent=1, ensure_ascii=False) + "\n"


def beside(page: Path) -> Path:
    """Where the data of a page is."""
    return page.with_suffix(".json")


def read_kept(page: Path) -> list[Kept]:
    """What `dojo similar` kept with the page. Raises UsageError where that is missing, or something else."""
    path = beside(page)
    try:
        if not page.is_file():
            raise FileNotFoundError(page)
        pairs = [Kept(**each) for each in json.loads(path.read_text("utf-8"))["pairs"]]
        if any(
            type(value) is not kind for each in pairs for value, kind in zip(vars(each).values(), KINDS, strict=True)
        ):
            raise TypeError("a value of another type")
    except OSError:
        raise UsageError(f"there are not both '{page}' and '{path}': run `dojo similar` first") from None
    except (ValueError, TypeError, LookupError):
        raise UsageError(f"'{path}' is not what `dojo similar` writes: run it again") from None
    return pairs
