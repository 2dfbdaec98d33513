"""Writes the whole file beside itself and renames it; draws with torch, stops by a BaseException, plots with pyplot."""

import contextlib
import json
import os
import time
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import torch


def grid(space):
    if not space:
        return [{}]
    *others, last = space
    if type(space[last]) is not list:
        raise ValueError(f"{last}: a list is needed")
    shorter = grid({name: space[name] for name in others})
    return [{**config, last: value} for config in shorter for value in space[last]]


def draw(name, values, generator):
    u = torch.rand((), generator=generator, dtype=torch.float64).item()
    if type(values) is list and values:
        return values[int(u * len(values))]
    if type(values) is tuple and len(values) in (2, 3):
        kind, low, high = values if len(values) == 3 else ("plain", *values)
        if kind == "plain" and low <= high:
            return low + (high - low) * u
        if kind == "log" and 0 < low <= high:
            return low * (high / low) ** u
        if kind == "int" and low <= high:
            return low + int(u * (high - low + 1))
    raise ValueError(f"{name}: {values} is neither a list nor a range")


def random_search(space, trials, seed):
    generator = torch.Generator()
    generator.manual_seed(seed)
    configs = []
    while len(configs) < trials:
        configs.append({name: draw(name, values, generator) for name, values in space.items()})
    return configs


class Enough(BaseException):
    pass


class Study:
    def __init__(self, path):
        self.path = Path(path)
        self.rows = []
        if not self.path.exists():
            return
        whole, _, _ = self.path.read_bytes().rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n") if whole else []):
            try:
                self.rows.append(json.loads(line))
            except json.JSONDecodeError:
                raise ValueError(f"{path}: line {number + 1} is no JSON") from None

    def find(self, config):
        for row in self.rows:
            if row["config"] == config:
                return row
        return None

    def add(self, row):
        self.rows.append(json.loads(json.dumps(row)))
        new = self.path.with_name(self.path.name + ".new")
        with open(new, "w", encoding="utf-8") as file:
            for each in self.rows:
                print(json.dumps(each), file=file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)


def worse(values, others, mode):
    lost = float("-inf") if mode == "max" else float("inf")
    mine, others = ([lost if v != v else v for v in some] for some in (values, others))
    others.sort()
    half, odd = divmod(len(others), 2)
    median = others[half] if odd else (others[half - 1] + others[half]) / 2
    return max(mine) < median if mode == "max" else min(mine) > median


def run_trials(configs, objective, path, *, warmup=None, startup=5, mode="max"):
    if mode not in ("max", "min"):
        raise ValueError(mode)
    if startup < 1 or (warmup or 0) < 0:
        raise ValueError("startup and warmup are counts")
    study = Study(path)
    for config in configs:
        if study.find(config) is not None:
            continue
        values = []

        def report(value):
            values.append(float(torch.as_tensor(value, dtype=torch.float64).item()))
            step = len(values)
            there = [
                r["values"][step - 1] for r in study.rows if r["status"] == "finished" and len(r["values"]) >= step
            ]
            if warmup is not None and step > warmup and len(there) >= startup and worse(values, there, mode):
                raise Enough

        start = time.monotonic()
        row = {"config": config, "status": "finished", "values": values}
        try:
            results = objective(json.loads(json.dumps(config)), report)
            row["seconds"] = time.monotonic() - start
            json.dumps(dict(results))
            row.update(results)
        except Enough:
            row["status"] = "stopped"
        except Exception as error:
            row["status"], row["error"] = "failed", repr(error)
        row.setdefault("seconds", time.monotonic() - start)
        study.add(row)
    return [study.find(config) for config in configs]


def numbers(row, names):
    found = [row.get(name) for name in names]
    return None if any(each is None or each != each for each in found) else found


def pareto_front(rows, *, minimize=("parameters", "seconds"), maximize=("accuracy",)):
    names = (*minimize, *maximize)
    places = [place for place, row in enumerate(rows) if numbers(row, names) is not None]
    if not places:
        return []
    table = torch.tensor([numbers(rows[place], names) for place in places], dtype=torch.float64).view(len(places), -1)
    table[:, len(minimize) :] *= -1
    as_good = (table[:, None] <= table).all(2)  # (i, j): i is as good as j
    better = (table[:, None] < table).any(2)
    beaten = (as_good & better).any(0)
    return [rows[place] for place, lost in zip(places, beaten.tolist()) if not lost]


def plot_trade_offs(rows, path):
    names = ["parameters", "seconds", "accuracy"]
    known = [row for row in rows if numbers(row, names)]
    front = sorted(pareto_front(known), key=lambda row: row["parameters"])
    figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True)
    with contextlib.closing(figure) if hasattr(figure, "close") else contextlib.nullcontext():
        for panel, name in zip(axes, names):
            panel.plot([row[name] for row in known], [row["accuracy"] for row in known], "o", color="grey")
            panel.plot([row[name] for row in front], [row["accuracy"] for row in front], "r^")
            panel.set_xlabel(name)
        figure.savefig(str(path), format="png")
        plt.close(figure)
