"""Right: each lr from the one before, as PyTorch's own classes do it; the groups and the state hold the initial lrs."""

import math


class _Chain:
    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.t = 0
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._write([self._first(base) for base in self.base_lrs])

    def _first(self, base):
        return base

    def _write(self, lrs):
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self.last_lr = list(lrs)

    def _next(self, lr, base):
        raise LookupError("each schedule has its own")

    def step(self):
        self.t += 1
        self._write([self._next(lr, base) for lr, base in zip(self.last_lr, self.base_lrs, strict=True)])

    def state_dict(self):
        return {"t": self.t, "base_lrs": self.base_lrs[:], "last_lr": self.last_lr[:]}

    def load_state_dict(self, state):
        self.t = state["t"]
        self.base_lrs = state["base_lrs"]
        self._write(state["last_lr"])


class StepDecay(_Chain):
    def __init__(self, optimizer, step_size, gamma=0.1):
        if step_size <= 0:
            raise ValueError("step_size")
        if not gamma > 0:
            raise ValueError("gamma")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def _next(self, lr, base):
        return lr if self.t % self.step_size else lr * self.gamma


class WarmupCosine(_Chain):
    def __init__(self, optimizer, warmup_steps, total_steps, min_lr=0.0):
        if warmup_steps < 0 or total_steps <= warmup_steps or min_lr < 0:
            raise ValueError("warmup_steps, total_steps or min_lr")
        self.warmup_steps = warmup_steps
        self.span = total_steps - warmup_steps
        self.min_lr = min_lr
        super().__init__(optimizer)

    def _first(self, base):
        return base / max(self.warmup_steps, 1)

    def _next(self, lr, base):
        if self.t < self.warmup_steps:
            return lr + base / self.warmup_steps
        done = self.t - self.warmup_steps
        if done == 0:
            return base
        if done >= self.span:
            return self.min_lr
        before = 1 + math.cos(math.pi * (done - 1) / self.span)
        return self.min_lr + (lr - self.min_lr) * (1 + math.cos(math.pi * done / self.span)) / before


class ReduceOnPlateau(_Chain):
    def __init__(self, optimizer, factor=0.1, patience=10, threshold=1e-4, mode="min", min_lr=0.0):
        if factor <= 0 or factor >= 1:
            raise ValueError("factor")
        if patience < 0 or threshold < 0 or min_lr < 0:
            raise ValueError("patience, threshold or min_lr")
        if mode != "min" and mode != "max":
            raise ValueError("mode")
        self.factor, self.patience, self.threshold, self.mode, self.min_lr = factor, patience, threshold, mode, min_lr
        self.best = float("inf") if mode == "min" else float("-inf")
        self.num_bad_epochs = 0
        super().__init__(optimizer)

    def _next(self, lr, base):
        return max(lr * self.factor, self.min_lr)

    def step(self, metric):
        scale = 1.0 - self.threshold if self.mode == "min" else 1.0 + self.threshold
        if metric < self.best * scale if self.mode == "min" else metric > self.best * scale:
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.num_bad_epochs > self.patience:
            super().step()
            self.num_bad_epochs = 0

    def state_dict(self):
        return {**super().state_dict(), "best": self.best, "num_bad_epochs": self.num_bad_epochs}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.best, self.num_bad_epochs = state["best"], state["num_bad_epochs"]
