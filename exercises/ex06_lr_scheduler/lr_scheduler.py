"""Exercise 6: learning-rate schedules, by the count of steps or by a metric, that can be stopped and continued.

Sources: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate,
Goyal et al., "Accurate, Large Minibatch SGD" (arXiv:1706.02677), for the warm-up,
Loshchilov and Hutter, "SGDR" (arXiv:1608.03983), for the cosine.
"""

import copy
import math

from torch.optim import Optimizer


class Schedule:
    """What the three schedules have in common. Each of them adds `lr(initial)`: a group's lr at this moment.

    `t` counts the steps so far. Everything that the next lr depends on is an attribute, and plain data.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        """Takes each group's lr as its initial one, and sets the lrs of t = 0."""
        raise NotImplementedError("task 1: remember where each group starts, and set the lrs of t = 0")

    def set_lrs(self) -> None:
        """Writes this moment's lr into every parameter group of the optimiser."""
        raise NotImplementedError("task 1: a new lr for every group, from the group's own initial one")

    @property
    def last_lr(self) -> list[float]:
        """The lrs in force, a Python float per parameter group, in the optimiser's order."""
        raise NotImplementedError("task 1: the lrs in force")

    def step(self) -> None:
        """Goes from t to t + 1. Called after the optimiser's own step."""
        raise NotImplementedError("task 1: one step further")

    def state_dict(self) -> dict:
        """A copy, as plain data, of all that is needed to continue: no optimiser, no tensor, no object of ours."""
        raise NotImplementedError("task 4: the state, as a copy")

    def load_state_dict(self, state: dict) -> None:
        """Continues from `state`: sets the optimiser's lrs at once, whatever they were. Leaves `state` as it is."""
        raise NotImplementedError("task 4: continue from a state")


class StepDecay(Schedule):
    """lr · gamma^⌊t / step_size⌋: constant for `step_size` steps, then `gamma` times that.

    Errors: ValueError for step_size < 1 or gamma <= 0.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        raise NotImplementedError("task 1: the settings of StepDecay")

    def lr(self, initial: float) -> float:
        raise NotImplementedError("task 1: the lr at t")


class WarmupCosine(Schedule):
    """A straight line up to a group's initial lr, then half a cosine down to `min_lr`, where it stays.

    For t < warmup_steps: lr · (t + 1) / warmup_steps. At t = warmup_steps: lr. From t = total_steps on: min_lr.
    Errors: ValueError for warmup_steps < 0, total_steps <= warmup_steps or min_lr < 0.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, total_steps: int, min_lr: float = 0.0) -> None:
        raise NotImplementedError("task 2: the settings of WarmupCosine")

    def lr(self, initial: float) -> float:
        raise NotImplementedError("task 2: the lr at t")


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
        raise NotImplementedError("task 3: the settings of ReduceOnPlateau, and where it starts")

    def lr(self, initial: float) -> float:
        raise NotImplementedError("task 3: the lr after so many cuts")

    def is_better(self, metric: float) -> bool:
        """Whether `metric` is beyond the best so far by more than the threshold."""
        raise NotImplementedError("task 3: better than the best")

    def step(self, metric: float) -> None:
        """Judges an epoch by its metric, and cuts the lrs if too many in a row were bad."""
        raise NotImplementedError("task 3: judge the epoch, and cut")
