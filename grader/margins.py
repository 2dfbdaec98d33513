"""How near to their tolerances the comparisons of a suite come, on right answers: the evidence behind a tolerance.

A margin is the worst error over the tolerance: 0.02 means that the tolerance is 50 times the worst error seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NARROW = 0.5  # a margin beyond it is warned of: twice the worst error seen is little


@dataclass(frozen=True)
class Comparison:
    """The worst entry of a comparison with a tolerance."""

    dtype: str
    device: str
    error: float
    tolerance: float

    @property
    def margin(self) -> float:
        return self.error / self.tolerance if self.tolerance else float(self.error > 0)


Listener = Callable[[Comparison], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within the block, `listener` hears of every comparison. Elsewhere nobody does, and it costs nothing."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def is_heard() -> bool:
    """Whether somebody listens."""
    return _listener.get() is not None


def tell_tensor(errors: torch.Tensor, tolerances: torch.Tensor, same: torch.Tensor, dtype: str, device: str) -> None:
    """Of a comparison of tensors, `same` where both are alike, also infinite. An exact one has no margin to tell."""
    listener = _listener.get()
    if listener is None or errors.numel() == 0 or not bool((tolerances > 0).any()):
        return
    shares = (errors / tolerances).masked_fill(same, 0.0).flatten()
    worst = int(shares.argmax())
    error = 0.0 if bool(same.flatten()[worst]) else float(errors.flatten()[worst])
    listener(Comparison(dtype, device, error, float(tolerances.flatten()[worst])))


def tell_number(error: float, tolerance: float, device: str) -> None:
    """Of a comparison of two numbers."""
    listener = _listener.get()
    if listener is not None and tolerance > 0:
        listener(Comparison("float", device, error, tolerance))


@dataclass
class Margin:
    """What was seen of a test's comparisons of one dtype on one device, over all runs."""

    comparisons: int = 0
    margin: float = 0.0
    error: float = 0.0
    tolerance: float = 0.0
    submission: str = ""  # where the worst was seen


class Margins:
    """The worst margin of every test, by dtype and device. Comparisons of a test that failed do not count."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Margin] = {}  # (test, dtype, device)
        self._pending: list[Comparison] = []

    def hear(self, comparison: Comparison) -> None:
        self._pending.append(comparison)

    def settle(self, test: str, passed: bool, submission: str) -> None:
        """Books what was heard since the last time to `test`, whatever its parameters."""
        pending, self._pending = self._pending, []
        for each in pending if passed else []:
            row = self.rows.setdefault((test.partition("[")[0], each.dtype, each.device), Margin())
            row.comparisons += 1
            if row.comparisons == 1 or each.margin > row.margin:
                row.margin, row.error, row.tolerance = each.margin, each.error, each.tolerance
                row.submission = submission
