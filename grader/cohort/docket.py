"""What a run over a cohort has to do, and what is kept of it: the one part that opens the gradebook.

An engine takes work from here, has it graded wherever it likes, and brings the report back. A result is told once it is
on the disk. What was lost on the way is tried once more, then kept as a judge error. However a run ends, the next one
goes on where it stood.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grader.bubblewrap import find_bubblewrap
from grader.catalog import Exercise
from grader.cohort.collect import Handed
from grader.cohort.queues import Queue, Queues, Work
from grader.cohort.tally import Tally
from grader.cohort.telling import Telling
from grader.gradebook.attempt import Attempt, Footing, HandIn, Job, Key, Result
from grader.gradebook.book import Gradebook
from grader.gradebook.claims import Claim, Held
from grader.grading import Settings, find_suite
from grader.parent import Isolation
from grader.result import Report
from grader.sandbox import Mode
from grader.settings.policy import Policy
from grader.summary import Outcome, digest, now, suite_digest, sum_up

TRIES = 2  # judges that a submission may cost
STARTS = 2  # in a row that may fail before an exercise is given up
RENEW_SECONDS = 120.0
HELD_SECONDS = 1.0  # between two looks at what another run has claimed


@dataclass
class Plan:
    """What a run is to do. The seed is one for all, so that all are asked the same, and nobody's turn matters."""

    handed: list[Handed]
    settings: Settings
    devices: Mapping[str, str]  # where each exercise is graded, by its slug
    seed: int
    judges: int
    force: bool = False
    policy: Policy = field(default_factory=Policy)

    @property
    def gpu(self) -> bool:
        """Whether any GPU is used."""
        return "cuda" in self.devices.values()


@dataclass(frozen=True)
class Suite:
    """The tests of an exercise, and what results by them are known by."""

    path: Path
    kind: str
    sha256: str
    lock: str


class Docket:
    """The work of one run: what is next, who has it, what came of it."""

    def __init__(self, plan: Plan, book: Gradebook, tally: Tally, telling: Telling) -> None:
        self.plan = plan
        self._book, self._tally, self._telling = book, tally, telling
        self._hope = _isolation(plan.settings.sandbox)
        self._queues = Queues(plan.handed, plan.judges)
        self._held: list[Work] = []
        self._suites: dict[str, Suite] = {}
        self._broken: dict[str, str] = {}  # exercises that can't be graded here, and why
        self._failed: Counter[str] = Counter()  # starts of judges, by exercise
        self._seen: set[tuple[str, str, str]] = set()
        self._renewed = self._looked = time.monotonic()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left but what is being graded."""
        return not self._held and not len(self)

    def __len__(self) -> int:
        """How many wait to be looked at."""
        return len(self._queues)

    def close(self) -> None:
        self._queues.close()

    # --- what is to be done next

    def next(self, present: str, judges: Counter[str]) -> Work | None:
        """What a judge of exercise `present` ("": of none yet) is to do, if `judges` are at work on others.

        It is not claimed yet. None where nothing waits at this moment.
        """
        while (queue := self._queues.best(present, judges)) is not None:
            if (work := self._settle(queue)) is not None:
                return work
        return None

    def _settle(self, queue: Queue) -> Work | None:
        """The next one of a queue, if a judge is needed for it. If not, what it comes to is kept here."""
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
        if self._claim(taken, ""):
            faults = [reason] if reason is not None and taken.submission.problem is None else []
            self.keep(taken, self._report(taken, faults))
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
        return self.plan.force or self._book.known(self._job(work, self._hope)) is None

    def _late(self, handed: Handed) -> float:
        submitted = handed.submitted.isoformat() if handed.submitted else None
        return self.plan.policy.late_seconds(handed.student, handed.exercise.slug, submitted, 0.0)

    def _reason(self, work: Work) -> str | None:
        """Why it can't be graded through no fault of its own."""
        if work.tries >= TRIES:
            return f"{TRIES} judges were lost on this submission, the last with: {work.lost}"
        return self._broken.get(work.exercise.slug)

    # --- what engines say of it

    def claim(self, work: Work, isolation: str | None = None) -> Claim | None:
        """Makes the work this run's, unless another run has it or has done it. `isolation`: where it is known already.

        None: there is nothing to do with it for now.
        """
        return self._claim(work, self._hope if isolation is None else isolation)

    def _claim(self, work: Work, isolation: str) -> Claim | None:
        match self._book.claim(self._job(work, isolation), self.plan.force):
            case Claim() as claim:
                return claim
            case Held():
                self._held.append(work)
            case Attempt():
                self._tally.known += 1
        return None

    def keep(self, work: Work, report: Report) -> None:
        """Records a result, which ends its claim, and tells it then."""
        handed = work.handed
        required = work.exercise.required_device
        result = Result(handed.student, report, handed.submitted, self._late(handed), required)
        recorded = self._book.record(result, self.plan.force)
        self._tally.add(report)
        self._telling.result(recorded.attempt)

    def put_back(self, work: Work) -> None:
        """Work that no judge has seen."""
        self._queues.of(work.exercise.slug).put_back(work)

    def release(self, claim: Claim) -> None:
        """Gives up what was claimed and not graded."""
        self._book.release(claim)

    def lost(self, work: Work, claim: Claim | None, reason: str) -> None:
        """Work that a judge has taken with it."""
        if claim:
            self.release(claim)
        work.tries, work.lost = work.tries + 1, reason
        self.put_back(work)

    def note(self, reason: str) -> None:
        """That a judge was lost, for the end of the run."""
        self._tally.lost.append(reason)

    def started(self, slug: str) -> None:
        self._failed[slug] = 0

    def not_started(self, slug: str, reason: str) -> None:
        """A judge has died before it could grade: an exercise with which that goes on is given up."""
        self._failed[slug] += 1
        if self._failed[slug] >= STARTS:
            self._broken[slug] = reason

    def tick(self, at_work: Iterable[Work], judges: int) -> None:
        """What is due from time to time."""
        moment = time.monotonic()
        if moment - self._renewed > RENEW_SECONDS:
            self._renewed = moment
            self._book.renew()
        if self._held and moment - self._looked > HELD_SECONDS:
            self._looked = moment
            for work in self._held:
                self.put_back(work)
            self._held.clear()
        left = Counter(self._queues.left())
        left.update(work.exercise.slug for work in at_work)
        self._telling.state(left, judges)

    # --- what a result is known by

    def suite(self, exercise: Exercise) -> Suite:
        if exercise.slug not in self._suites:
            path, kind = find_suite(exercise, self.plan.settings.suite)
            lock = digest(exercise.root / "requirements.lock")
            self._suites[exercise.slug] = Suite(path, kind, suite_digest(exercise, path), lock)
        return self._suites[exercise.slug]

    def _job(self, work: Work, isolation: str) -> Job:
        """The job, and the footing that a run with this isolation gives it; "": nothing is run."""
        exercise, suite = work.exercise, self.suite(work.exercise)
        device = self.plan.devices[exercise.slug]
        key = Key(work.submission.sha256, suite.sha256, suite.lock, device)
        footing = Footing.of(suite.kind, isolation, device, exercise.required_device)
        return Job(work.handed.student, exercise.slug, key, footing)

    def _report(self, work: Work, faults: list[str]) -> Report:
        """The report on a submission on which nothing was run: it can't be read as Python, or it is ours to mend."""
        suite = self.suite(work.exercise)
        outcome = Outcome(self.plan.devices[work.exercise.slug], None, faults=faults)
        return sum_up(
            work.exercise, work.submission, suite.path, suite.kind, outcome, now(), 0.0, suite.kind == "hidden"
        )


def _isolation(mode: Mode) -> str:
    """What a run can hope for. Whether bubblewrap works here, its first judge finds out."""
    if mode is Mode.OFF or not find_bubblewrap():
        return Isolation.PROCESS.value
    return Isolation.BUBBLEWRAP.value
