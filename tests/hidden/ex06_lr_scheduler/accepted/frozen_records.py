"""Right: the memory of a schedule is a frozen record, replaced as a whole; its fields are the state."""

from __future__ import annotations

import dataclasses
import operator
from math import cos, inf, pi


@dataclasses.dataclass(frozen=True)
class Memory:
    initial: tuple[float, ...]
    t: int = 0
    best: float | None = None
    bad: int = 0
    cuts: int = 0


class Base:
    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.memory = Memory(tuple(g["lr"] for g in optimizer.param_groups))

    @property
    def memory(self):
        return self._memory

    @memory.setter
    def memory(self, memory):
        self._memory = memory
        for g, lr in zip(self.optimizer.param_groups, self.last_lr, strict=True):
            g["lr"] = lr

    @property
    def last_lr(self):
        return [self.rate(lr) for lr in self._memory.initial]

    def step(self):
        self.memory = dataclasses.replace(self.memory, t=self.memory.t + 1)

    def state_dict(self):
        return dataclasses.asdict(self.memory)

    def load_state_dict(self, state):
        self.memory = Memory(**{**state, "initial": tuple(state["initial"])})


class StepDecay(Base):
    def __init__(self, optimizer, step_size, gamma=0.1):
        if not (step_size > 0 and gamma > 0):
            raise ValueError(f"{step_size=}, {gamma=}")
        self.rate = lambda lr: lr * gamma ** divmod(self.memory.t, step_size)[0]
        super().__init__(optimizer)


class WarmupCosine(Base):
    def __init__(self, optimizer, warmup_steps, total_steps, min_lr=0.0):
        if warmup_steps < 0 or warmup_steps >= total_steps or min_lr < 0:
            raise ValueError(f"{warmup_steps=}, {total_steps=}, {min_lr=}")
        self.w, self.n, self.min_lr = warmup_steps, total_steps, min_lr
        super().__init__(optimizer)

    def rate(self, lr):
        t = min(self.memory.t, self.n)
        if t < self.w:
            return lr * (t + 1) / self.w
        return self.min_lr + 0.5 * (lr - self.min_lr) * (1 + cos(pi * (t - self.w) / (self.n - self.w)))


class ReduceOnPlateau(Base):
    def __init__(self, optimizer, factor=0.1, patience=10, threshold=1e-4, mode="min", min_lr=0.0):
        if factor <= 0.0 or factor >= 1.0 or patience < 0 or threshold < 0.0 or min_lr < 0.0:
            raise ValueError(f"{factor=}, {patience=}, {threshold=}, {min_lr=}")
        modes = {"min": (operator.lt, 1 - threshold, inf), "max": (operator.gt, 1 + threshold, -inf)}
        if mode not in modes:
            raise ValueError(f"{mode=}")
        self.beats, self.scale, self.worst = modes[mode]
        self.patience = patience
        self.rate = lambda lr: max(lr * factor**self.memory.cuts, min_lr)
        super().__init__(optimizer)

    def step(self, metric):
        old = self.memory
        best = self.worst if old.best is None else old.best
        if self.beats(metric, best * self.scale):
            new = dataclasses.replace(old, best=metric, bad=0)
        elif old.bad < self.patience:
            new = dataclasses.replace(old, bad=old.bad + 1)
        else:
            new = dataclasses.replace(old, bad=0, cuts=old.cuts + 1)
        self.memory = new
