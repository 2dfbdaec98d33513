"""The judges of this machine: one on each core, each of them given a submission at a time.

This process starts neither torch nor a submission. A judge that dies, or says nothing any more, is replaced.
"""

from __future__ import annotations

import os
import select
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from grader.catalog import Exercise
from grader.cohort import turns
from grader.cohort.docket import Docket
from grader.cohort.queues import Work
from grader.cohort.seat import Died, Event, Graded, Lost, Open, Seat
from grader.devices import cards, device_for
from grader.errors import UsageError
from grader.gradebook.claims import Claim
from grader.grading import Settings

LOOK_SECONDS = 0.5  # between two looks at the state


@dataclass
class Chair:
    """A place for a judge: the judge that sits there, and what it has to do."""

    card: str = ""  # the GPU that it sees, where any is used
    seat: Seat | None = None
    work: Work | None = None
    claim: Claim | None = None
    isolation: str = ""

    @property
    def slug(self) -> str:
        return self.seat.exercise.slug if self.seat else ""


class Cores:
    """This machine."""

    def __init__(self, settings: Settings) -> None:
        self._wanted = settings.device

    def device_for(self, exercise: Exercise) -> str:
        return device_for(exercise, self._wanted)

    def judges(self, jobs: int | None, gpu: bool) -> int:
        """One for each core. On GPUs one for each of them, where two would disturb each other; or as many as `jobs`."""
        if gpu:
            return (jobs or 1) * len(cards())
        if jobs is not None:
            return jobs
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def run(self, docket: Docket) -> None:
        Run(docket).run()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open between runs."""


class Run:
    """One run on this machine."""

    def __init__(self, docket: Docket) -> None:
        self._docket, self._plan = docket, docket.plan
        gpus = cards() if self._plan.gpu else [""]
        self._chairs = [Chair(gpus[number % len(gpus)]) for number in range(self._plan.judges)]

    def run(self) -> None:
        try:
            while True:
                for chair in self._chairs:
                    if chair.work is None:
                        self._occupy(chair)
                busy = [chair for chair in self._chairs if chair.work is not None]
                if not busy and self._docket.is_empty:
                    return
                self._wait(busy)
                at_work = [chair.work for chair in self._chairs if chair.work]
                self._docket.tick(at_work, sum(chair.seat is not None for chair in self._chairs))
        finally:
            self._docket.close()
            seats = [chair.seat for chair in self._chairs if chair.seat]
            for seat in seats:
                seat.leave()
            for seat in seats:
                seat.close()
            turns.clear(self._plan.settings.turns)

    def _occupy(self, chair: Chair) -> None:
        """Finds work for a chair, and seats a judge there if it needs one."""
        while chair.work is None:
            chair.work = work = self._docket.next(chair.slug, Counter(each.slug for each in self._chairs))
            if work is None:
                return
            if chair.seat is None:
                chair.seat = Seat(work.exercise, self._plan.settings, chair.card)
            elif chair.seat.exercise != work.exercise:
                chair.seat.open(work.exercise)
            elif chair.seat.is_open:
                self._begin(chair)

    def _begin(self, chair: Chair) -> None:
        """Gives the judge its work, unless somebody else has it or has done it."""
        assert chair.seat is not None
        assert chair.work is not None
        chair.claim = self._docket.claim(chair.work, chair.isolation)
        if chair.claim:
            chair.seat.grade(chair.work.submission, self._plan.seed)
        else:
            chair.work = None

    def _wait(self, busy: list[Chair]) -> None:
        """Hears judges until something has come, or it is time to look at the state."""
        seats = {chair.seat.fileno(): chair for chair in busy if chair.seat is not None}
        ready, _, _ = select.select(list(seats), [], [], LOOK_SECONDS)
        for number in ready:
            chair = seats[number]
            for event in chair.seat.events() if chair.seat else []:
                self._hear(chair, event)
        for chair in busy:
            if chair.seat and time.monotonic() - chair.seat.heard > chair.seat.patience:
                self._bury(chair, "it said nothing any more", at_once=True)

    def _hear(self, chair: Chair, event: Event) -> None:
        match event:
            case Open(isolation):
                self._docket.started(chair.slug)
                chair.isolation = isolation
                self._begin(chair)
            case Graded(report):
                assert chair.work is not None
                work, chair.work, chair.claim = chair.work, None, None
                self._docket.keep(work, report)
            case Lost(reason):
                self._docket.note(reason)
                self._again(chair, reason)
            case Died(reason, usage):
                if usage:
                    raise UsageError(reason)
                self._bury(chair, reason)

    def _bury(self, chair: Chair, reason: str, at_once: bool = False) -> None:
        """Frees the chair of a judge that has died, or is to."""
        assert chair.seat is not None
        self._docket.note(reason)
        opened, slug = chair.seat.is_open, chair.slug
        chair.seat.close(at_once)
        chair.seat = None
        if not opened:  # it has not seen the submission
            self._docket.not_started(slug, reason)
            if chair.work:
                self._docket.put_back(chair.work)
            chair.work = None
        elif chair.work:
            self._again(chair, reason)

    def _again(self, chair: Chair, reason: str) -> None:
        """Gives back what a judge was grading when it was lost."""
        work, claim = chair.work, chair.claim
        chair.work = chair.claim = None
        assert work is not None
        self._docket.lost(work, claim, reason)
