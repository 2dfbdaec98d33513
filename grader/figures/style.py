"""How figures look: colours that everybody can tell apart, in a light and in a dark page, at the width of a phone.

Text, axes and grid are drawn in marker colours that `grader.figures.svg` replaces by CSS: a page sets the variables of
`LIGHT` and `DARK`, and where none is set, text takes the colour of the text around the picture. Data are drawn in the
colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), and never told apart by colour alone.

A figure is WIDTH points wide and is shown at about that width, or narrower: so its parts stand below each other rather
than side by side, and no text is smaller than SMALL points.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

WIDTH = 400.0  # points: one unit of the SVG
TEXT = 11.0  # points
SMALL = 10.0  # points, of ticks and of numbers in cells
POINTS_PER_INCH = 72.0

# Stand-ins for colours that the page chooses; no picture draws anything else in them.
INK = "#010203"  # text, axes
MUTED = "#010204"  # what steps back: ticks, second lines
GRID = "#010205"
PAPER = "#010206"  # behind text that covers something, and inside boxes
# Of data. A page may set other shades of them for a dark theme.
BLUE = "#0072b2"  # expected, right
VERMILLION = "#d55e00"  # got, of the student
GREEN = "#009e73"
PURPLE = "#cc79a7"
ORANGE = "#e69f00"
SKY = "#56b4e9"
EXPECTED, GOT = BLUE, VERMILLION
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", (0, (5, 1.6)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))  # beside the colours, so that print is enough
MARKERS = ("o", "s", "^", "D", "v", "X")

# The colour in the picture, its CSS variable, and what holds where a page sets none.
VARIABLES = {
    INK: ("--figure-ink", "currentColor"),
    MUTED: ("--figure-muted", "currentColor"),
    GRID: ("--figure-grid", "#8c8c8c"),
    PAPER: ("--figure-paper", "transparent"),
    BLUE: ("--figure-blue", BLUE),
    VERMILLION: ("--figure-vermillion", VERMILLION),
    GREEN: ("--figure-green", GREEN),
    PURPLE: ("--figure-purple", PURPLE),
    ORANGE: ("--figure-orange", ORANGE),
    SKY: ("--figure-sky", SKY),
}
# What a page sets: at least 3 : 1 against the background for lines, 7 : 1 for text.
LIGHT = {
    "--figure-ink": "#1f2328",
    "--figure-muted": "#4d5560",
    "--figure-grid": "#d0d5db",
    "--figure-paper": "#ffffff",
    "--figure-blue": "#0072b2",
    "--figure-vermillion": "#d55e00",
    "--figure-green": "#008a65",
    "--figure-purple": "#b3598a",
    "--figure-orange": "#a86f00",
    "--figure-sky": "#2a86bd",
}
DARK = {
    "--figure-ink": "#e6edf3",
    "--figure-muted": "#b1bac4",
    "--figure-grid": "#3d444d",
    "--figure-paper": "#161b22",
    "--figure-blue": "#4da3e0",
    "--figure-vermillion": "#f08337",
    "--figure-green": "#2fbf93",
    "--figure-purple": "#df9bc3",
    "--figure-orange": "#e9b44c",
    "--figure-sky": "#8fd0f5",
}

SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched, copied
    "svg.hashsalt": "torch-dojo",  # the same picture has the same ids
    "text.parse_math": False,  # a text of a submission is no formula
    "text.usetex": False,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib; what a reader has instead is hardly ever wider
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
    "text.color": INK,
    "axes.titlecolor": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "lines.linewidth": 1.8,
    "lines.markersize": 5.0,
    "legend.frameon": False,
    "path.simplify": False,
    "figure.constrained_layout.use": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib with this style, and its own settings afterwards. What is drawn and saved inside looks alike."""
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever a reader's own matplotlibrc says
        mpl.rcParams.update(SETTINGS)  # type: ignore[arg-type]
        yield


def new_figure(height: float) -> Figure:
    """An empty figure, WIDTH × `height` points. Call it inside `styled`, as `draw` does for every `figure.py`."""
    return Figure(figsize=(WIDTH / POINTS_PER_INCH, height / POINTS_PER_INCH))


def plain_log(axis: Axis) -> None:
    """Writes the ticks of a logarithmic axis as plain numbers: matplotlib's own are formulas, and these are off."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def note(axes: Axes, text: str) -> None:
    """Words in the place of data, in an empty frame, folded to fit a third of the width."""
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    for spine in axes.spines.values():
        spine.set(visible=True, color=MUTED, linestyle=DASHES[2])
    folded = "\n".join(textwrap.wrap(text, 16)[:5])
    axes.text(0.5, 0.5, folded, ha="center", va="center", fontsize=SMALL, color=INK)


def grid(axes: Axes, which: str = "both") -> None:
    """Lines behind the data: "x", "y" or "both"."""
    axes.grid(True, axis=which)  # type: ignore[arg-type]
