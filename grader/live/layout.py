"""Blocks of lines, fitted into the room that there is: what weighs least goes first, and long texts are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.segment import Segment

Line = list[Segment]
LEAST = 2  # lines of a text that are left before another one is dropped


@dataclass(frozen=True)
class Block:
    """A part of the body. The lowest weight goes first where there is no room, and no part below its `least` lines."""

    lines: list[Line]
    weight: int
    least: int = LEAST


def trimmed(line: Line) -> Line:
    """A line without the spaces that fill it."""
    line = list(line)
    while line and not line[-1].text.strip():
        line.pop()
    if line:
        line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
    return line


def cut(lines: list[Line], count: int, width: int) -> list[Line]:
    """The first `count` lines; an ellipsis where something was left out."""
    if len(lines) <= count or count <= 0:
        return lines[: max(0, count)]
    last = Segment.adjust_line_length(lines[count - 1], max(0, width - 2), pad=False)
    return [*lines[: count - 1], [*last, Segment(" …" if width > 2 else "")]]


def fit(blocks: Sequence[Block], height: int, width: int) -> list[Line]:
    """At most `height` lines: gaps go first, then long texts are cut, then the parts of least weight are left out."""
    kept = list(blocks)
    while kept and sum(min(len(each.lines), each.least) for each in kept) > height:
        least = min(range(len(kept)), key=lambda place: kept[place].weight)
        if len(kept) == 1:
            kept[0] = replace(kept[0], least=height)
            break
        del kept[least]
    if sum(len(each.lines) for each in kept) > height:
        kept = [each for each in kept if each.weight]
    sizes = [min(len(each.lines), each.least) for each in kept]
    order = sorted(range(len(kept)), key=lambda place: -kept[place].weight)
    for _ in range(height):  # a line each in turn: one long text does not starve the others
        for place in order:
            if sizes[place] < len(kept[place].lines) and sum(sizes) < height:
                sizes[place] += 1
    return [line for each, size in zip(kept, sizes, strict=True) for line in cut(each.lines, size, width)]
