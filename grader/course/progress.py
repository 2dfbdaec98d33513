"""Where a student stands, and what a graded run of the student's own files changes in that."""

from __future__ import annotations

from dataclasses import dataclass

from grader.catalog import Catalog, Exercise, Task
from grader.course.record import Record, Score
from grader.course.store import Store
from grader.errors import DojoError
from grader.result import Report, Verdict


@dataclass(frozen=True)
class Row:
    """One exercise."""

    exercise: Exercise
    best: Score | None
    last: Score | None

    @property
    def total(self) -> float:
        """Without those of bonus tasks."""
        return self.exercise.max_points

    @property
    def counts(self) -> bool:
        """Whether points were earned: by the hidden tests, or by the public ones where there are no others."""
        return self.best is not None and (self.best.founded or self.exercise.hidden_suite is None)

    @property
    def points(self) -> float:
        """An exercise that was solved stays so, also when an update has given it more points."""
        if self.best is None or not self.counts:
            return 0
        most = self.total + self.exercise.bonus_points
        return min(max(self.best.points, self.total if self.solved else 0), most)

    @property
    def solved(self) -> bool:
        return self.best is not None and self.counts and self.best.verdict is Verdict.ACCEPTED

    @property
    def task(self) -> Task | None:
        """The first task that is not passed, as far as is known; a bonus comes last."""
        passed = self.last.passed if self.last else ()
        missed = [task for task in self.exercise.tasks if task.number not in passed]
        return min(missed, key=lambda task: task.bonus, default=None)


@dataclass(frozen=True)
class Standing:
    """All exercises."""

    rows: list[Row]

    @classmethod
    def of(cls, catalog: Catalog, record: Record) -> Standing:
        return cls([row_of(exercise, record) for exercise in catalog.exercises])

    @property
    def points(self) -> float:
        return sum(row.points for row in self.rows)

    @property
    def total(self) -> float:
        return sum(row.total for row in self.rows)

    @property
    def due_points(self) -> float:
        """Without what a bonus has brought: these are all of the total when all is done, and not before."""
        return sum(min(row.points, row.total) for row in self.rows)

    @property
    def solved(self) -> int:
        return sum(row.solved for row in self.rows)

    @property
    def next(self) -> Row | None:
        """The first exercise that is not solved."""
        return next((row for row in self.rows if not row.solved), None)


def row_of(exercise: Exercise, record: Record) -> Row:
    return Row(exercise, record.best(exercise.slug), record.last(exercise.slug))


@dataclass(frozen=True)
class Advance:
    """What a run has changed."""

    solved: Row | None = None  # the exercise, where this run was the first to solve it
    standing: Standing | None = None  # then: where that leads
    finished: Record | None = None  # then: the record, where the course was finished by it for the first time
    problems: tuple[str, ...] = ()  # lines for the person


def remember(exercise: Exercise, report: Report) -> Advance:
    """Notes a run on the student's own files. What can't be noted is told, and changes nothing in the grade."""
    store = Store(exercise.root)
    try:
        advance = _note(store, exercise, Score.of(report))
    except DojoError as error:
        return Advance(problems=(*store.remarks, f"{error}; this result is not remembered"))
    return Advance(advance.solved, advance.standing, advance.finished, tuple(store.remarks))


def _note(store: Store, exercise: Exercise, score: Score) -> Advance:
    with store.change() as record:
        record.take(exercise.slug, score)
        row = row_of(exercise, record)
        if not row.solved or record.congratulated(exercise.slug):
            return Advance()
        record.congratulate(exercise.slug, score.date)
        standing = Standing.of(Catalog(exercise.root), record)
        finished = standing.next is None and not record.finished()
        if finished:
            record.finish(score.date)
        return Advance(row, standing, record if finished else None)
