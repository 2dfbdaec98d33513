"""Where the judges of a cohort are: on the cores of this machine (`cores`), or on a cluster (`cluster`)."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from grader.cohort.docket import Docket


class Engine(Protocol):
    """Takes work from a docket until none is left. Open it once; it serves one run."""

    @property
    def device(self) -> str:
        """Where submissions compute: "cpu" or "cuda"."""

    @property
    def judges(self) -> int:
        """How many can be at work at a time."""

    def run(self, docket: Docket) -> None:
        """Until everything is graded. Raises what ends the run early; then nothing that was told is lost."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
