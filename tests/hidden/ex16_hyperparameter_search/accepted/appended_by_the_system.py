"""Appends by os.write and fdatasync, cuts the file when it writes next; NumPy draws, sorted scans, sizes in the chart."""

import copy
import json
import os
import time

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def grid(space):
    for name in space:
        if not isinstance(space[name], list):
            raise ValueError(f"no list of values for {name}")
    sizes = [len(values) for values in space.values()]
    configs = []
    for number in range(int(np.prod(sizes, dtype=int))):
        digits = np.unravel_index(number, sizes) if sizes else ()
        configs.append({name: values[digit] for (name, values), digit in zip(space.items(), digits)})
    return configs


def random_search(space, trials, seed):
    rng = np.random.default_rng(seed)
    configs = []
    for _ in range(trials):
        config = {}
        for name, values in space.items():
            try:
                config[name] = one_of(values, rng)
            except (ArithmeticError, ValueError, IndexError, TypeError) as error:
                raise ValueError(f"{name}: {error}") from error
        configs.append(config)
    return configs


def one_of(values, rng):
    if isinstance(values, list):
        return values[rng.integers(len(values))]
    if not isinstance(values, tuple):
        raise TypeError("neither a list nor a tuple")
    *word, low, high = values
    if low > high:
        raise ValueError("the ends are the wrong way round")
    if word == ["int"]:
        return int(rng.integers(low, high, endpoint=True))
    if word == ["log"]:
        if low <= 0:
            raise ValueError("no logarithm")
        return float(2 ** rng.uniform(np.log2(low), np.log2(high)))
    if word:
        raise ValueError(f"what is {word}?")
    return float(rng.uniform(low, high))


class Stop(Exception):
    def __str__(self):
        return "stopped by the median"


def run_trials(configs, objective, path, *, warmup=None, startup=5, mode="max"):
    if mode != "max" and mode != "min":
        raise ValueError("mode")
    if startup <= 0:
        raise ValueError("startup")
    if warmup is not None and warmup <= -1:
        raise ValueError("warmup")
    log, rows = b"", []
    if os.path.exists(path):
        with open(path, "rb") as file:
            log = file.read()
    end = 0
    for number, line in enumerate(log.splitlines(keepends=True), 1):
        if line.endswith(b"\n"):
            try:
                rows.append(json.loads(line.decode()))
            except ValueError:
                raise ValueError("line %d of %s is damaged" % (number, path))
            end += len(line)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        wanted = []
        for config in configs:
            for row in rows:
                if row["config"] == config:
                    break
            else:
                row = json.loads(json.dumps(one_trial(config, objective, rows, warmup, startup, mode)))
                rows.append(row)
                os.write(descriptor, json.dumps(row).encode() + b"\n")
                getattr(os, "fdatasync", os.fsync)(descriptor)
            wanted.append(row)
        return wanted
    finally:
        os.close(descriptor)


def one_trial(config, objective, rows, warmup, startup, mode):
    direction = {"max": 1.0, "min": -1.0}[mode]
    reported = []

    def report(value):
        reported.append(float(value.item() if hasattr(value, "item") else value))
        if warmup is None or len(reported) <= warmup:
            return
        column = []
        for row in rows:
            if row["status"] == "finished" and row["values"][len(reported) - 1 :]:
                column.append(row["values"][len(reported) - 1])
        if len(column) < startup:
            return
        column = np.nan_to_num(direction * np.array(column), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        mine = np.nan_to_num(direction * np.array(reported), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        if mine.max() < np.median(column):
            raise Stop

    clock = time.time()
    row = dict(config=config, values=reported, status="finished")
    try:
        results = objective(copy.deepcopy(config), report)
        if not isinstance(results, dict):
            raise TypeError("the results are no dict")
        row = json.loads(json.dumps({**row, "seconds": time.time() - clock, **results}))
    except Stop:
        row.update(status="stopped", seconds=time.time() - clock)
    except Exception as error:
        row.update(status="failed", seconds=time.time() - clock, error=f"{error.__class__.__name__} ({error})")
    return row


def pareto_front(rows, *, minimize=("parameters", "seconds"), maximize=("accuracy",)):
    points = {}
    for place, row in enumerate(rows):
        point = [row.get(name, np.nan) for name in minimize] + [row.get(name, np.nan) for name in maximize]
        point = np.array([np.nan if each is None else each for each in point], dtype=float)
        point[len(minimize) :] *= -1
        if not np.isnan(point).any():
            points[place] = tuple(point.tolist())
    front = set()
    for point in sorted(set(points.values())):  # who is beaten, is beaten by one that comes earlier
        if not any(all(a <= b for a, b in zip(better, point)) for better in front):
            front.add(point)
    return [row for place, row in enumerate(rows) if points.get(place) in front]


def plot_trade_offs(rows, path):
    figure = Figure(figsize=(5, 4), dpi=80)
    FigureCanvasAgg(figure)
    axes = figure.add_axes([0.15, 0.15, 0.8, 0.8])
    front = [id(row) for row in pareto_front(rows)]
    for row in rows:
        triple = [row.get(name) for name in ("parameters", "seconds", "accuracy")]
        if None in triple or np.isnan(triple).any():
            continue
        chosen = id(row) in front
        axes.scatter(triple[0], triple[2], s=20 + triple[1], marker="*" if chosen else "o", c="C1" if chosen else "C0")
    axes.set_xlabel("parameters")
    axes.set_ylabel("accuracy")
    with open(path, "wb") as file:
        figure.canvas.print_png(file)
