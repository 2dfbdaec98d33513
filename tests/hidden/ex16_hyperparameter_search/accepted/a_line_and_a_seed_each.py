"""Hashes a seed for each trial and each key; one file object for all lines, statistics by torch, and texts in the chart."""

import hashlib
import json
import math
import os
import time
from functools import reduce
from pathlib import Path

import torch
from matplotlib.figure import Figure


def grid(space):
    def longer(configs, name):
        if not isinstance(space[name], list):
            raise ValueError(f"{name!r} has no list")
        return [dict(config, **{name: value}) for config in configs for value in space[name]]

    return reduce(longer, space, [{}])


def share(*what):
    """A number from 0 to 1, which depends on nothing else."""
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:6], "big") / 2**48


def random_search(space, trials, seed):
    return [{name: pick(name, values, share(seed, i, name)) for name, values in space.items()} for i in range(trials)]


def pick(name, values, u):
    match values:
        case list():
            if values:
                return values[math.floor(u * len(values))]
        case ("log", low, high):
            if 0 < low <= high:
                return math.exp((1 - u) * math.log(low) + u * math.log(high))
        case ("int", low, high):
            if low <= high:
                return min(high, low + math.floor(u * (high + 1 - low)))
        case (float() | int(), float() | int()):
            if values[0] <= values[1]:
                return (1.0 - u) * values[0] + u * values[1]
    raise ValueError(f"nothing can be drawn for {name} from {values}")


class Hopeless(Exception):
    pass


def frozen(config):
    if isinstance(config, dict):
        return frozenset((name, frozen(value)) for name, value in config.items())
    return tuple(map(frozen, config)) if isinstance(config, list) else config


def thawed(value):
    return [thawed(each) for each in value] if isinstance(value, list) else value


def run_trials(configs, objective, path, *, warmup=None, startup=5, mode="max"):
    if not (mode in {"max", "min"} and startup > 0 and (warmup is None or warmup >= 0)):
        raise ValueError("these settings make no search")
    table = {}
    content = Path(path).read_bytes() if Path(path).is_file() else b""
    whole = content.rfind(b"\n") + 1
    for number, line in enumerate(content[:whole].split(b"\n")[:-1]):
        try:
            row = json.loads(line)
            table[frozen(row["config"])] = row
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"{path}:{number + 1}: no row of a search") from None
    with open(path, "r+b" if content else "wb") as file:
        file.truncate(whole)
        file.seek(whole)
        for config in configs:
            if frozen(config) not in table:
                others = [row["values"] for row in table.values() if row["status"] == "finished"]
                text = try_one(config, objective, others, warmup, startup, mode)
                file.write(text.encode("ascii") + b"\n")
                file.flush()
                os.fsync(file)
                table[frozen(config)] = json.loads(text)
    return [table[frozen(config)] for config in configs]


def try_one(config, objective, others, warmup, startup, mode):
    values, best = [], [-math.inf]
    sign = -1 if mode == "min" else 1

    def rank(value):
        return sign * value if value == value else -math.inf

    def report(value):
        values.append(float(torch.as_tensor(value).detach().cpu().double()) if torch.is_tensor(value) else float(value))
        best[0] = max(best[0], rank(values[-1]))
        there = sorted(rank(other[len(values) - 1]) for other in others if len(values) <= len(other))
        if warmup is not None and len(values) > warmup and len(there) >= startup:
            below = sum(value <= best[0] for value in there)
            if below * 2 < len(there):
                raise Hopeless
            if below * 2 == len(there) and there[below - 1] + there[below] > 2 * best[0]:
                raise Hopeless

    row = {"config": config, "status": "finished", "values": values, "seconds": None}
    start = time.perf_counter_ns()
    try:
        results = objective({name: thawed(value) for name, value in config.items()}, report)
        row["seconds"] = (time.perf_counter_ns() - start) / 1e9
        return json.dumps(row | results)
    except Hopeless:
        row["status"] = "stopped"
    except Exception as error:
        row["status"], row["error"] = "failed", type(error).__name__ + ": " + str(error)
    row["seconds"] = (time.perf_counter_ns() - start) / 1e9
    return json.dumps(row)


def beats(one, other):
    return one != other and all(a <= b for a, b in zip(one, other))


def pareto_front(rows, *, minimize=("parameters", "seconds"), maximize=("accuracy",)):
    def place(row):
        found = [(1, row.get(name)) for name in minimize] + [(-1, row.get(name)) for name in maximize]
        if any(value is None or value != value for _, value in found):
            return None
        return [sign * value for sign, value in found]

    places = [place(row) for row in rows]
    known = [each for each in places if each is not None]
    return [row for row, mine in zip(rows, places) if mine is not None and not any(beats(each, mine) for each in known)]


def plot_trade_offs(rows, path):
    known = pareto_front(rows, minimize=(), maximize=())
    known = [
        row
        for row in known
        if all(row.get(n) is not None and row[n] == row[n] for n in ("parameters", "seconds", "accuracy"))
    ]
    figure = Figure(figsize=(5, 4))
    axes = figure.add_subplot(projection="3d")
    for row in known:
        axes.scatter(math.log10(row["parameters"]), row["seconds"], row["accuracy"], color="grey")
    for row in pareto_front(known):
        axes.text(math.log10(row["parameters"]), row["seconds"], row["accuracy"], "here", color="red")
        axes.scatter(math.log10(row["parameters"]), row["seconds"], row["accuracy"], color="red", s=60)
    with open(path, "wb") as file:
        figure.savefig(file, format="png")
