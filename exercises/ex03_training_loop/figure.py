"""The picture of exercise 3: loss and gradient of a run, right and with one call forgotten, and the submission's.

The problem is a parabola over two weights, so that each run is a short sum in Python's floats, without autograd and
without an optimiser.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture

STEPS = 20
LR = 0.06  # well below 2 over the larger curvature
CURVATURE = (2.0, 8.0)  # of the loss, along each weight
START = (2.0, -1.0)  # away from the optimum
CLOSE = 1e-4  # of float32, over STEPS steps
RUNS = ("right", "zero_grad", "backward", "step")
NAMES = {
    "right": "as it is due",
    "zero_grad": "without zero_grad",
    "backward": "without backward",
    "step": "without step",
}
COLOURS = dict(zip(RUNS, (style.BLUE, style.PURPLE, style.GREEN, style.ORANGE), strict=True))
LINES = dict(zip(RUNS, style.DASHES, strict=True))


def run_steps(sub, inputs, targets, start, lr, steps):
    """What each call of train_step returned, and the weights before it and the gradients after it."""
    import torch
    from torch import nn

    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(start)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    returned, weights, gradients = [], [], []
    for _ in range(steps):
        weights.append(model.weight.detach().clone())
        returned.append(sub.train_step(model, inputs, targets, nn.functional.mse_loss, optimizer))
        gradient = model.weight.grad
        gradients.append(torch.zeros(1, 2) if gradient is None else gradient.detach().clone())
    return {"returned": returned, "weights": torch.cat(weights), "gradients": torch.cat(gradients)}


@dataclass(frozen=True)
class Run:
    """Step by step: the loss before it, and the norm of `.grad` after it. NaN where a number is out of range."""

    losses: list[float]
    norms: list[float]
    returned: list[float] | None = None  # by the submission's train_step; None where these are no floats

    def like(self, other: Run) -> bool:
        """The same curves."""
        return _like(self.losses, other.losses) and _like(self.norms, other.norms)


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Two panels: loss and gradient, over the steps."""
    optimum = torch.randn(2, generator=rng)
    runs = {name: _judged(name) for name in RUNS}
    yours = attempt(lambda: _yours(submission, optimum))
    drawing = style.new_figure(390)
    loss, norm = drawing.subplots(2, 1, sharex=True)
    _draw(loss, {name: run.losses for name, run in runs.items()}, yours, lambda run: run.losses)
    _draw(norm, {name: run.norms for name, run in runs.items()}, yours, lambda run: run.norms)
    if isinstance(yours, Run) and yours.returned is not None and not _like(yours.returned, yours.losses):
        loss.plot(yours.returned, "x", color=style.INK, label="returned by train_step")
    loss.set_title("mean squared error before the step")
    norm.set_title("norm of .grad after the step")
    norm.set_xlabel("step")
    norm.set_xticks(range(0, STEPS + 1, 5))
    drawing.legend(*loss.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    told = str(yours) if isinstance(yours, Failure) else _told(yours, runs)
    caption = (
        f"{STEPS} steps of SGD on a small problem: as they are due, with each of the three calls left out, and yours. "
        f"The loss alone does not tell all of them apart. {told}"
    )
    return to_picture(
        drawing,
        "figure-3",
        title="A run, and what it looks like when a call is forgotten",
        caption=caption,
        description=_described(runs, yours) + " " + told,
    )


def _judged(forgotten: str) -> Run:
    """A run from START, with one call forgotten. Distances from the optimum are all that counts."""
    away, held, losses, norms = list(START), [0.0, 0.0], [], []
    for _ in range(STEPS):
        losses.append(sum(c * x * x / 2 for c, x in zip(CURVATURE, away, strict=True)))
        slopes = [0.0 if forgotten == "backward" else c * x for c, x in zip(CURVATURE, away, strict=True)]
        held = [s + (h if forgotten == "zero_grad" else 0.0) for s, h in zip(slopes, held, strict=True)]
        norms.append(math.hypot(*held))
        away = [x - (0.0 if forgotten == "step" else LR * h) for x, h in zip(away, held, strict=True)]
    return Run(losses, norms)


def _yours(submission: Any, optimum: torch.Tensor) -> Run:
    # Two samples, one along each weight: the mean of their squared errors is the parabola.
    inputs = torch.diag(torch.tensor(CURVATURE)).sqrt()
    start = (optimum + torch.tensor(START))[None]
    call = f"train_step(model, inputs, targets, mse_loss, SGD(model.parameters(), lr={LR})), {STEPS} times"
    got = submission.run(run_steps, inputs, (inputs @ optimum)[:, None], start, LR, STEPS, call=call)
    weights = values.tensor(values.entry(got, "weights"), (STEPS, 2))
    gradients = values.tensor(values.entry(got, "gradients"), (STEPS, 2))
    away = weights - optimum
    losses = (away.square() * torch.tensor(CURVATURE) / 2).sum(1)
    returned = values.items(values.entry(got, "returned"), STEPS)
    plain = [values.number(each) for each in returned] if all(type(each) is float for each in returned) else None
    return Run(losses.tolist(), gradients.norm(dim=1).tolist(), plain)


def _like(one: list[float], other: list[float]) -> bool:
    return all(abs(a - b) <= CLOSE * (1 + abs(b)) for a, b in zip(one, other, strict=True))


def _draw(axes: Axes, due: dict[str, list[float]], yours: Run | Failure, part: Callable[[Run], list[float]]) -> None:
    for name, series in due.items():
        axes.plot(series, color=COLOURS[name], linestyle=LINES[name], label=NAMES[name])
    highest = max(max(series) for series in due.values())
    if isinstance(yours, Run):
        axes.plot(part(yours), "s", color=style.VERMILLION, markerfacecolor="none", label="yours")
    axes.set_ylim(-0.08 * highest, 1.15 * highest)
    style.grid(axes, "y")


def _told(yours: Run, runs: dict[str, Run]) -> str:
    """Which run the submission's is like, and what else is to be seen of it."""
    right, due = runs["right"], runs["right"].losses[-1]
    same = next((name for name in RUNS if yours.like(runs[name])), "")
    ends = f"the loss goes from {yours.losses[0]:.3g} to {yours.losses[-1]:.3g}"
    if same == "right":
        said = f"Your steps are right: {ends}."
    elif same:
        said = f"Yours looks like the run {NAMES[same]}: {ends}, where {due:.2g} is due."
    elif _like(yours.losses, right.losses):
        said = f"Your loss falls as it is due, but the gradient that stays in .grad has the norm {yours.norms[-1]:.3g} "
        said += f"at the end, where {right.norms[-1]:.3g} is due."
    else:
        said = f"Yours looks like none of these: {ends}, where {due:.2g} is due."
    return said + _told_of_returned(yours)


def _told_of_returned(yours: Run) -> str:
    if yours.returned is None:
        return " Not all that train_step returned are floats; the loss here is worked out from the weights."
    if not _like(yours.returned, yours.losses):
        return f" The first call returned {yours.returned[0]:.4g}, and the loss before it was {yours.losses[0]:.4g}."
    return ""


def _described(runs: dict[str, Run], yours: Run | Failure) -> str:
    """The curves in numbers."""
    every = {NAMES[name]: run for name, run in runs.items()} | ({} if isinstance(yours, Failure) else {"yours": yours})
    said = [
        f"{name}: loss from {run.losses[0]:.3g} over {run.losses[5]:.3g} at step 5 to {run.losses[-1]:.3g}, "
        f"norm of the gradient from {run.norms[0]:.3g} to {run.norms[-1]:.3g}"
        for name, run in every.items()
    ]
    return f"Curves over {STEPS} steps. {'; '.join(said)}."
