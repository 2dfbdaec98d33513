"""Right: keeps all metrics and works everything out from them each time; copies tensor by tensor; a folder beside the file."""

import math
import os
import shutil
import tempfile

import torch


class EarlyStopping:
    def __init__(self, patience, min_delta=0.0, mode="min", path=None):
        if patience < 1 or min_delta < 0 or mode not in {"min", "max"}:
            raise ValueError("patience >= 1, min_delta >= 0, mode min or max")
        self.patience, self.min_delta, self.mode, self.path = patience, min_delta, mode, path
        self.history = []
        self.saved = {}

    def _look_back(self):
        """(number of the best call or None, longest row of bad calls, bad calls at the end)"""
        best, longest, bad = None, 0, 0
        for call, metric in enumerate(self.history):
            if math.isnan(metric):
                good = False
            elif best is None:
                good = True
            elif self.mode == "max":
                good = metric - self.history[best] > self.min_delta
            else:
                good = self.history[best] - metric > self.min_delta
            best, bad = (call, 0) if good else (best, bad + 1)
            longest = max(longest, bad)
        return best, longest, bad

    @property
    def best_step(self):
        return self._look_back()[0]

    @property
    def best(self):
        return None if self.best_step is None else self.history[self.best_step]

    @property
    def bad_steps(self):
        return self._look_back()[2]

    @property
    def stopped(self):
        return self._look_back()[1] >= self.patience

    def step(self, metric, model):
        self.history.append(metric)
        if self.best_step == len(self.history) - 1:
            self.saved = {name: torch.empty_like(value).copy_(value) for name, value in model.state_dict().items()}
            if self.path is not None:
                path = os.path.abspath(self.path)
                folder = tempfile.mkdtemp(dir=os.path.dirname(path))
                try:
                    with open(os.path.join(folder, "new"), "wb") as file:
                        torch.save({name: value.cpu() for name, value in self.saved.items()}, file)
                    os.replace(os.path.join(folder, "new"), path)
                finally:
                    shutil.rmtree(folder)
        return self.stopped

    def restore(self, model):
        if not self.saved:
            raise RuntimeError("no improvement so far")
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(self.saved[name])


def fit_with_early_stopping(model, train_one_epoch, validate, stopper, max_epochs):
    def epochs():
        for _ in range(max_epochs):
            train_one_epoch(model)
            metric = validate(model)
            over = stopper.step(metric, model)
            yield metric
            if over:
                return

    metrics = list(epochs())
    try:
        stopper.restore(model)
    except RuntimeError:
        pass
    return metrics
