"""Leaves the part that was written behind when the write fails."""

import copy
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn


class EarlyStopping:
    """Watches a metric, keeps the weights that belong to its best value, and says when to stop.

    Attributes:
        best: float, the best metric so far (anything before the first improvement)
        best_step: int, the number of the `step` that brought it, counted from 0 (anything before the first improvement)
        bad_steps: int, how many calls of `step` in a row were no improvement
        stopped: bool, what the last `step` returned; False before the first one
    """

    def __init__(
        self, patience: int, min_delta: float = 0.0, mode: str = "min", path: str | os.PathLike | None = None
    ) -> None:
        """Stop after `patience` calls of `step` in a row without an improvement of more than `min_delta`.

        `mode` is "min" where a smaller metric is better (a loss), "max" where a larger one is (an accuracy).
        With `path`, the file there holds the best state_dict.
        Errors: ValueError for patience < 1, min_delta < 0, or an unknown mode.
        """
        if patience < 1:
            raise ValueError(f"patience must be at least 1, not {patience}")
        if min_delta < 0:
            raise ValueError(f"min_delta must not be negative, and is {min_delta}")
        if mode not in ("min", "max"):
            raise ValueError(f'mode must be "min" or "max", not {mode!r}')
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode
        self.path = path

        self.best = math.inf if mode == "min" else -math.inf  # any number at all is better
        self.best_step: int | None = None
        self.bad_steps = 0
        self.stopped = False
        self._steps = 0
        self._best_state: dict[str, Tensor] | None = None

    def step(self, metric: float, model: nn.Module) -> bool:
        """Take note of an epoch's metric; True from the call on at which the patience is at its end.

        An improvement is better than `best` by more than `min_delta`. It resets the count of bad steps, and a copy of
        the model's whole state_dict is kept, and written to `path` if there is one. NaN is never an improvement.
        Once True it stays True; a later improvement still becomes the best. The model is left alone.
        """
        gain = self.best - metric if self.mode == "min" else metric - self.best
        if gain > self.min_delta:  # False for NaN: every comparison with NaN is
            self.best, self.best_step, self.bad_steps = metric, self._steps, 0
            self._best_state = copy.deepcopy(model.state_dict())  # state_dict() alone holds the model's own tensors
            if self.path is not None:
                write_atomically(self._best_state, self.path)
        else:
            self.bad_steps += 1
        self._steps += 1
        self.stopped = self.stopped or self.bad_steps >= self.patience
        return self.stopped

    def restore(self, model: nn.Module) -> None:
        """Put the best weights and buffers back into the model's own tensors, as often as it is called.

        Errors: RuntimeError where there was no improvement yet.
        """
        if self._best_state is None:
            raise RuntimeError("there are no best weights yet: no step has brought an improvement")
        model.load_state_dict(self._best_state)  # copies into the tensors that an optimiser holds


def write_atomically(state: dict[str, Tensor], path: str | os.PathLike) -> None:
    """Write `state` to `path` so that others see the old file or the new one, and never a part of one.

    A write that fails leaves the old file as it was; nothing else stays in its folder, whether it fails or not.
    This is a helper for `EarlyStopping`: the tests look at the file alone, so it may have another shape.
    """
    path = Path(path)
    new = path.with_name(path.name + ".tmp")
    torch.save(state, new)
    new.replace(path)


def fit_with_early_stopping(
    model: nn.Module,
    train_one_epoch: Callable[[nn.Module], object],
    validate: Callable[[nn.Module], float],
    stopper: EarlyStopping,
    max_epochs: int,
) -> list[float]:
    """Train until the stopper says stop, for `max_epochs` epochs at most, and leave the best weights in the model.

    Each epoch calls `train_one_epoch(model)`, whose result is ignored, then `validate(model)`, which gives the metric.
    Output: the metrics, one per epoch. With no improvement at all the model stays as the last epoch left it.
    """
    metrics: list[float] = []
    for _ in range(max_epochs):
        train_one_epoch(model)
        metrics.append(validate(model))
        if stopper.step(metrics[-1], model):
            break
    if stopper.best_step is not None:  # also when the epochs ran out: the last weights are seldom the best
        stopper.restore(model)
    return metrics
