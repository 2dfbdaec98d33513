"""Exercise 16: hyper-parameter search, which survives a kill, ends hopeless trials, and shows what there is to choose.

Sources: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization" (JMLR 2012), for random search,
Golovin et al., "Google Vizier" (KDD 2017), and Optuna's MedianPruner, for the median rule.
"""

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
    raise NotImplementedError("task 1: every combination")


def random_search(space: Mapping[str, list | tuple], trials: int, seed: int) -> list[Config]:
    """`trials` configurations, each drawn on its own. The first k of a longer search with this seed are the same.

    Input:  for each name a list (each of its values is equally likely), or a range with both of its ends: (low, high),
            floats, uniform; ("log", low, high), floats whose logarithm is uniform; ("int", low, high), whole numbers.
    Output: plain Python numbers, and the lists' values as they are. The program's own generators stay as they were.
    Errors: ValueError, naming the key, for anything else: low > high, log from 0, an empty list.
    """
    raise NotImplementedError("task 2: draw configurations")


def sample(name: str, values: list | tuple, draw: random.Random) -> Any:
    """A value of the hyper-parameter `name`. A helper, like the others below: yours may have another shape."""
    raise NotImplementedError("task 2: draw one value")


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
    raise NotImplementedError("task 3: run what has not been run, and write each row down at once")


def run_trial(config: Config, objective: Objective, hopeless: Callable[[list[float]], bool]) -> str:
    """One trial, whose row comes back as JSON. `hopeless` says of the values so far whether to end it.

    The row is {"config", "status", "values", "seconds"} and the results: status is "finished", "stopped" or "failed",
    values are the reported ones, as floats, seconds is the time of the trial unless the results have their own. A trial
    failed if it raised an Exception, which "error" tells, or if its results are no dict that JSON can hold.
    """
    raise NotImplementedError("task 3: the row of one trial")


def key_of(config: Config) -> str:
    """Two configurations are the same trial if they have the same values, in whatever order their keys are."""
    raise NotImplementedError("task 4: what tells configurations apart")


def read_rows(path: str | os.PathLike) -> list[Row]:
    """The rows of a file; none if there is no file. A last line that a kill cut off is removed from it.

    Errors: ValueError, naming the file and the number of the line, from 1, for a whole line that is no JSON.
    """
    raise NotImplementedError("task 4: the trials that have ended")


def is_hopeless(values: list[float], finished: list[list[float]], warmup: int | None, startup: int, mode: str) -> bool:
    """Whether the best of `values` is worse than the median of what the finished trials had at this step.

    Input: the values so far, step 1 first; those of each finished trial. NaN is the worst value there is.
    Never in the first `warmup` steps, with a warmup of None, or if fewer than `startup` trials got to this step.
    """

    raise NotImplementedError("task 5: the median rule")


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
    raise NotImplementedError("task 6: the rows that no other dominates")


def complete(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The rows that have a number, and not NaN, under each of the names. A helper."""
    raise NotImplementedError("task 6: the rows with all of the numbers")


def plot_trade_offs(rows: Sequence[Row], path: str | os.PathLike) -> None:
    """Draw size, training time and accuracy of the trials, emphasise the Pareto front, save it as a PNG at `path`.

    Input: rows with the numbers "parameters", "seconds" and "accuracy"; those that lack one are not drawn.
    A file that is at `path` already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.scatter.html
    """
    raise NotImplementedError("task 7: every trial a dot whose colour is its time, and a cross on those of the front")
