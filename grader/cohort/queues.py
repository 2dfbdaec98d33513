"""What is still to be graded, exercise by exercise, read ahead of the judges on all cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from grader.catalog import Exercise
from grader.cohort.collect import Handed
from grader.errors import UsageError
from grader.submission import Submission, read_submission

AHEAD = 3  # submissions read for each judge, at most


@dataclass
class Work:
    """A submission that was read."""

    handed: Handed
    submission: Submission
    looked_up: bool = False  # whether it is known to be new
    tries: int = 0  # judges that were lost on it
    lost: str = ""  # the last words of the last one

    @property
    def exercise(self) -> Exercise:
        return self.handed.exercise


class Queue:
    """The submissions of one exercise."""

    def __init__(self, exercise: Exercise, handed: Iterable[Handed], pool: ThreadPoolExecutor, ahead: int) -> None:
        self.exercise = exercise
        self._pool, self._most = pool, ahead
        self._waiting = deque(handed)
        self._ahead: deque[tuple[Handed, Future[Submission]]] = deque()
        self._back: deque[Work] = deque()  # that were taken and not graded

    def __len__(self) -> int:
        return len(self._back) + len(self._ahead) + len(self._waiting)

    def put_back(self, work: Work) -> None:
        self._back.append(work)

    def take(self) -> Work | Handed:
        """The next one; as it was handed in where it can't be read."""
        if self._back:
            return self._back.popleft()
        while self._waiting and len(self._ahead) < self._most:
            handed = self._waiting.popleft()
            self._ahead.append((handed, self._pool.submit(read_submission, self.exercise, handed.folder)))
        handed, reading = self._ahead.popleft()
        try:
            return Work(handed, reading.result())
        except UsageError:
            return handed


class Queues:
    """All of them. Reading starts a process for each file, and these threads only wait for it."""

    def __init__(self, handed: Iterable[Handed], judges: int) -> None:
        self._pool = ThreadPoolExecutor(judges, "reader")
        by_slug: dict[str, list[Handed]] = {}
        for each in handed:
            by_slug.setdefault(each.exercise.slug, []).append(each)
        self._queues = {
            slug: Queue(rows[0].exercise, rows, self._pool, AHEAD * judges) for slug, rows in by_slug.items()
        }

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def left(self) -> dict[str, int]:
        return {slug: len(queue) for slug, queue in self._queues.items()}

    def of(self, slug: str) -> Queue:
        return self._queues[slug]

    def best(self, present: str, judges: Mapping[str, int]) -> Queue | None:
        """Where a judge of exercise `present` should go on: there; or where most wait for each judge at work."""
        waiting = {slug: queue for slug, queue in self._queues.items() if len(queue)}
        if present in waiting:
            return waiting[present]
        return max(waiting.values(), key=lambda each: len(each) / (1 + judges.get(each.exercise.slug, 0)), default=None)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
