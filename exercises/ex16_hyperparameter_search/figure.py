"""The picture of exercise 16: how learning rates are spread, when trials end, what runs after a break, and the front.

The judge draws it from what the submission draws, runs and chooses; the trials are played, so that what is due is known
beforehand: it is worked out by hand, in the tables below.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from matplotlib.axes import Axes

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture

DRAWS, LOW, HIGH, BINS = 400, 0.0001, 1.0, 8  # two bins for each decade
LUCKY = 4.0  # standard deviations that a bar may be off
CURVES = [
    [0.25, 0.5, 0.625, 0.75, 0.75, 0.8125],
    [0.125, 0.25, 0.375, 0.5, 0.625, 0.6875],
    [0.25, 0.375, 0.5, 0.625, 0.6875, 0.75],
    [0.0, 0.125, 0.25, 0.875, 0.875, 0.875],  # below the median of three, 0.5, at step 3
    [0.5, 0.25, 0.5, 0.5625, 0.5, 0.875],  # as good as that, and below 0.625 at step 4
    [0.25, 0.5, 0.625, 0.6875, 0.8125, 0.9375],
    [0.375, 0.5, math.nan, 0.5625, 0.875, 0.875],  # below the median of four, 0.5625, at step 3
    [0.6875, 0.25, 0.25, 0.25, 0.25, 0.25],  # good at step 1, and below 0.71875 only at step 5
]
SETTINGS = {"warmup": 2, "startup": 3}
LENGTHS = [6, 6, 6, 3, 4, 6, 3, 5]
BREAK = 5  # the trial in which the first call is broken off
CALLS = [[0, 1, 2, 3, 4, 5], [5, 6, 7]]
POINTS = [(1, 1, 0.3), (2, 9, 0.55), (4, 3, 0.5), (8, 6, 0.72), (20, 8, 0.7), (40, 2, 0.6)]
POINTS += [(90, 7, 0.85), (200, 5, 0.66), (300, 9, 0.8), (700, 9, 0.9), (900, 4, 0.75), (950, 9, 0.9)]
# (200, 5, 0.66) is on it for being quicker than the better ones; (20, 8, 0.7), (300, 9, 0.8), (950, 9, 0.9) are beaten.
FRONT = [0, 1, 2, 3, 5, 6, 7, 9, 10]
READING = (
    "Bars are your learning rates, and the dashed line is where each bar is due to end. Below, rings are due and dots "
    "are yours: the last step of each trial, the trials that each call of run_trials ran, and the Pareto front."
)


def search(sub, curves, settings, broken):
    """How many values each trial has in the end; and with a break the trials that each call ran."""
    import pathlib

    path, begun = pathlib.Path("figure.jsonl"), [[]]
    path.unlink(missing_ok=True)
    configs = [{"trial": number} for number in range(len(curves))]

    def objective(config, report):
        begun[-1].append(config["trial"])
        if broken == config["trial"] and len(begun) == 1:
            raise KeyboardInterrupt
        for value in curves[config["trial"]]:
            report(value)
        return {"accuracy": curves[config["trial"]][-1]}

    try:
        rows = sub.run_trials(configs, objective, path, **settings)
    except KeyboardInterrupt:
        begun.append([])
        with path.open("a") as file:
            file.write('{"config": {"trial": 5}, "status": "fini')  # what a kill leaves
        rows = sub.run_trials(configs, objective, path, **settings)
    return {"lengths": [len(row["values"]) for row in rows], "begun": begun}


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Asks for draws, a search, a broken search and a front, and draws each over what is due."""
    seed = int(torch.randint(1 << 30, (), generator=rng))
    counts = attempt(lambda: ask_for_counts(submission, seed))
    lengths = attempt(lambda: ask_for_lengths(submission))
    calls = attempt(lambda: ask_for_calls(submission))
    front = attempt(lambda: ask_for_front(submission))
    found = " ".join([told_spread(counts), told_lengths(lengths), told_calls(calls), told_front(front)])
    drawing = style.new_figure(700)
    panels = drawing.subplots(4, 1, height_ratios=[1, 1.5, 0.6, 1.4])
    draw_counts(panels[0], counts)
    draw_lengths(panels[1], lengths)
    draw_calls(panels[2], calls)
    draw_front(panels[3], front)
    title = "Draws, stops, a break and a front, yours over those that are due"
    return to_picture(drawing, "figure-16", title=title, caption=f"{READING} {found}", description=found)


def ask_for_counts(submission: Any, seed: int) -> list[int]:
    """How many of the draws lie in each half of a decade; those outside of the range in none."""
    configs = values.items(submission.random_search({"lr": ("log", LOW, HIGH)}, DRAWS, seed), DRAWS)
    rates = [values.number(values.entry(config, "lr")) for config in configs]
    places = [math.floor(BINS * math.log(rate / LOW) / math.log(HIGH / LOW)) for rate in rates if LOW <= rate < HIGH]
    return [places.count(place) for place in range(BINS)]


def ask_for_lengths(submission: Any) -> list[int]:
    call = "run_trials(configs, objective, path, warmup=2, startup=3)"
    got = values.entry(submission.run(search, CURVES, SETTINGS, None, call=call), "lengths")
    return [values.whole(length, 0, 6) for length in values.items(got, len(CURVES))]


def ask_for_calls(submission: Any) -> list[list[int]]:
    call = f"run_trials, broken off in trial {BREAK}, and once more"
    got = values.items(values.entry(submission.run(search, CURVES, {}, BREAK, call=call), "begun"), most=2)
    return [[values.whole(number, 0, len(CURVES) - 1) for number in values.items(run, most=50)] for run in got]


def ask_for_front(submission: Any) -> list[int]:
    """The places of the points that came back."""
    rows = [
        {"parameters": 1000 * a, "seconds": float(b), "accuracy": c, "name": i} for i, (a, b, c) in enumerate(POINTS)
    ]
    got = values.items(submission.pareto_front(rows), most=100)
    return [values.whole(values.entry(row, "name"), 0, len(POINTS) - 1) for row in got]


def told_spread(counts: list[int] | Failure) -> str:
    if isinstance(counts, Failure):
        return f"random_search: {counts.reason}."
    due = DRAWS / BINS
    off = [count for count in counts if abs(count - due) > LUCKY * math.sqrt(due * (1 - 1 / BINS))]
    if not off and sum(counts) >= DRAWS - 1:
        return f"random_search: {DRAWS} learning rates are spread evenly over the decades."
    held = ", ".join(map(str, counts))
    return f"random_search: of {DRAWS} learning rates the halves of decades hold {held}; {due:g} each are due."


def told_lengths(lengths: list[int] | Failure) -> str:
    if isinstance(lengths, Failure):
        return f"The median rule: {lengths.reason}."
    off = [
        f"trial {i} after step {got}, not {due}"
        for i, (got, due) in enumerate(zip(lengths, LENGTHS, strict=True))
        if got != due
    ]
    return (
        f"The median rule: trials that end elsewhere: {'; '.join(off)}." if off else "Every trial ends where it is due."
    )


def told_calls(calls: list[list[int]] | Failure) -> str:
    if isinstance(calls, Failure):
        return f"The break: {calls.reason}."
    if calls == CALLS:
        return f"After a break in trial {BREAK} the second call runs trials 5, 6 and 7."
    if len(calls) == 1:
        return f"The Ctrl-C in trial {BREAK} did not end the first call."
    ran = ", ".join(map(str, calls[1])) or "none"
    return f"After a break in trial {BREAK} the second call runs the trials {ran}; 5, 6 and 7 are due."


def told_front(front: list[int] | Failure) -> str:
    if isinstance(front, Failure):
        return f"The front: {front.reason}."
    missing, surplus = len(set(FRONT) - set(front)), len(set(front) - set(FRONT))
    if not missing and not surplus:
        return f"The front has the {len(FRONT)} trials that are due."
    return f"The front lacks {missing} of {len(FRONT)} trials, and has {surplus} that others dominate."


RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 9,
    "fillstyle": "none",
    "linestyle": "none",
    "color": style.EXPECTED,
}
DOT: dict[str, Any] = {"marker": "o", "markersize": 4, "linestyle": "none", "color": style.GOT}


def draw_counts(panel: Axes, counts: list[int] | Failure) -> None:
    panel.set_title('random_search: ("log", 0.0001, 1)')
    if isinstance(counts, Failure):
        return style.note(panel, counts.reason)
    panel.bar(range(BINS), counts, width=0.85, color=style.GOT, align="edge", label="yours")
    panel.axhline(DRAWS / BINS, color=style.EXPECTED, linestyle=style.DASHES[1], label="due")
    panel.set_xticks(range(0, BINS + 1, 2), ["0.0001", "0.001", "0.01", "0.1", "1"])
    panel.set(ylabel="trials", xlim=(-0.15, BINS + 0.15), ylim=(0, 1.35 * max(*counts, DRAWS / BINS)))
    panel.legend(loc="upper left", ncols=2)
    return None


def draw_lengths(panel: Axes, lengths: list[int] | Failure) -> None:
    panel.set_title("run_trials: where each trial ends (warmup=2, startup=3)")
    if isinstance(lengths, Failure):
        return style.note(panel, lengths.reason)
    trials = range(len(CURVES))
    panel.hlines(trials, 0, lengths, color=style.GOT, linewidth=1.5)
    panel.plot(LENGTHS, trials, label="due", **RING)
    panel.plot(lengths, trials, label="yours", **DOT)
    panel.set(xlabel="step", ylabel="trial", xlim=(0, 6.5), yticks=trials, ylim=(7.6, -0.6))
    style.grid(panel, "x")
    return None


def draw_calls(panel: Axes, calls: list[list[int]] | Failure) -> None:
    panel.set_title(f"run_trials: what each call runs, Ctrl-C in trial {BREAK}")
    if isinstance(calls, Failure):
        return style.note(panel, calls.reason)
    for runs, look, label in ((CALLS, RING, "due"), (calls, DOT, "yours")):
        pairs = [(number, call) for call, run in enumerate(runs) for number in run]
        panel.plot([number for number, _ in pairs], [call for _, call in pairs], label=label, **look)
    panel.set_yticks([0, 1], ["1st", "2nd"])
    panel.set(xlabel="trial", xticks=range(len(CURVES)), xlim=(-0.6, len(CURVES) - 0.4), ylim=(1.5, -0.5))
    return None


def draw_front(panel: Axes, front: list[int] | Failure) -> None:
    panel.set_title("pareto_front: larger dots took longer")
    if isinstance(front, Failure):
        return style.note(panel, front.reason)
    sizes, seconds, accuracies = ([point[part] for point in POINTS] for part in range(3))
    panel.scatter(sizes, accuracies, s=[12 * each for each in seconds], color=style.MUTED, alpha=0.35, linewidths=0)
    panel.plot([sizes[i] for i in FRONT], [accuracies[i] for i in FRONT], label="due", **(RING | {"markersize": 13}))
    panel.plot([sizes[i] for i in front], [accuracies[i] for i in front], label="yours", **DOT)
    panel.set(xscale="log", xlabel="thousands of parameters", ylabel="accuracy")
    style.plain_log(panel.xaxis)
    panel.legend(loc="lower right")
    style.grid(panel)
    return None
