"""The picture of exercise 1: the distances that are due, the submission's, and the difference, as heat maps.

What is due is worked out entry by entry, in Python's floats.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.patches import Rectangle

from grader.figures import style, values
from grader.figures.heat import heat_map, short
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture

SIZES = (4, 3)  # rows of a and of b
HEIGHTS = (5.0, 5.0, 4.0)  # of the three cases, to one another


@dataclass(frozen=True)
class Case:
    """Two sets of points, what is due, what came, and how far an entry may be off."""

    name: str
    due: list[list[float]]
    tolerance: list[list[float]]
    got: torch.Tensor | Failure

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.due), len(self.due[0])

    @property
    def comparable(self) -> bool:
        return not isinstance(self.got, Failure) and tuple(self.got.shape) == self.shape

    @property
    def off(self) -> list[tuple[int, int]]:
        """Where an entry is further from its value than it may be, or below 0."""
        got = self.table
        return [
            (row, column)
            for row, column in itertools.product(*map(range, self.shape))
            if not (abs(got[row][column] - self.due[row][column]) <= self.tolerance[row][column])
            or got[row][column] < 0
        ]

    @property
    def table(self) -> list[list[float]]:
        assert isinstance(self.got, torch.Tensor)
        return self.got.tolist()

    @property
    def difference(self) -> list[list[float]]:
        return [[g - d for g, d in zip(*rows, strict=True)] for rows in zip(self.table, self.due, strict=True)]


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Three cases: near the origin, far from it, and one row."""
    cases = [_case(submission, *each) for each in _inputs(rng)]
    drawing = style.new_figure(370)
    rows = drawing.subfigures(3, 1, height_ratios=HEIGHTS)
    for place, case in zip(rows, cases, strict=True):
        _draw(place, case)
    told = _told_together(cases)
    caption = "Row i, column j of each map is the squared distance of point i of a and point j of b; a frame marks an "
    caption += f"entry that is off. {told}"
    return to_picture(
        drawing,
        "figure-1",
        title="Squared distances: expected, yours, and the difference",
        caption=caption,
        description=f"Heat maps of three cases, each with the expected distances, yours, and the difference. {told}",
    )


def _inputs(rng: torch.Generator) -> list[tuple[str, torch.Tensor, torch.Tensor, float]]:
    """The cases: a name, the two sets, and how far an entry may be off, as a share of its value."""
    a, b = (torch.randint(-3, 4, (size, 2), generator=rng).float() for size in SIZES)
    far = [1000 + torch.randn(size, 8, generator=rng) for size in SIZES]
    few = torch.randn(3, 16, generator=rng)
    return [
        ("Near the origin, 2 features", a, b, 1e-4),
        ("Around 1000, 8 features", far[0], far[1], 1e-3),
        ("One point against three, one of them itself", few[1:2].clone(), few, 1e-3),
    ]


def _case(submission: Any, name: str, a: torch.Tensor, b: torch.Tensor, share: float) -> Case:
    due = [[sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) for y in b.tolist()] for x in a.tolist()]
    least = 1e-5 * max(map(max, due))
    tolerance = [[max(least, share * entry) for entry in row] for row in due]
    got = attempt(lambda: values.tensor(submission.pairwise_squared_distance(a, b), most=64))
    return Case(name, due, tolerance, got)


def _draw(place: SubFigure, case: Case) -> None:
    place.suptitle(case.name, x=0.01, ha="left", fontsize=style.TEXT, fontweight="bold")
    expected, yours, difference = place.subplots(1, 3)
    limits = (0.0, max(map(max, case.due)))
    heat_map(expected, case.due, limits=limits)
    expected.set_title("expected")
    yours.set_title("yours")
    difference.set_title("yours − expected")
    if isinstance(case.got, Failure):
        style.note(yours, "no value")
        style.note(difference, "")
        return
    if not 1 <= case.got.dim() <= 2 or case.got.numel() == 0:
        style.note(yours, f"shape {values.shape_text(case.got.shape)}")
    else:
        heat_map(yours, torch.atleast_2d(case.got).numpy(), limits=limits)
    if case.comparable:
        _draw_difference(difference, case)
    else:
        yours.set_title(f"yours: {values.shape_text(case.got.shape)}")
        style.note(difference, f"{values.shape_text(case.got.shape)} is not {values.shape_text(case.shape)}")


def _draw_difference(axes: Axes, case: Case) -> None:
    most = max([10 * max(map(max, case.tolerance)), *(abs(e) for row in case.difference for e in row if e == e)])
    heat_map(axes, case.difference, limits=(-most, most), difference=True)
    for row, column in case.off:
        frame = Rectangle((column + 0.05, row + 0.05), 0.9, 0.9, fill=False, edgecolor="#000000", linewidth=1.4)
        axes.add_patch(frame)


def _told_together(cases: list[Case]) -> str:
    """What is seen, said once where it is the same in all cases."""
    reasons = {case.got for case in cases if isinstance(case.got, Failure)}
    if len(reasons) == 1 and all(isinstance(case.got, Failure) for case in cases):
        return str(reasons.pop())
    return " ".join(_told(case) for case in cases)


def _told(case: Case) -> str:
    """What is seen in one case, in a sentence."""
    if isinstance(case.got, Failure):
        return f"{case.name}: {case.got.reason}."
    if not case.comparable:
        shapes = values.shape_text(case.got.shape), values.shape_text(case.shape)
        return f"{case.name}: yours has the shape {shapes[0]} where {shapes[1]} is due."
    entries = case.shape[0] * case.shape[1]
    if not case.off:
        most = max(abs(entry) for row in case.difference for entry in row)
        return f"{case.name}: all agree" + (f", to within {most:.0e}." if most else ".")
    row, column = max(case.off, key=lambda at: _size(case.difference[at[0]][at[1]]))
    due, got = case.due[row][column], case.table[row][column]
    below = ", below 0," if got < 0 else ""
    worst = f"{got:.5g}{below} instead of {due:.5g}"
    return f"{case.name}: {len(case.off)} of {entries} are off, most of all [{row}, {column}]: {worst}."


def _size(difference: float) -> float:
    return abs(difference) if difference == difference else float("inf")
