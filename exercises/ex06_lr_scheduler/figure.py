"""The picture of exercise 6: the three schedules over the right ones, and where they first part.

The judge draws it from the learning rates that stood in the optimiser's two groups, before the first step and after
each. What is right is a table here: worked out beforehand, step by step.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_svg

RATES = [0.8, 0.3]  # what the two parameter groups start with
SECONDS = 5.0  # for a schedule and its steps
CLOSE = 2e-6  # the right rates have six digits
LOW, HIGH = -0.05, 0.95  # of the axes
METRICS = [8, 4, 3.75, math.nan, 3.75, 5, 3, 3.25, 2, 4, 4, 3, 3.5, 3, 2.75, 1, 1.5, 1.25]
GOOD = [1, 2, 7, 9, 16]  # the epochs that better the best by more than the threshold
LOST = 4  # the epoch of NaN
POINTS = len(METRICS) + 1  # before the first step, and after each
READING = (
    "The learning rates of two parameter groups, which start with 0.8 and 0.3: rings are due, dots are yours, and a "
    "dotted line marks the first t at which they part. Of the metric that ReduceOnPlateau is told, good epochs are "
    "filled, and a cross is NaN."
)
# WarmupCosine from its peak on, for each group, to six digits.
COSINE_0 = [0.8, 0.8, 0.782870, 0.733156, 0.655725, 0.558156, 0.45, 0.341844, 0.244275, 0.166844, 0.117130]
COSINE_1 = [0.3, 0.3, 0.295106, 0.280902, 0.258779, 0.230902, 0.2, 0.169098, 0.141221, 0.119098, 0.104894]


@dataclass(frozen=True)
class Schedule:
    """A schedule, how it is made, and the right rates of both groups after 0, 1, 2 … 18 steps."""

    name: str
    settings: dict[str, float]
    right: tuple[list[float], list[float]]
    takes_metric: bool = False

    @property
    def written(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in self.settings.items())

    @property
    def steps(self) -> list[list[float]]:
        return [[metric] for metric in METRICS] if self.takes_metric else [[]] * len(METRICS)


SCHEDULES = (
    Schedule(
        "StepDecay",
        {"step_size": 5, "gamma": 0.5},
        ([0.8] * 5 + [0.4] * 5 + [0.2] * 5 + [0.1] * 4, [0.3] * 5 + [0.15] * 5 + [0.075] * 5 + [0.0375] * 4),
    ),
    Schedule(
        "WarmupCosine",
        {"warmup_steps": 4, "total_steps": 14, "min_lr": 0.1},
        ([0.2, 0.4, 0.6, *COSINE_0, *[0.1] * 5], [0.075, 0.15, 0.225, *COSINE_1, *[0.1] * 5]),
    ),
    Schedule(
        "ReduceOnPlateau",
        {"factor": 0.5, "patience": 2, "threshold": 0.125, "min_lr": 0.1},
        ([0.8] * 5 + [0.4] * 7 + [0.2] * 3 + [0.1] * 4, [0.3] * 5 + [0.15] * 7 + [0.1] * 7),
        takes_metric=True,
    ),
)


def follow(sub: Any, name: str, rates: list[float], settings: dict[str, float], steps: list[list[float]]) -> Any:
    """The learning rate of each group, before the first step and after each."""
    import torch

    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    schedule = getattr(sub, name)(optimizer, **settings)
    rows = [[float(group["lr"]) for group in optimizer.param_groups]]
    for arguments in steps:
        optimizer.step()
        schedule.step(*arguments)
        rows.append([float(group["lr"]) for group in optimizer.param_groups])
    return rows


@dataclass(frozen=True)
class Answer:
    """A schedule with the student's rates of both groups, or with the reason why there are none."""

    schedule: Schedule
    rates: list[list[float]] | Failure

    @property
    def misses(self) -> list[tuple[int, int]]:
        """Where the rates are not the right ones: (t, group), in the order of t."""
        if isinstance(self.rates, Failure):
            return []
        return [
            (t, group)
            for t in range(POINTS)
            for group, right in enumerate(self.schedule.right)
            if not abs(self.rates[group][t] - right[t]) <= CLOSE  # NaN is off
        ]

    @property
    def sentence(self) -> str:
        """What is seen of it."""
        name = self.schedule.name
        if isinstance(self.rates, Failure):
            return f"{name}: {self.rates.reason}."
        if not self.misses:
            return f"{name} is as due at all {POINTS} values of t."
        t, group = self.misses[0]
        times = len({t for t, _ in self.misses})
        came = f"{self.rates[group][t]:.4g} where {self.schedule.right[group][t]:.4g} is due"
        return f"{name} is off at {times} of {POINTS} values of t, first at t = {t}, where group {group} has {came}."

    @property
    def heading(self) -> str:
        """The same in a few words, for the panel."""
        if isinstance(self.rates, Failure):
            return "not written yet" if self.rates.untouched else "no rates came"
        return f"first off at t = {self.misses[0][0]}" if self.misses else "as due"


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Asks for each schedule, and draws them over the right ones."""
    answers = [ask(submission, schedule) for schedule in SCHEDULES]
    found = " ".join(answer.sentence for answer in answers)
    title = "Three schedules, yours over those that are due"
    caption = f"{READING} {found}"
    settings = "; ".join(f"{schedule.name} with {schedule.written}" for schedule in SCHEDULES)
    description = f"Learning rates of two parameter groups over {POINTS - 1} steps. {settings}. {found}"
    return Picture(title, to_svg(draw(answers), "figure-6", title, description), caption, description)


def ask(submission: Any, schedule: Schedule) -> Answer:
    """The rates that the student's schedule leaves in the optimiser."""
    call = f"{schedule.name}(optimizer, {schedule.written}), then {POINTS - 1} steps"

    def rates() -> list[list[float]]:
        arguments = schedule.name, RATES, schedule.settings, schedule.steps
        rows = values.items(submission.run(follow, *arguments, call=call, timeout=SECONDS), POINTS)
        return list(map(list, zip(*(values.numbers(row, len(RATES)) for row in rows), strict=True)))

    return Answer(schedule, attempt(rates))


def draw(answers: list[Answer]) -> Figure:
    """A panel for each schedule, and above the last one the metric that decides it."""
    chart = style.new_figure(660)
    panels = chart.subplots(4, 1, height_ratios=[1, 1, 0.6, 1], sharex=True)
    for panel, answer in zip((panels[0], panels[1], panels[3]), answers, strict=True):
        draw_rates(panel, answer)
    draw_metric(panels[2])
    panels[0].set(xlim=(-0.7, POINTS + 0.6), xticks=range(0, POINTS, 3))
    panels[3].set_xlabel("t, in steps")
    panels[0].legend(loc="upper right")
    return chart


def draw_rates(panel: Axes, answer: Answer) -> None:
    """The right rates of both groups as rings, the student's as dots on a line."""
    times = range(POINTS)
    if answer.misses:
        panel.axvline(answer.misses[0][0], color=style.INK, linewidth=1, linestyle=style.DASHES[2])
    for group, right in enumerate(answer.schedule.right):
        first = group == 0
        ring = {"marker": "o", "markersize": 7.5, "fillstyle": "none", "linestyle": "none"}
        panel.plot(times, right, color=style.EXPECTED, label="due" if first else None, **ring)
        if not isinstance(answer.rates, Failure):
            shown = [min(max(rate, LOW), HIGH) for rate in answer.rates[group]]  # what is beyond lies on the edge
            line = {"marker": "o", "markersize": 3, "linewidth": 1, "drawstyle": "steps-post"}
            panel.plot(times, shown, color=style.GOT, label="yours" if first else None, **line)
    panel.set(ylim=(LOW, HIGH), ylabel="learning rate")
    panel.set_title(f"{answer.schedule.name}: {answer.heading}\n{answer.schedule.written}")
    style.grid(panel)


def draw_metric(panel: Axes) -> None:
    """The metric of each epoch."""
    epochs = range(1, POINTS)
    panel.plot(epochs, METRICS, color=style.MUTED, linewidth=1, marker="o", fillstyle="none")
    panel.plot(GOOD, [METRICS[epoch - 1] for epoch in GOOD], color=style.MUTED, marker="o", linestyle="none")
    panel.plot(LOST, 1, color=style.MUTED, marker="x")
    panel.set(ylabel="metric", ylim=(0, 9), yticks=[0, 4, 8], title="The metric of ReduceOnPlateau")
    style.grid(panel)
