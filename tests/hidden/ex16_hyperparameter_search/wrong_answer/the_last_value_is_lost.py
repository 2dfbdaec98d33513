"""Stops a trial without its last value."""

import copy
import itertools
import json
import math
import operator
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

Config = dict[str, Any]  # a value for each hyper-parameter: {"lr": 0.1, "width": 32}
Row = dict[str, Any]  # what is known of a trial, as plain data
Objective = Callable[[Config, Callable[[Any], None]], dict[str, Any]]  # objective(config, report) -> results


class Hopeless(Exception):
    """What `report` raises to end a trial in the middle."""


def grid(space: Mapping[str, list]) -> list[Config]:
    """Every combination of the values: in the order of the keys, with the last key's value changing fastest.

    Input:  a list of values for each name.
    Errors: ValueError, naming the key, for anything but a list: a range has no grid.
    Source: https://docs.python.org/3/library/itertools.html#itertools.product
    """
    for name, values in space.items():
        if not isinstance(values, list):
            raise ValueError(f"'{name}' needs a list of values, not {values!r}")
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


def random_search(space: Mapping[str, list | tuple], trials: int, seed: int) -> list[Config]:
    """`trials` configurations, each drawn on its own. The first k of a longer search with this seed are the same.

    Input:  for each name a list (each of its values is equally likely), or a range with both of its ends: (low, high),
            floats, uniform; ("log", low, high), floats whose logarithm is uniform; ("int", low, high), whole numbers.
    Output: plain Python numbers, and the lists' values as they are. The program's own generators stay as they were.
    Errors: ValueError, naming the key, for anything else: low > high, log from 0, an empty list.
    """
    draw = random.Random(seed)  # a generator of its own
    return [{name: sample(name, values, draw) for name, values in space.items()} for _ in range(trials)]


def sample(name: str, values: list | tuple, draw: random.Random) -> Any:
    """A value of the hyper-parameter `name`. A helper, like the others below: yours may have another shape."""
    match values:
        case [_, *_] if isinstance(values, list):
            return draw.choice(values)
        case "log", low, high if 0 < low <= high:
            return math.exp(draw.uniform(math.log(low), math.log(high)))  # each decade is as likely as any other
        case "int", low, high if low <= high:
            return draw.randint(low, high)
        case int() | float() as low, int() | float() as high if low <= high:
            return draw.uniform(low, high)
    raise ValueError(f"'{name}' needs a list of values or a range, not {values!r}")


def run_trials(
    configs: Sequence[Config],
    objective: Objective,
    path: str | os.PathLike,
    *,
    warmup: int | None = None,
    startup: int = 5,
    mode: str = "max",
) -> list[Row]:
    """Call `objective(config, report)` for each configuration that the file `path` has no line of, in their order.

    The objective reports a number after each step, say the accuracy after each epoch, and returns its results, a dict
    of numbers. Its row is appended to the file, as a line of JSON, before the next trial begins: see `run_trial`.
    With a `warmup`, the median rule ends hopeless trials: see `is_hopeless`.

    Output: a row for each configuration, in their order, whenever it was run.
    Errors: ValueError for warmup < 0, startup < 1, another mode than "max" and "min". See also `read_rows`.
    """
    if (warmup is not None and warmup < 0) or startup < 1 or mode not in ("max", "min"):
        raise ValueError(f"no search with warmup={warmup}, startup={startup}, mode={mode!r}")
    rows = {key_of(row["config"]): row for row in read_rows(path)}
    for config in configs:
        if key_of(config) in rows:
            continue
        finished = [row["values"] for row in rows.values() if row["status"] == "finished"]
        hopeless = partial(is_hopeless, finished=finished, warmup=warmup, startup=startup, mode=mode)
        line = run_trial(config, objective, hopeless)
        with Path(path).open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()  # from Python to the system: a killed process loses nothing
            os.fsync(file)  # from the system to the disk: nor does a machine that is switched off
        rows[key_of(config)] = json.loads(line)  # as a later search will read it
    return [rows[key_of(config)] for config in configs]


def run_trial(config: Config, objective: Objective, hopeless: Callable[[list[float]], bool]) -> str:
    """One trial, whose row comes back as JSON. `hopeless` says of the values so far whether to end it.

    The row is {"config", "status", "values", "seconds"} and the results: status is "finished", "stopped" or "failed",
    values are the reported ones, as floats, seconds is the time of the trial unless the results have their own. A trial
    failed if it raised an Exception, which "error" tells, or if its results are no dict that JSON can hold.
    """
    values: list[float] = []

    def report(value: float | torch.Tensor) -> None:
        values.append(torch.as_tensor(value, dtype=torch.float64).item())  # a float, without a graph or a device
        if hopeless(values):
            values.pop()
            raise Hopeless

    row = {"config": config, "status": "finished", "values": values}
    started = time.perf_counter()
    try:
        results = objective(copy.deepcopy(config), report)  # a copy: trials like to pop from their config
        return json.dumps({**row, "seconds": time.perf_counter() - started, **results})
    except Hopeless:
        row["status"] = "stopped"
    except Exception as error:  # noqa: BLE001 whatever it is; Ctrl-C is none, and ends the search
        row |= {"status": "failed", "error": f"{type(error).__name__}: {error}"}
    return json.dumps({**row, "seconds": time.perf_counter() - started})


def key_of(config: Config) -> str:
    """Two configurations are the same trial if they have the same values, in whatever order their keys are."""
    return json.dumps(config, sort_keys=True)


def read_rows(path: str | os.PathLike) -> list[Row]:
    """The rows of a file; none if there is no file. A last line that a kill cut off is removed from it.

    Errors: ValueError, naming the file and the number of the line, from 1, for a whole line that is no JSON.
    """
    path = Path(path)
    if not path.exists():
        return []
    content = path.read_bytes()
    *lines, cut = content.split(b"\n")  # a whole line ends with a newline, so nothing stands after the last one
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"'{path}', line {number}: {error}") from error
    os.truncate(path, len(content) - len(cut))  # or the next line would be appended to it
    return rows


def is_hopeless(values: list[float], finished: list[list[float]], warmup: int | None, startup: int, mode: str) -> bool:
    """Whether the best of `values` is worse than the median of what the finished trials had at this step.

    Input: the values so far, step 1 first; those of each finished trial. NaN is the worst value there is.
    Never in the first `warmup` steps, with a warmup of None, or if fewer than `startup` trials got to this step.
    """

    def score(value: float) -> float:
        return -math.inf if math.isnan(value) else value if mode == "max" else -value

    step = len(values)
    rivals = [score(curve[step - 1]) for curve in finished if len(curve) >= step]
    due = warmup is not None and step > warmup and len(rivals) >= startup
    return due and max(map(score, values)) < statistics.median(rivals)


def pareto_front(
    rows: Sequence[Row],
    *,
    minimize: Sequence[str] = ("parameters", "seconds"),
    maximize: Sequence[str] = ("accuracy",),
) -> list[Row]:
    """The rows that no other row dominates, in their order. Those that are equal are all kept.

    A row dominates another one if it is as good or better in everything, and better in something.
    A row where one of the numbers is missing, None or NaN is neither on the front nor dominates.
    """
    known = complete(rows, [*minimize, *maximize])

    def costs(row: Row) -> list[float]:
        return [row[name] for name in minimize] + [-row[name] for name in maximize]

    def dominates(one: Row, other: Row) -> bool:
        mine, theirs = costs(one), costs(other)
        return mine != theirs and all(map(operator.le, mine, theirs))

    return [row for row in known if not any(dominates(other, row) for other in known)]


def complete(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The rows that have a number, and not NaN, under each of the names. A helper."""
    return [row for row in rows if all(row.get(name) is not None and not math.isnan(row[name]) for name in names)]


def plot_trade_offs(rows: Sequence[Row], path: str | os.PathLike) -> None:
    """Draw size, training time and accuracy of the trials, emphasise the Pareto front, save it as a PNG at `path`.

    Input: rows with the numbers "parameters", "seconds" and "accuracy"; those that lack one are not drawn.
    A file that is at `path` already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.scatter.html
    """
    names = size, quality, duration = "parameters", "accuracy", "seconds"
    sizes, qualities, durations = ([row[name] for row in complete(rows, names)] for name in names)
    figure = Figure()  # not pyplot's, which lasts until it is closed
    axes = figure.add_subplot(xscale="log", xlabel=size, ylabel=quality)
    dots = axes.scatter(x=sizes, y=qualities, c=durations)
    figure.colorbar(dots, label=duration)
    front = pareto_front(rows)
    axes.plot([row[size] for row in front], [row[quality] for row in front], "r+", markersize=20)
    figure.savefig(path, format="png")  # with a format the path is taken as it is; without, ".png" may be added to it
