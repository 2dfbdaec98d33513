"""Starts from no best at all after a cut."""

import copy
import math

from torch.optim import Optimizer


class Schedule:
    """What the three schedules have in common. Each of them adds `lr(initial)`: a group's lr at this moment.

    `t` counts the steps so far. Everything that the next lr depends on is an attribute, and plain data.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        """Takes each group's lr as its initial one, and sets the lrs of t = 0."""
        self.optimizer = optimizer
        self.initial_lrs = [group["lr"] for group in optimizer.param_groups]
        self.t = 0
        self.set_lrs()

    def set_lrs(self) -> None:
        """Writes this moment's lr into every parameter group of the optimiser."""
        for group, initial in zip(self.optimizer.param_groups, self.initial_lrs, strict=True):
            group["lr"] = self.lr(initial)

    @property
    def last_lr(self) -> list[float]:
        """The lrs in force, a Python float per parameter group, in the optimiser's order."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> None:
        """Goes from t to t + 1. Called after the optimiser's own step."""
        self.t += 1
        self.set_lrs()

    def state_dict(self) -> dict:
        """A copy, as plain data, of all that is needed to continue: no optimiser, no tensor, no object of ours."""
        return copy.deepcopy({name: value for name, value in vars(self).items() if name != "optimizer"})

    def load_state_dict(self, state: dict) -> None:
        """Continues from `state`: sets the optimiser's lrs at once, whatever they were. Leaves `state` as it is."""
        vars(self).update(state)
        self.set_lrs()  # the optimiser may be a new one, with the lrs that it was made with


class StepDecay(Schedule):
    """lr · gamma^⌊t / step_size⌋: constant for `step_size` steps, then `gamma` times that.

    Errors: ValueError for step_size < 1 or gamma <= 0.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1 or gamma <= 0:
            raise ValueError(f"step_size >= 1 and gamma > 0 are needed, not {step_size} and {gamma}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def lr(self, initial: float) -> float:
        return initial * self.gamma ** (self.t // self.step_size)


class WarmupCosine(Schedule):
    """A straight line up to a group's initial lr, then half a cosine down to `min_lr`, where it stays.

    For t < warmup_steps: lr · (t + 1) / warmup_steps. At t = warmup_steps: lr. From t = total_steps on: min_lr.
    Errors: ValueError for warmup_steps < 0, total_steps <= warmup_steps or min_lr < 0.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, total_steps: int, min_lr: float = 0.0) -> None:
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(f"0 <= warmup_steps < total_steps is needed, not {warmup_steps} and {total_steps}")
        if min_lr < 0:
            raise ValueError(f"min_lr >= 0 is needed, not {min_lr}")
        self.warmup_steps, self.total_steps, self.min_lr = warmup_steps, total_steps, min_lr
        super().__init__(optimizer)

    def lr(self, initial: float) -> float:
        if self.t < self.warmup_steps:
            return initial * (self.t + 1) / self.warmup_steps  # t + 1: a first step with lr 0 would be wasted
        done = (self.t - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        share = (1 + math.cos(math.pi * min(done, 1))) / 2  # from 1 to 0; without min the cosine would rise again
        return self.min_lr + (initial - self.min_lr) * share


class ReduceOnPlateau(Schedule):
    """max(lr · factor^cuts, min_lr), with one more cut when more than `patience` epochs in a row were bad.

    A good epoch's metric is better than the best so far: metric < best · (1 - threshold) in mode "min",
    metric > best · (1 + threshold) in mode "max". Any other epoch is bad, also one whose metric is NaN.
    Errors: ValueError for a factor outside of (0, 1), patience, threshold or min_lr < 0, an unknown mode.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        mode: str = "min",
        min_lr: float = 0.0,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"a factor between 0 and 1 is needed, not {factor}")
        if patience < 0 or threshold < 0 or min_lr < 0:
            raise ValueError(f"patience, threshold, min_lr >= 0 are needed, not {patience}, {threshold}, {min_lr}")
        if mode not in ("min", "max"):
            raise ValueError(f'mode must be "min" or "max", not {mode!r}')
        self.factor, self.patience, self.threshold, self.mode, self.min_lr = factor, patience, threshold, mode, min_lr
        self.best = math.inf if mode == "min" else -math.inf  # the first metric is better than that
        self.bad_epochs, self.cuts = 0, 0
        super().__init__(optimizer)

    def lr(self, initial: float) -> float:
        return max(initial * self.factor**self.cuts, self.min_lr)

    def is_better(self, metric: float) -> bool:
        """Whether `metric` is beyond the best so far by more than the threshold."""
        if self.mode == "min":
            return metric < self.best * (1 - self.threshold)
        return metric > self.best * (1 + self.threshold)

    def step(self, metric: float) -> None:
        """Judges an epoch by its metric, and cuts the lrs if too many in a row were bad."""
        if self.is_better(metric):
            self.best, self.bad_epochs = metric, 0
        else:
            self.bad_epochs += 1  # a comparison with NaN is False, so NaN ends here
        if self.bad_epochs > self.patience:
            self.cuts, self.bad_epochs = self.cuts + 1, 0
            self.best = math.inf if self.mode == "min" else -math.inf
        super().step()
