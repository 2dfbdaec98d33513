"""The grade of each student and exercise: the submission that counts, less its lateness, or what was decided by hand.

Every student of the gradebook has a grade in every exercise of it, if only "missing".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from grader.gradebook.attempt import Attempt, in_utc
from grader.gradebook.book import Gradebook, Student
from grader.gradebook.decisions import Decision, Kind, decisions
from grader.settings.policy import Counts, Policy

Moment = tuple[str | None, float]  # when a submission was handed in, and the lateness that was found then


class Status(StrEnum):
    GRADED = "graded"
    OVERRIDDEN = "overridden"
    EXCUSED = "excused"
    MISSING = "missing"  # nothing was handed in
    PENDING = "pending"  # handed in, and only the judge has failed so far: no grade, and no points lost


@dataclass(frozen=True)
class Grade:
    """Of one student in one exercise."""

    student: str
    slug: str
    status: Status
    max_points: float
    points: float = 0.0  # what counts
    earned: float = 0.0  # before lateness and decisions
    penalty: float = 0.0
    late_seconds: float = 0.0
    attempt: Attempt | None = None  # that it rests on
    submitted: str | None = None
    submissions: int = 0
    unjudged: int = 0  # submissions for which only the judge has failed so far
    dropped: bool = False
    decision: Decision | None = None

    @property
    def counted(self) -> bool:
        """Whether it is part of the total."""
        return self.status not in (Status.EXCUSED, Status.PENDING) and not self.dropped

    @property
    def share(self) -> float:
        return self.points / self.max_points if self.max_points else 1.0


@dataclass(frozen=True)
class Grades:
    """Of a whole cohort."""

    students: list[Student]
    slugs: list[str]
    max_points: Mapping[str, float]
    rows: Mapping[str, list[Grade]]  # of each student, in the order of `slugs`

    def total(self, student: str) -> tuple[float, float]:
        """Points, and how many there were."""
        counted = [grade for grade in self.rows[student] if grade.counted]
        return sum(grade.points for grade in counted), sum(grade.max_points for grade in counted)

    def each(self) -> Iterable[Grade]:
        for student in self.students:
            yield from self.rows[student.id]


def grades(book: Gradebook, policy: Policy, attempts: Iterable[Attempt] | None = None, by_hand: bool = True) -> Grades:
    """By all attempts, or by some of them; with what was decided by hand, or without."""
    found = book.attempts() if attempts is None else list(attempts)
    of: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in found:
        of[attempt.student, attempt.slug].append(attempt)
    # The latest run knows how many points there are.
    most = {each.slug: each.max_points for each in sorted(found, key=lambda each: (each.started, each.id))}
    held = {(each.student, each.slug): each for each in (decisions(book) if by_hand else ())}
    slugs, students = sorted(most | {slug: 0.0 for _, slug in held if slug not in most}), book.students()
    most = {slug: most.get(slug, 0.0) for slug in slugs}
    times: dict[tuple[str, str], dict[str, list[Moment]]] = defaultdict(lambda: defaultdict(list))
    for each in book.hand_ins():
        times[each.student, each.slug][each.submission].append((in_utc(each.submitted), each.late_seconds))
    rows = {}
    for student in students:
        keys = [(student.id, slug) for slug in slugs]
        plain = [grade(*key, most[key[1]], of.get(key, []), times.get(key, {}), policy) for key in keys]
        decided = [_decided(each, held.get(key)) for key, each in zip(keys, plain, strict=True)]
        rows[student.id] = _drop(decided, policy.drop_lowest)
    return Grades(students, slugs, most, rows)


def grade(
    student: str, slug: str, most: float, attempts: list[Attempt], hand_ins: Mapping[str, list[Moment]], policy: Policy
) -> Grade:
    """By the attempts of one student in one exercise, and the times at which each submission was handed in."""
    standing = standing_of(attempts)
    judged = [each for each in standing if each.footing.judged]
    found, unjudged = len(standing), len(standing) - len(judged)
    if not judged:
        status = Status.PENDING if standing else Status.MISSING
        return Grade(student, slug, status, most, submissions=found, unjudged=unjudged)
    best_footing = max(each.footing for each in judged)
    graded = [
        _graded(each, at, most, policy)
        for each in judged
        if each.footing == best_footing
        for at in hand_ins.get(each.key.submission) or [(each.submitted, each.late_seconds)]
    ]
    order = _by_points if policy.counts is Counts.BEST else _by_time
    return replace(max(graded, key=order), submissions=found, unjudged=unjudged)


def standing_of(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Of each submission the attempt that stands: the best founded, and of several such the latest."""
    latest: dict[str, Attempt] = {}
    for attempt in sorted(attempts, key=lambda each: each.order):
        latest[attempt.key.submission] = attempt
    return list(latest.values())


def _graded(attempt: Attempt, at: Moment, most: float, policy: Policy) -> Grade:
    submitted, late_seconds = at
    late = policy.late_seconds(attempt.student, attempt.slug, submitted, late_seconds)
    penalty = policy.penalty(late)
    # One that was graded when there were fewer points keeps its share of them.
    earned = attempt.points * (most / attempt.max_points if attempt.max_points else 1)
    points = earned * (1 - penalty)
    return Grade(attempt.student, attempt.slug, Status.GRADED, most, points, earned, penalty, late, attempt, submitted)


def _by_points(grade: Grade) -> tuple[float, tuple[str, int]]:
    return grade.points, _by_time(grade)


def _by_time(grade: Grade) -> tuple[str, int]:
    assert grade.attempt is not None
    return grade.submitted or grade.attempt.started, grade.attempt.id


def _decided(grade: Grade, decision: Decision | None) -> Grade:
    if decision is None or decision.kind is Kind.WITHDRAW:
        return replace(grade, decision=decision)
    if decision.kind is Kind.EXCUSE:
        return replace(grade, status=Status.EXCUSED, points=0.0, decision=decision)
    return replace(grade, status=Status.OVERRIDDEN, points=decision.points or 0.0, decision=decision)


def _drop(row: list[Grade], count: int) -> list[Grade]:
    """Without the `count` lowest by their share of points; of equal ones those worth more. One always stays."""
    counted = sorted((each for each in row if each.counted), key=lambda each: (each.share, -each.max_points))
    out = {each.slug for each in counted[: min(count, len(counted) - 1)]}
    return [replace(each, dropped=each.slug in out) for each in row]
