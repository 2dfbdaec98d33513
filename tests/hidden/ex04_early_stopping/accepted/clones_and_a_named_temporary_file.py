"""Right: best is None at first, tensors are cloned one by one, a named temporary file beside the old one, with fsync."""

import contextlib
import os
import tempfile

import torch


class EarlyStopping:
    def __init__(self, patience, min_delta=0.0, mode="min", path=None):
        if not patience >= 1:
            raise ValueError("patience")
        if not min_delta >= 0:
            raise ValueError("min_delta")
        if mode == "min":
            self._better = lambda new, old: new < old - min_delta
        elif mode == "max":
            self._better = lambda new, old: new > old + min_delta
        else:
            raise ValueError(f"mode {mode}")
        self.patience, self.path = int(patience), path
        self.best = self.best_step = self.weights = None
        self.bad_steps = self._call = 0
        self.stopped = False

    def step(self, metric, model):
        number = metric == metric
        if number and (self.best is None or self._better(metric, self.best)):
            self.best, self.best_step = metric, self._call
            self.bad_steps = 0
            with torch.no_grad():
                self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
            if self.path:
                self._write()
        else:
            self.bad_steps += 1
            if self.bad_steps == self.patience:
                self.stopped = True
        self._call += 1
        return self.stopped

    def _write(self):
        path = os.fspath(self.path)
        folder = os.path.dirname(path) or os.curdir
        file = tempfile.NamedTemporaryFile("wb", dir=folder, prefix=".", suffix=".part", delete=False)
        try:
            with file:
                torch.save(self.weights, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file.name)
            raise

    def restore(self, model):
        if self.weights is None:
            raise RuntimeError("nothing to restore")
        model.load_state_dict(self.weights)


def fit_with_early_stopping(model, train_one_epoch, validate, stopper, max_epochs):
    history, epoch = [], 0
    try:
        while epoch < max_epochs:
            train_one_epoch(model)
            history += [validate(model)]
            epoch += 1
            if stopper.step(history[-1], model):
                return history
        return history
    finally:
        if stopper.best is not None:
            stopper.restore(model)
