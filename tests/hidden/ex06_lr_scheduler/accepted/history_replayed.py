"""Right, if ugly: one class for all with functions inside, the past kept whole and gone through anew, a state of text."""

import json
import math


def _need(truth, what):
    if not truth:
        raise ValueError(what)


class _Any:
    def __init__(self, optimizer, curve, min_lr=0.0):
        self.__optimizer = optimizer
        self.__curve = curve
        self.__past = []
        self.__lrs = {str(i): group["lr"] for i, group in enumerate(optimizer.param_groups)}
        # min_lr is at most every lr: whoever wants to may insist
        _need(all(lr >= min_lr for lr in self.__lrs.values()), "min_lr is above an lr")
        self.__refresh()

    def __refresh(self):
        self.last_lr = []
        for i in range(len(self.__optimizer.param_groups)):
            self.last_lr = [*self.last_lr, self.__curve(self.__lrs[str(i)], self.__past)]
            self.__optimizer.param_groups[i]["lr"] = self.last_lr[i]

    def _remember(self, what):
        self.__past = [*self.__past, what]
        self.__refresh()

    def step(self):
        self._remember(None)

    def state_dict(self):
        return {"everything": json.dumps([self.__past, self.__lrs])}

    def load_state_dict(self, state):
        self.__past, self.__lrs = json.loads(state["everything"])
        self.__refresh()


class StepDecay(_Any):
    def __init__(self, optimizer, step_size, gamma=0.1):
        _need(step_size >= 1, "step_size is below 1")
        _need(gamma > 0, "gamma is not positive")

        def curve(lr, past):
            for _ in past[step_size - 1 :: step_size]:
                lr *= gamma
            return lr

        super().__init__(optimizer, curve)


class WarmupCosine(_Any):
    def __init__(self, optimizer, warmup_steps, total_steps, min_lr=0.0):
        _need(warmup_steps >= 0 and total_steps > warmup_steps, "there is no room for the cosine")
        _need(min_lr >= 0, "min_lr is negative")

        def curve(lr, past):
            t = len(past)
            if t < warmup_steps:
                return (t + 1) / warmup_steps * lr
            if t > total_steps:
                return min_lr
            left = (total_steps - t) / (total_steps - warmup_steps)  # from 1 to 0
            return min_lr + (lr - min_lr) * math.sin(left * math.pi / 2) ** 2

        super().__init__(optimizer, curve, min_lr)


class ReduceOnPlateau(_Any):
    def __init__(self, optimizer, factor=0.1, patience=10, threshold=1e-4, mode="min", min_lr=0.0):
        _need(0 < factor < 1, "the factor does not cut")
        for value in (patience, threshold, min_lr):
            _need(value >= 0, "a setting is negative")
        _need(mode in ("min", "max"), "there is no such mode")

        def curve(lr, past):
            best, bad = None, 0
            for metric in past:
                if math.isnan(metric):
                    good = False
                elif best is None:
                    good = True
                elif mode == "min":
                    good = metric < best - best * threshold
                else:
                    good = metric > best + best * threshold
                best, bad = (metric, 0) if good else (best, bad + 1)
                if bad == patience + 1:
                    lr, bad = lr * factor if lr * factor > min_lr else min_lr, 0
            return lr

        super().__init__(optimizer, curve, min_lr)

    def step(self, metric):
        self._remember(metric)
