"""Right: keeps a deep copy of the whole model; a patience that is counted down; a hidden file with a random name."""

import copy
import operator
import pathlib
import uuid

import torch


class EarlyStopping:
    best = None
    best_step = None
    stopped = False
    bad_steps = 0
    step_number = -1
    best_model = None

    def __init__(self, patience, min_delta=0.0, mode="min", path=None):
        try:
            self.beyond, self.margin = {"min": (operator.lt, -min_delta), "max": (operator.gt, min_delta)}[mode]
        except KeyError:
            raise ValueError(f"unknown mode {mode!r}") from None
        if patience < 1:
            raise ValueError("patience must be positive")
        if min_delta < 0:
            raise ValueError("min_delta must not be negative")
        self.patience = self.left = patience
        self.path = path and pathlib.Path(path)

    def step(self, metric, model):
        self.step_number += 1
        first = self.best is None and metric == metric
        if first or (self.best is not None and self.beyond(metric, self.best + self.margin)):
            self.left = self.patience
            self.bad_steps = 0
            self.best, self.best_step = metric, self.step_number
            self.best_model = copy.deepcopy(model)
            self.write()
        else:
            self.left -= 1
            self.bad_steps += 1
        if self.left <= 0:
            self.stopped = True
        return self.stopped

    def write(self):
        if self.path is None:
            return
        hidden = self.path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            torch.save(self.best_model.state_dict(), str(hidden))
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise
        hidden.replace(self.path)

    def restore(self, model):
        if self.best_model is None:
            raise RuntimeError("no best model")
        model.load_state_dict(self.best_model.state_dict(), strict=True)


def fit_with_early_stopping(model, train_one_epoch, validate, stopper, max_epochs):
    metrics = []
    for _ in range(max_epochs):
        train_one_epoch(model)
        metric = validate(model)
        metrics.append(metric)
        if stopper.step(metric, model):
            break
    if any(metric == metric for metric in metrics):
        stopper.restore(model)
    return metrics
