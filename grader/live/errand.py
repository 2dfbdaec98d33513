"""What a warm judge is doing at this moment, since when, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto


class Phase(Enum):
    """What the warm judge is doing."""

    WARMING = auto()
    IDLE = auto()
    QUICK = auto()  # tests that do not train
    TRAINING = auto()
    BROKEN = auto()  # there is none


@dataclass
class Errand:
    """One thing after another: each `turn` or `launch` begins a new one."""

    phase: Phase = Phase.WARMING
    names: list[str] = field(default_factory=list)  # of the tests that run, or ran last
    _since: float = field(default_factory=time.monotonic)
    _done: int = 0
    _started: set[str] = field(default_factory=set)  # names of tests under way

    @property
    def running(self) -> bool:
        return self.phase in (Phase.QUICK, Phase.TRAINING)

    @property
    def ticking(self) -> bool:
        """Whether its words show a clock."""
        return self.phase in (Phase.WARMING, Phase.TRAINING)

    @property
    def under_way(self) -> set[str]:
        """Names of tests; before one has started, those that will."""
        return self._started or set(self.names)

    @property
    def words(self) -> str:
        """In a few words; empty where nothing goes on."""
        seconds = int(time.monotonic() - self._since)
        return {
            Phase.WARMING: f"warming up {seconds} s",
            Phase.QUICK: f"running {min(self._done + 1, len(self.names))} of {len(self.names)}",
            Phase.TRAINING: f"training {seconds} s",
        }.get(self.phase, "")

    def turn(self, phase: Phase) -> None:
        self.phase, self._since = phase, time.monotonic()

    def launch(self, phase: Phase, names: Sequence[str]) -> None:
        self.turn(phase)
        self.names, self._done, self._started = list(names), 0, set()

    def begun(self, name: str) -> None:
        self._started.add(name)

    def ended(self, name: str) -> None:
        self._started.discard(name)
        self._done += 1
