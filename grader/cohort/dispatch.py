"""Hands submissions to judges and keeps what comes back. The one process that opens the gradebook.

A result is told once it is on the disk. A judge that dies is replaced; what it was grading is tried once more, then
kept as a judge error. However a run ends, the next one goes on where it stood.
"""

from __future__ import annotations

import select
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from grader.bubblewrap import find_bubblewrap
from grader.catalog import Exercise
from grader.cohort.collect import Handed
from grader.cohort.queues import Queue, Queues, Work
from grader.cohort.seat import Died, Event, Graded, Lost, Open, Seat
from grader.cohort.tally import Tally
from grader.cohort.telling import Telling
from grader.errors import UsageError
from grader.gradebook.attempt import Attempt, Footing, HandIn, Job, Key, Result
from grader.gradebook.book import Gradebook
from grader.gradebook.claims import Claim, Held
from grader.gradebook.policy import Policy
from grader.grading import Settings, find_device, find_suite
from grader.parent import Isolation
from grader.result import Report
from grader.sandbox import Mode
from grader.summary import Outcome, digest, now, sum_up

TRIES = 2  # judges that a submission may cost
STARTS = 2  # in a row that may fail before an exercise is given up
LOOK_SECONDS = 0.5  # between two looks at the state
RENEW_SECONDS = 120.0
HELD_SECONDS = 1.0  # between two looks at what another run has claimed


@dataclass
class Plan:
    """What a run is to do. The seed is one for all, so that all are asked the same, and nobody's turn matters."""

    handed: list[Handed]
    settings: Settings
    seed: int
    judges: int
    force: bool = False
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True)
class Suite:
    """The tests of an exercise, and what results by them are known by."""

    path: Path
    kind: str
    sha256: str
    lock: str


@dataclass
class Chair:
    """A place for a judge: the judge that sits there, and what it has to do."""

    seat: Seat | None = None
    work: Work | None = None
    claim: Claim | None = None
    isolation: str = ""

    @property
    def slug(self) -> str:
        return self.seat.exercise.slug if self.seat else ""


class Dispatch:
    """One run over a cohort."""

    def __init__(self, plan: Plan, book: Gradebook, tally: Tally, telling: Telling) -> None:
        self._plan, self._book, self._tally, self._telling = plan, book, tally, telling
        self._device = "cpu" if plan.settings.device == "cpu" else find_device(plan.settings.device)
        self._hope = _isolation(plan.settings.sandbox)
        self._queues = Queues(plan.handed, plan.judges)
        self._chairs = [Chair() for _ in range(plan.judges)]
        self._held: list[Work] = []
        self._suites: dict[str, Suite] = {}
        self._broken: dict[str, str] = {}  # exercises that can't be graded here, and why
        self._failed: Counter[str] = Counter()  # starts of judges, by exercise
        self._seen: set[tuple[str, str, str]] = set()
        self._renewed = self._looked = time.monotonic()

    def run(self) -> None:
        """Until everything is graded. Raises what ends the run early; then nothing that was told is lost."""
        try:
            while True:
                for chair in self._chairs:
                    if chair.work is None:
                        self._occupy(chair)
                busy = [chair for chair in self._chairs if chair.work is not None]
                if not busy and not self._held and not len(self._queues):
                    return
                self._wait(busy)
                self._tick()
        finally:
            self._queues.close()
            seats = [chair.seat for chair in self._chairs if chair.seat]
            for seat in seats:
                seat.leave()
            for seat in seats:
                seat.close()

    # --- what is to be done next

    def _occupy(self, chair: Chair) -> None:
        """Finds work for a chair, and seats a judge there if it needs one."""
        while (queue := self._queues.best(chair.slug, Counter(each.slug for each in self._chairs))) is not None:
            work = self._next(queue)
            if work is None:
                continue
            chair.work = work
            if chair.seat is None:
                chair.seat = Seat(work.exercise, self._plan.settings)
            elif chair.seat.exercise != work.exercise:
                chair.seat.open(work.exercise)
            elif chair.seat.is_open:
                self._begin(chair)
            if chair.work is not None:
                return

    def _next(self, queue: Queue) -> Work | None:
        """The next one of a queue that a judge is needed for. The others are settled here."""
        taken = queue.take()
        if isinstance(taken, Handed):
            self._tally.unread.append(f"'{taken.folder}'")
            self._telling.unread(taken.student, taken.exercise.slug)
            return None
        if not self._is_new(taken):
            self._tally.known += 1
            return None
        reason = self._reason(taken)
        if reason is None and taken.submission.problem is None:
            return taken
        job = self._job(taken, "")
        match self._book.claim(job, self._plan.force):
            case Held():
                self._held.append(taken)
            case Attempt():
                self._tally.known += 1
            case Claim():
                faults = [reason] if reason is not None and taken.submission.problem is None else []
                self._keep(taken, self._report(taken, faults))
        return None

    def _is_new(self, work: Work) -> bool:
        """Not where the same files were met before, in this run or as far as the gradebook knows."""
        handed, sha256 = work.handed, work.submission.sha256
        if work.looked_up:
            return True
        work.looked_up = True
        if handed.submitted is not None:
            late = self._late(handed)
            self._book.hand_in(HandIn(handed.student, handed.exercise.slug, sha256, handed.submitted, late))
        mark = (handed.student, handed.exercise.slug, sha256)
        if mark in self._seen:
            return False
        self._seen.add(mark)
        return self._plan.force or self._book.known(self._job(work, self._hope)) is None

    def _late(self, handed: Handed) -> float:
        submitted = handed.submitted.isoformat() if handed.submitted else None
        return self._plan.policy.late_seconds(handed.student, handed.exercise.slug, submitted, 0.0)

    def _reason(self, work: Work) -> str | None:
        """Why it can't be graded through no fault of its own."""
        if work.tries >= TRIES:
            return f"{TRIES} judges were lost on this submission, the last with: {work.lost}"
        return self._broken.get(work.exercise.slug)

    def _suite(self, exercise: Exercise) -> Suite:
        if exercise.slug not in self._suites:
            path, kind = find_suite(exercise, self._plan.settings.suite)
            lock = digest(exercise.root / "requirements.lock")
            self._suites[exercise.slug] = Suite(path, kind, digest(path), lock)
        return self._suites[exercise.slug]

    def _job(self, work: Work, isolation: str) -> Job:
        """The job, and the footing that a run with this isolation gives it; "": nothing is run."""
        suite = self._suite(work.exercise)
        key = Key(work.submission.sha256, suite.sha256, suite.lock, self._device)
        return Job(work.handed.student, work.exercise.slug, key, Footing.of(suite.kind, isolation, self._device))

    # --- what judges do

    def _begin(self, chair: Chair) -> None:
        """Gives the judge its work, unless somebody else has it or has done it."""
        assert chair.seat is not None
        assert chair.work is not None
        match self._book.claim(self._job(chair.work, chair.isolation), self._plan.force):
            case Claim() as claim:
                chair.claim = claim
                chair.seat.grade(chair.work.submission, self._plan.seed)
                return
            case Held():
                self._held.append(chair.work)
            case Attempt():
                self._tally.known += 1
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
                self._failed[chair.slug] = 0
                chair.isolation = isolation
                self._begin(chair)
            case Graded(report):
                assert chair.work is not None
                work, chair.work, chair.claim = chair.work, None, None
                self._keep(work, report)
            case Lost(reason):
                self._tally.lost.append(reason)
                self._again(chair, reason)
            case Died(reason, usage):
                if usage:
                    raise UsageError(reason)
                self._bury(chair, reason)

    def _bury(self, chair: Chair, reason: str, at_once: bool = False) -> None:
        """Frees the chair of a judge that has died, or is to."""
        assert chair.seat is not None
        self._tally.lost.append(reason)
        opened, slug = chair.seat.is_open, chair.slug
        chair.seat.close(at_once)
        chair.seat = None
        if not opened:  # it has not seen the submission
            self._failed[slug] += 1
            if self._failed[slug] >= STARTS:
                self._broken[slug] = reason
            if chair.work:
                self._queues.of(slug).put_back(chair.work)
            chair.work = None
        elif chair.work:
            self._again(chair, reason)

    def _again(self, chair: Chair, reason: str) -> None:
        """Gives back what a judge was grading when it was lost."""
        work, claim = chair.work, chair.claim
        chair.work = chair.claim = None
        assert work is not None
        if claim:
            self._book.release(claim)
        work.tries, work.lost = work.tries + 1, reason
        self._queues.of(work.exercise.slug).put_back(work)

    # --- what is kept

    def _keep(self, work: Work, report: Report) -> None:
        """Records a result, and tells it then."""
        handed = work.handed
        late = self._late(handed)
        result = Result(handed.student, report, handed.submitted, late)
        recorded = self._book.record(result, self._plan.force)
        self._tally.add(report)
        self._telling.result(recorded.attempt)

    def _report(self, work: Work, faults: list[str]) -> Report:
        """The report on a submission on which nothing was run: it can't be read as Python, or it is ours to mend."""
        suite = self._suite(work.exercise)
        outcome = Outcome(self._device, None, faults=faults)
        return sum_up(
            work.exercise, work.submission, suite.path, suite.kind, outcome, now(), 0.0, suite.kind == "hidden"
        )

    def _tick(self) -> None:
        """What is due from time to time."""
        moment = time.monotonic()
        if moment - self._renewed > RENEW_SECONDS:
            self._renewed = moment
            self._book.renew()
        if self._held and moment - self._looked > HELD_SECONDS:
            self._looked = moment
            for work in self._held:
                self._queues.of(work.exercise.slug).put_back(work)
            self._held.clear()
        left = Counter(self._queues.left())
        left.update(chair.work.exercise.slug for chair in self._chairs if chair.work)
        self._telling.state(left, sum(chair.seat is not None for chair in self._chairs))


def _isolation(mode: Mode) -> str:
    """What a run can hope for. Whether bubblewrap works here, its first judge finds out."""
    if mode is Mode.OFF or not find_bubblewrap():
        return Isolation.PROCESS.value
    return Isolation.BUBBLEWRAP.value
