"""Right: the best state is kept as the bytes of its file, in memory first; metrics are turned round for max."""

import io
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch


@dataclass
class EarlyStopping:
    patience: int
    min_delta: float = 0.0
    mode: str = "min"
    path: object = None
    best: float = field(default=float("nan"), init=False)
    best_step: int = field(default=-1, init=False)
    bad_steps: int = field(default=0, init=False)
    stopped: bool = field(default=False, init=False)

    def __post_init__(self):
        self._sign = {"min": 1.0, "max": -1.0}.get(self.mode)
        if self._sign is None or self.patience < 1 or self.min_delta < 0:
            raise ValueError(f"no such settings: {self}")
        self._threshold, self._seen, self._bytes = float("inf"), 0, b""

    def step(self, metric, model):
        turned = self._sign * metric
        if turned < self._threshold:
            self._threshold = turned - self.min_delta
            self.best, self.best_step, self.bad_steps = metric, self._seen, 0
            buffer = io.BytesIO()
            torch.save(model.state_dict(), buffer)
            self._bytes = buffer.getvalue()
            if self.path is not None:
                self._put(Path(self.path))
        else:
            self.bad_steps = self.bad_steps + 1
        self._seen += 1
        self.stopped |= self.bad_steps >= self.patience
        return self.stopped

    def _put(self, path):
        part = path.parent / f"{path.name}.{os.getpid()}~"
        try:
            part.write_bytes(self._bytes)
            os.rename(part, path)
        finally:
            if part.exists():
                part.unlink()

    def restore(self, model):
        if not self._bytes:
            raise RuntimeError("no best state")
        model.load_state_dict(torch.load(io.BytesIO(self._bytes), weights_only=True))


def fit_with_early_stopping(model, train_one_epoch, validate, stopper, max_epochs):
    metrics = []
    while len(metrics) < max_epochs and (not metrics or not stopper.stopped):
        train_one_epoch(model)
        metrics.append(float(validate(model)))
        stopper.step(metrics[-1], model)
    if stopper.best_step >= 0:
        stopper.restore(model)
    return metrics
