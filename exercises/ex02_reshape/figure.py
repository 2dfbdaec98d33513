"""The picture of exercise 2: the shape of a batch after each layer of a small net, expected and got.

The shapes that are due are a table here. Three batches pass through: of five samples, of one, and of none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture

BATCHES = (5, 1, 0)
SAMPLE = (2, 6)
# A layer as it is written, and the shape of one sample after it; the last one does not fit, and None stands for that.
LAYERS = (
    ("Reshape(3, 4)", (3, 4)),
    ("Reshape((12,))", (12,)),
    ("Linear(12, 8)", (8,)),
    ("Reshape([2, 2, 2])", (2, 2, 2)),
    ("Conv2d(2, 6, 1)", (6, 2, 2)),
    ("Reshape(4, -1)", (4, 6)),
    ("Reshape(20)", None),
)
REFUSED = "ValueError"
# Points, from the upper left corner.
TOP, STEP, BOX = 44.0, 42.0, 30.0  # of the first box's middle; from one layer to the next; the height of a box
LEFT, ACROSS, WIDE = 164.0, 92.0, 84.0  # of the first box's middle; from one batch to the next; the width of a box
HEIGHT = TOP + STEP * len(LAYERS) + BOX / 2 + 4


def pass_through(sub, batches):
    """For each batch what comes out of each layer, up to the first error."""
    from torch import nn

    makers = [
        lambda: sub.Reshape(3, 4),
        lambda: sub.Reshape((12,)),
        lambda: nn.Linear(12, 8),
        lambda: sub.Reshape([2, 2, 2]),
        lambda: nn.Conv2d(2, 6, 1),
        lambda: sub.Reshape(4, -1),
        lambda: sub.Reshape(20),
    ]
    layers = []
    found = [[] for _ in batches]
    for make in makers:
        try:
            layers.append(make())
        except NotImplementedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is to be seen
            layers.append(error)
    for x, outputs in zip(batches, found, strict=True):
        for layer in layers:
            try:
                if isinstance(layer, Exception):
                    raise layer
                x = layer(x)
                outputs.append(x.detach())
            except NotImplementedError:
                raise
            except Exception as error:  # noqa: BLE001
                outputs.append(f"{type(error).__name__}: {error}")
                break
    return found


@dataclass(frozen=True)
class Cell:
    """One batch after one layer. Without a `shape` the layer raised; without `words` too it was not reached."""

    due: tuple[int, ...] | None
    shape: tuple[int, ...] | None = None
    words: str = ""

    @property
    def reached(self) -> bool:
        return self.shape is not None or self.words != ""

    @property
    def ok(self) -> bool:
        """Right, or at least not wrong."""
        if not self.reached:
            return True
        return self.error == REFUSED if self.due is None else not self.words and self.shape == self.due

    @property
    def error(self) -> str:
        """The type of what was raised."""
        return self.words.partition(":")[0] if self.shape is None else ""

    @property
    def wanted(self) -> str:
        return REFUSED if self.due is None else values.shape_text(self.due)

    @property
    def came(self) -> str:
        """What is due where something else came, in words."""
        if self.shape is None:
            return f"{self.words.rstrip('.')} where {self.wanted} is due"
        if self.shape == self.due:
            return f"{self.wanted} is right, but the numbers in it are others, or in another order"
        return f"{values.shape_text(self.shape)} where {self.wanted} is due"


def due_after(size: int) -> list[Cell]:
    """What is due for a batch of `size` samples, with nothing reached."""
    return [Cell(None if sample is None else (size, *sample)) for _, sample in LAYERS]


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """A diagram from top to bottom: a box for each layer and batch."""
    batches = [torch.randn(size, *SAMPLE, generator=rng) for size in BATCHES]
    call = "nn.Sequential with four Reshape layers, on batches of 5, 1 and 0 samples"
    got = attempt(lambda: _checked(submission.run(pass_through, batches, call=call), batches))
    columns = [due_after(size) for size in BATCHES] if isinstance(got, Failure) else got
    told = str(got) if isinstance(got, Failure) else _told(columns)
    drawing = style.new_figure(HEIGHT)
    drawing.set_layout_engine("none")
    _draw(drawing.add_axes((0, 0, 1, 1)), columns)
    caption = (
        f"Three batches of B samples go from top to bottom; a box holds the shape of a batch after that layer. {told}"
    )
    return to_picture(
        drawing,
        "figure-2",
        title="Shapes through the layers",
        caption=caption,
        description=f"A diagram of {len(LAYERS)} layers. {_listed(columns)} {told}",
    )


def _checked(answer: Any, batches: list[torch.Tensor]) -> list[list[Cell]]:
    """The cells of each batch, from what came out of the layers."""
    return [
        _column(values.items(outputs, most=len(LAYERS)), x)
        for outputs, x in zip(values.items(answer, len(BATCHES)), batches, strict=True)
    ]


def _column(outputs: list[Any], x: torch.Tensor) -> list[Cell]:
    due, column, before = due_after(len(x)), [], x.double()
    for cell, (name, _), output in zip(due, LAYERS, outputs, strict=False):
        if type(output) is str:
            column.append(Cell(cell.due, words=values.text(output, 120) or "an exception"))
            break
        after = values.tensor(output, most=1000)
        same = torch.equal(after.reshape(-1), before.reshape(-1))
        moved = name.startswith("Reshape") and tuple(after.shape) == cell.due and not same
        column.append(Cell(cell.due, tuple(after.shape), "other numbers" if moved else ""))
        before = after
    return column + due[len(column) :]


def _draw(axes: Axes, columns: list[list[Cell]]) -> None:
    axes.set(xlim=(0, style.WIDTH), ylim=(HEIGHT, 0))
    axes.axis("off")
    for number, (size, column) in enumerate(zip(BATCHES, columns, strict=True)):
        middle = LEFT + ACROSS * number
        axes.text(middle, 12, f"B = {size}", ha="center", va="center", fontweight="bold")
        _box(axes, middle, TOP, values.shape_text((size, *SAMPLE)), style.MUTED)
        first = next((place for place, cell in enumerate(column) if not cell.ok), len(column))
        for place, cell in enumerate(column):
            _draw_cell(axes, middle, place, cell, first)
    axes.text(4, TOP, "input", va="center", fontweight="bold")
    for place, (name, _) in enumerate(LAYERS):
        axes.text(4, TOP + STEP * (place + 1), name, va="center")


def _draw_cell(axes: Axes, middle: float, place: int, cell: Cell, first: int) -> None:
    y = TOP + STEP * (place + 1)
    axes.annotate(
        "", (middle, y - BOX / 2), (middle, y - STEP + BOX / 2), arrowprops={"arrowstyle": "->", "color": style.MUTED}
    )
    if cell.ok:
        _box(axes, middle, y, cell.wanted, style.BLUE if cell.reached else style.MUTED, dashed=not cell.reached)
        return
    name = cell.error[:13] if cell.shape is None else values.shape_text(cell.shape)
    below = "other numbers" if cell.shape == cell.due and cell.shape is not None else f"due {cell.wanted}"
    _box(axes, middle, y, f"✗ {name}\n{below}", style.VERMILLION, thick=place == first)


def _box(axes: Axes, x: float, y: float, text: str, colour: str, *, thick: bool = False, dashed: bool = False) -> None:
    shape = FancyBboxPatch(
        (x - WIDE / 2 + 3, y - BOX / 2 + 3),
        WIDE - 6,
        BOX - 6,
        boxstyle="round,pad=3",
        facecolor=style.PAPER,
        edgecolor=colour,
        linewidth=2.6 if thick else 1.1,
        linestyle=style.DASHES[1] if dashed else "-",
    )
    axes.add_patch(shape)
    ink = style.MUTED if dashed else style.INK
    axes.text(x, y, text, ha="center", va="center", fontsize=style.SMALL, color=ink, linespacing=1.15)


def _told(columns: list[list[Cell]]) -> str:
    """Which layer is the first that differs, and how, for the first two batches where one does."""
    said = []
    for size, column in zip(BATCHES, columns, strict=True):
        wrong = [f"{name} with B = {size}: {cell.came}" for (name, _), cell in _named(column) if not cell.ok]
        said += wrong[:1]
    if said:
        return f"A thick frame marks the first that differs in its column. {'. '.join(said[:2])}."
    return "All of yours are as they are due, and so are the numbers in them."


def _named(column: list[Cell]) -> Any:
    return zip(LAYERS, column, strict=True)


def _listed(columns: list[list[Cell]]) -> str:
    """The diagram in words."""
    said = []
    for size, column in zip(BATCHES, columns, strict=True):
        shapes = [f"after {name} {cell.wanted if cell.ok else cell.came}" for (name, _), cell in _named(column)]
        reached = sum(cell.reached for cell in column)
        shapes[reached:] = ["nothing further, where " + ", ".join(shapes[reached:]) + " are due"][
            : len(column) - reached
        ]
        said.append(f"A batch of {size}: {', '.join(shapes)}.")
    return " ".join(said)
