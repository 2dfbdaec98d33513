"""What runs on a node of a cluster: a batch of submissions of one exercise, graded by the same judge as elsewhere.

A process of Ray's executes it, and keeps its judge for the batch after. It imports neither torch nor a submission:
those are below the judge, in their sandbox.
"""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from grader.catalog import Catalog, Exercise, find_root
from grader.cohort.seat import Died, Graded, Lost, Open, Seat
from grader.errors import UsageError
from grader.grading import Settings
from grader.submission import Submission

LOOK_SECONDS = 1.0  # between two looks at how long a judge has been silent
Wanted = TypeVar("Wanted", Open, Graded)


@dataclass(frozen=True)
class Batch:
    """Submissions of one exercise, which the node has in its copy of the course."""

    exercise: str  # its key
    settings: Settings
    seed: int
    submissions: list[Submission]


@dataclass(frozen=True)
class Answer:
    """On one submission: the report as JSON, or why a judge was lost, and whether that one had `seen` it."""

    report: str = ""
    lost: str = ""
    seen: bool = True


class Gone(Exception):
    """The judge has not said what it was to say."""


class Node:
    """One judge, for one batch after another."""

    def __init__(self) -> None:
        self._seat: Seat | None = None
        self._card = ""

    def grade(self, batch: Batch) -> list[Answer]:
        """An answer for each submission, in their order. Raises UsageError for what can't be had on this node."""
        exercise = Catalog(find_root(Path.cwd())).find(batch.exercise)
        return [self._answer(exercise, batch, submission) for submission in batch.submissions]

    def _answer(self, exercise: Exercise, batch: Batch, submission: Submission) -> Answer:
        seen = False
        try:
            seat = self._open(exercise, batch.settings)
            seen = True
            seat.grade(submission, batch.seed)
            return Answer(self._hear(seat, Graded).report.to_json())
        except Gone as gone:
            return Answer(lost=str(gone), seen=seen)

    def _open(self, exercise: Exercise, settings: Settings) -> Seat:
        """The judge of the batch before, if it is well and on the GPU that Ray gives to this one, or a new one."""
        card = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if self._seat is not None and card != self._card:
            self._close(self._seat)
        self._card = card
        if self._seat is None:
            self._seat = Seat(exercise, settings)
        elif self._seat.exercise != exercise:
            self._seat.open(exercise)
        if not self._seat.is_open:
            self._hear(self._seat, Open)
        return self._seat

    def _hear(self, seat: Seat, wanted: type[Wanted]) -> Wanted:
        """Waits for what the judge is to say. Raises Gone where it does not, and ends it unless it is well."""
        while time.monotonic() - seat.heard < seat.patience:
            select.select([seat.fileno()], [], [], LOOK_SECONDS)
            for event in seat.events():
                if isinstance(event, wanted):
                    return event
                if isinstance(event, Lost):
                    raise Gone(event.reason)
                if isinstance(event, Died):
                    self._close(seat)
                    raise UsageError(event.reason) if event.usage else Gone(event.reason)
        self._close(seat)
        raise Gone("it said nothing any more")

    def _close(self, seat: Seat) -> None:
        seat.close(at_once=True)
        self._seat = None


_here = Node()  # Ray uses a process for many tasks


def grade_batch(batch: Batch) -> list[Answer]:
    """The task of Ray."""
    return _here.grade(batch)
