"""The picture of exercise 4: a series of metrics, the best so far and the stop that are due, and the submission's.

What is due after each call is a table here, worked out by hand for this one series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture

PATIENCE, MIN_DELTA = 3, 0.5
METRICS = [4.0, 3.5, 3.25, math.nan, 3.0, 2.5, 2.25, 2.5, 2.0, 1.5, 1.75]
BEST = [4.0, 4.0, 3.25, 3.25, 3.25, 2.5, 2.5, 2.5, 2.5, 1.5, 1.5]
BAD = [0, 1, 0, 1, 2, 0, 1, 2, 3]  # up to the stop; afterwards the count is free
STOP = 8
BEST_STEP = 9
CALLS = len(METRICS)


def watch(sub, metrics, patience, min_delta):
    """What the stopper says after each call, and which weights `restore` brings back: weight k belongs to call k."""
    import torch
    from torch import nn

    model = nn.Linear(1, 1, bias=False)
    stopper = sub.EarlyStopping(patience, min_delta=min_delta)
    rows = []
    for call, metric in enumerate(metrics):
        with torch.no_grad():
            model.weight.fill_(float(call))
        stop = stopper.step(metric, model)
        rows.append([stop, stopper.best, stopper.bad_steps])
    try:
        stopper.restore(model)
        restored = model.weight.detach().item()
    except NotImplementedError:
        restored = "is not written yet"
    except Exception as error:  # noqa: BLE001 - whatever it is, the rest is drawn all the same
        restored = f"raised {type(error).__name__}"
    return {"rows": rows, "restored": restored}


@dataclass(frozen=True)
class Seen:
    """What the submission's stopper said, call by call. NaN and None where it was no number of a sensible size."""

    best: list[float]
    bad: list[float]
    stop: int | None  # the first call that returned True
    again: int | None  # the first call after it that did not
    restored: int | None  # the call whose weights came back
    problem: str  # why none did


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Two panels over the calls: the metric with the best so far, and the count of bad calls."""
    call = f"EarlyStopping({PATIENCE}, min_delta={MIN_DELTA}), and step for each of {CALLS} metrics"
    yours = attempt(lambda: _seen(submission.run(watch, METRICS, PATIENCE, MIN_DELTA, call=call)))
    drawing = style.new_figure(420)
    metric, bad = drawing.subplots(2, 1, sharex=True, height_ratios=(5, 3))
    _draw_metric(metric, yours)
    _draw_count(bad, yours)
    for axes in (metric, bad):
        _draw_stops(axes, yours)
        style.grid(axes, "y")
    drawing.legend(*metric.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    told = str(yours) if isinstance(yours, Failure) else _told(yours)
    caption = (
        f"Eleven calls of step with patience {PATIENCE} and min_delta {MIN_DELTA}, where smaller is better; the metric "
        f"of call 3 is NaN. {told}"
    )
    return to_picture(
        drawing,
        "figure-4",
        title="The best so far, and the stop",
        caption=caption,
        description=f"{_described(yours)} {told}",
    )


def _seen(got: Any) -> Seen:
    rows = [values.items(row, 3) for row in values.items(values.entry(got, "rows"), CALLS)]
    returned = [row[0] is True for row in rows]
    stop = returned.index(True) if True in returned else None
    again = next((call for call in range(stop, CALLS) if not returned[call]), None) if stop is not None else None
    restored = values.entry(got, "restored")
    if type(restored) is str:
        return Seen(_plain(rows, 1), _plain(rows, 2), stop, again, None, values.text(restored))
    number = values.number(restored)
    call = int(number) if number in range(CALLS) else None
    return Seen(_plain(rows, 1), _plain(rows, 2), stop, again, call, f"brought back a weight of {number:.4g}")


def _plain(rows: list[list[Any]], place: int) -> list[float]:
    """The numbers at one place of the rows. Attributes may be anything before there is a best; then there is a gap."""
    return [values.number(row[place]) if type(row[place]) in (int, float) else math.nan for row in rows]


def _draw_metric(axes: Axes, yours: Seen | Failure) -> None:
    calls = range(CALLS)
    axes.plot(calls, METRICS, "o", color=style.INK, markersize=4.5, label="metric")
    axes.text(3, 4.25, "NaN", ha="center", fontsize=style.SMALL, color=style.MUTED)
    axes.step(calls, BEST, where="post", color=style.EXPECTED, label="best so far, expected")
    if isinstance(yours, Seen):
        axes.plot(calls, yours.best, "s", color=style.GOT, markerfacecolor="none", markersize=8, label="best, yours")
    axes.plot([BEST_STEP], [0.3], "^", color=style.EXPECTED, markersize=4.5, label="restored weights, expected")
    if isinstance(yours, Seen) and yours.restored is not None:
        look = {"color": style.GOT, "markerfacecolor": "none", "markersize": 9}
        axes.plot([yours.restored], [0.3], "^", label="restored weights, yours", **look)
    axes.set(title="metric (a loss, without unit)", ylim=(0, 4.6))


def _draw_count(axes: Axes, yours: Seen | Failure) -> None:
    axes.plot(range(len(BAD)), BAD, color=style.EXPECTED)
    if isinstance(yours, Seen):
        count = yours.bad[: len(BAD)]
        axes.plot(range(len(BAD)), count, "s", color=style.GOT, markerfacecolor="none", markersize=8)
    axes.set(title="bad_steps, up to the stop that is due", xlabel="call of step", ylim=(-0.6, 4.6))
    axes.set_yticks(range(5))
    axes.set_xticks(range(CALLS))


def _draw_stops(axes: Axes, yours: Seen | Failure) -> None:
    axes.axvline(STOP, color=style.EXPECTED, linewidth=5, alpha=0.45, label="stop, expected")
    if isinstance(yours, Seen) and yours.stop is not None:
        axes.axvline(yours.stop, color=style.GOT, linestyle=style.DASHES[1], linewidth=2.2, label="stop, yours")


def _told(yours: Seen) -> str:
    """What the stopper did, beside what is due."""
    said = [_told_of_stop(yours), _told_of_best(yours)]
    if yours.restored is None:
        said.append(f"Asked for the best weights, restore {yours.problem}.")
    else:
        due = "as is due" if yours.restored == BEST_STEP else f"and those of call {BEST_STEP} are due"
        said.append(f"The weights that restore brought back are those of call {yours.restored}, {due}.")
    return " ".join(said)


def _told_of_stop(yours: Seen) -> str:
    if yours.stop is None:
        return f"Yours never stops; call {STOP} is due."
    if yours.again is not None:
        return f"Yours stops at call {yours.stop} and goes on at call {yours.again}; once stopped, it stays so."
    return f"Yours stops at call {yours.stop}" + (", as is due." if yours.stop == STOP else f"; call {STOP} is due.")


def _told_of_best(yours: Seen) -> str:
    pairs = zip(yours.best, BEST, strict=True)
    call = next((call for call, (got, due) in enumerate(pairs) if got != due), None)
    if call is not None:
        metric, got, due = _listed([METRICS[call]]), _listed([yours.best[call]]), _listed([BEST[call]])
        return f"After call {call}, with the metric {metric}, the best is {got}, where {due} is due."
    call = next((call for call, due in enumerate(BAD) if yours.bad[call] != due), None)
    if call is not None:
        return (
            f"The best is right; after call {call} bad_steps is {_listed([yours.bad[call]])}, where {BAD[call]} is due."
        )
    return "The best and the count of bad steps are right after each call."


def _described(yours: Seen | Failure) -> str:
    """Both panels in numbers."""
    due = (
        f"The metrics are {_listed(METRICS)}; the best so far that is due is {_listed(BEST)}, the stop at call {STOP}."
    )
    if isinstance(yours, Failure):
        return due
    return f"{due} Your best is {_listed(yours.best)}, your bad_steps {_listed(yours.bad)}."


def _listed(series: list[float]) -> str:
    return ", ".join("NaN" if math.isnan(each) else f"{each:.4g}" for each in series)
