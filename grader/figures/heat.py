"""A matrix as a heat map with its numbers in it, so that colour is never the only thing to go by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm

from grader.figures.style import MUTED, SMALL

VALUES = "cividis"  # its lightness rises evenly, also for those who see two colours
DIFFERENCES = "PuOr"  # from orange through white to purple
NOTHING = "#d9d9d9"  # for NaN and what is out of range
MOST = 400  # cells; more are too many to draw, let alone to read


def short(value: float) -> str:
    """A number in at most five characters, as far as that goes."""
    if math.isnan(value):
        return "nan"
    size = abs(value)
    if size != 0 and (size >= 9_999.5 or size < 0.005):
        digits, _, exponent = f"{value:.0e}".partition("e")
        return f"{digits}e{int(exponent)}"
    if size >= 999.5 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


def heat_map(
    axes: Axes,
    values: Sequence[Sequence[float]] | np.ndarray,
    *,
    limits: tuple[float, float] | None = None,
    difference: bool = False,
    written: Callable[[float], str] | None = short,
    size: float = SMALL,
) -> None:
    """Draws `values` as cells, row 0 on top, with each number in its cell; `written=None` leaves the numbers out.

    `limits` are the values of the first and of the last colour. A `difference` is coloured around 0.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not 0 < table.size <= MOST:
        raise ValueError(f"a heat map has two axes and 1 to {MOST} cells, not {table.shape}")
    colours = mpl.colormaps[DIFFERENCES if difference else VALUES].with_extremes(bad=NOTHING)
    norm = _norm(table, limits, difference)
    rows, columns = table.shape
    axes.pcolormesh(np.ma.masked_invalid(table), cmap=colours, norm=norm, edgecolors="face", linewidth=0.4)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_xticks([column + 0.5 for column in range(columns)], [str(column) for column in range(columns)])
    axes.set_yticks([row + 0.5 for row in range(rows)], [str(row) for row in range(rows)])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set(visible=True, color=MUTED)
    if written is None:
        return
    for (row, column), value in np.ndenumerate(table):
        colour = _legible(colours, norm, float(value))
        place = (column + 0.5, row + 0.54)
        axes.text(*place, written(float(value)), ha="center", va="center", color=colour, fontsize=size)


def _norm(table: np.ndarray, limits: tuple[float, float] | None, difference: bool) -> Normalize:
    seen = table[np.isfinite(table)]
    low, high = limits or ((float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0))
    if difference:
        most = max(abs(low), abs(high)) or 1.0
        return TwoSlopeNorm(0.0, -most, most)
    return Normalize(low, high if high > low else low + 1.0)


def _legible(colours: Colormap, norm: Normalize, value: float) -> str:
    """Black or white, whichever stands out against the cell."""
    red, green, blue, _ = colours(np.ma.masked_invalid(norm(np.asarray([value]))))[0]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if light > 0.18 else "#ffffff"
