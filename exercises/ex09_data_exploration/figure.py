"""The picture of exercise 9: TODO what it shows, and which mistakes it makes visible."""

from __future__ import annotations

from typing import Any

import torch

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """TODO the submission's own result beside what is due."""
    x = torch.linspace(-1, 1, 9)[None]
    due = [2 * each for each in x[0].tolist()]  # worked out here, and not by the solution
    got = attempt(lambda: values.tensor(submission.data_exploration(x), (1, 9))[0].tolist())
    drawing = style.new_figure(220)
    axes = drawing.subplots()
    axes.plot(x[0].tolist(), due, color=style.EXPECTED, label="expected")
    if not isinstance(got, Failure):
        axes.plot(x[0].tolist(), got, "s", color=style.GOT, markerfacecolor="none", label="yours")
    axes.set(xlabel="x", ylabel="data_exploration(x)")
    axes.legend()
    told = str(got) if isinstance(got, Failure) else f"At x = 1 yours is {got[-1]:.3g}, and {due[-1]:.3g} is due."
    caption = f"TODO how to read it. {told}"
    return to_picture(drawing, "figure-9", title="Data exploration", caption=caption, description=told)
