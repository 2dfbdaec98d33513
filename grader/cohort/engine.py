"""Where the judges of a cohort are: on the cores of this machine (`cores`), or on a cluster (`cluster`)."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from grader.catalog import Exercise
from grader.cohort.docket import Docket


class Engine(Protocol):
    """Takes work from a docket until none is left. Open it once; it serves one run."""

    def device_for(self, exercise: Exercise) -> str:
        """Where submissions of an exercise compute: "cpu" or "cuda". Raises NoDevice."""

    def judges(self, jobs: int | None, gpu: bool) -> int:
        """How many can be at work at a time; where a GPU is used, `jobs` on each."""

    def run(self, docket: Docket) -> None:
        """Until everything is graded. Raises what ends the run early; then nothing that was told is lost."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
