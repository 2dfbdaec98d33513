"""Right: three classes with nothing in common, the lrs worked out in float32 by torch, and no best before the first."""

import copy
import math

import torch


class StepDecay:
    def __init__(self, optimizer, step_size, gamma=0.1):
        if step_size < 1 or gamma <= 0:
            raise ValueError("StepDecay needs step_size >= 1 and gamma > 0")
        self._optimizer, self._size, self._gamma = optimizer, step_size, gamma
        self._state = {"start": [float(group["lr"]) for group in optimizer.param_groups], "calls": 0}
        self._update()

    def _update(self):
        start = torch.tensor(self._state["start"])  # (groups,)
        lrs = start * torch.tensor(self._gamma) ** (self._state["calls"] // self._size)
        for group, lr in zip(self._optimizer.param_groups, lrs.tolist()):
            group["lr"] = lr

    @property
    def last_lr(self):
        return [float(group["lr"]) for group in self._optimizer.param_groups]

    def step(self):
        self._state["calls"] += 1
        self._update()

    def state_dict(self):
        return copy.deepcopy(self._state)

    def load_state_dict(self, state):
        self._state = copy.deepcopy(state)
        self._update()


class WarmupCosine:
    def __init__(self, optimizer, warmup_steps, total_steps, min_lr=0.0):
        if min(warmup_steps, min_lr) < 0 or warmup_steps >= total_steps:
            raise ValueError("WarmupCosine needs 0 <= warmup_steps < total_steps and min_lr >= 0")
        self._optimizer, self._warmup, self._total, self._min = optimizer, warmup_steps, total_steps, min_lr
        self._start = [group["lr"] for group in optimizer.param_groups]
        self._calls = 0
        self._update()

    def _update(self):
        start = torch.tensor(self._start)  # (groups,)
        if self._calls < self._warmup:
            lrs = start * (self._calls + 1) / self._warmup
        else:
            way = torch.linspace(0, math.pi, self._total - self._warmup + 1)  # (steps of the cosine + 1,)
            angle = way[min(self._calls, self._total) - self._warmup]
            lrs = torch.lerp(torch.full_like(start, self._min), start, 0.5 + 0.5 * torch.cos(angle))
        self.last_lr = lrs.tolist()
        for group, lr in zip(self._optimizer.param_groups, self.last_lr):
            group.update(lr=lr)

    def step(self):
        self._calls += 1
        self._update()

    def state_dict(self):
        return {"calls": self._calls, "start": tuple(self._start)}

    def load_state_dict(self, state):
        self._calls, self._start = state["calls"], list(state["start"])
        self._update()


class ReduceOnPlateau:
    def __init__(self, optimizer, factor=0.1, patience=10, threshold=1e-4, mode="min", min_lr=0.0):
        if not 0 < factor < 1 or patience < 0 or threshold < 0 or min_lr < 0 or mode not in {"min", "max"}:
            raise ValueError("a setting of ReduceOnPlateau is out of its range")
        self._optimizer, self._factor, self._patience, self._min = optimizer, factor, patience, min_lr
        self._bound = {"min": 1 - threshold, "max": 1 + threshold}[mode]
        self._sign = {"min": 1, "max": -1}[mode]
        self._start = [group["lr"] for group in optimizer.param_groups]
        self._best = None
        self._row, self._cuts = [], 0
        self._update()

    def _update(self):
        lrs = (torch.tensor(self._start) * self._factor**self._cuts).clamp(min=self._min)
        for group, lr in zip(self._optimizer.param_groups, lrs):
            group["lr"] = lr.item()

    @property
    def last_lr(self):
        return [group["lr"] for group in self._optimizer.param_groups]

    def step(self, metric):
        if metric == metric and (self._best is None or self._sign * metric < self._sign * self._best * self._bound):
            self._best, self._row = metric, []
        else:
            self._row.append(None if metric != metric else metric)  # the bad ones in a row
        if len(self._row) == self._patience + 1:
            self._row = []
            self._cuts += 1
            self._update()

    def state_dict(self):
        return {"best": self._best, "row": self._row[:], "cuts": self._cuts, "start": self._start[:]}

    def load_state_dict(self, state):
        self._best, self._cuts = state["best"], state["cuts"]
        self._row, self._start = list(state["row"]), list(state["start"])
        self._update()
