"""What an instructor wants to know of a cohort, as data: distributions, hard tests, who needs help, faults of ours."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from grader.gradebook.attempt import Attempt
from grader.gradebook.book import Gradebook
from grader.gradebook.grades import Grade, Grades, Status
from grader.result import Verdict
from grader.text import clean_line

VERSION = 1
BINS = 10
HARDEST = 5  # tests that are told of an exercise
STUCK = 3  # submissions in a row that earned no more points than an earlier one
LOW = 0.5  # of the points
MESSAGE = 200  # characters
UNCOUNTED = (Verdict.ACCEPTED, Verdict.NOT_ATTEMPTED, Verdict.JUDGE_ERROR)


@dataclass(frozen=True)
class Distribution:
    """Of shares of points, from 0 to 1. The last bin holds those with all points too."""

    count: int
    mean: float
    median: float
    full: int
    bins: list[int]

    @classmethod
    def of(cls, shares: list[float]) -> Distribution:
        bins = Counter(min(int(share * BINS + 1e-9), BINS - 1) for share in shares)
        return cls(
            len(shares),
            statistics.fmean(shares) if shares else 0.0,
            statistics.median(shares) if shares else 0.0,
            sum(share >= 1 - 1e-9 for share in shares),
            [bins[number] for number in range(BINS)],
        )


@dataclass(frozen=True)
class HardTest:
    """A test that fails for many, and what it said most often."""

    name: str
    sentence: str
    task: int
    failed: int
    of: int  # students whose submission that counts has tried it
    message: str


@dataclass(frozen=True)
class ExerciseFigures:
    slug: str
    max_points: float
    statuses: dict[str, int]
    distribution: Distribution  # of those with points: graded or overridden
    hardest: list[HardTest]


@dataclass(frozen=True)
class InNeed:
    """A student whom to talk to, and why."""

    student: str
    name: str
    share: float
    reasons: list[str]


@dataclass(frozen=True)
class Fault:
    """A run in which the judge failed."""

    attempt: int
    student: str
    slug: str
    started: str
    message: str
    mended: bool  # a later run of the same submission has gone well


@dataclass(frozen=True)
class Figures:
    students: int
    attempts: int
    total: Distribution
    exercises: list[ExerciseFigures]
    in_need: list[InNeed]
    faults: list[Fault]
    weak: dict[str, int] = field(default_factory=dict)  # grades on a footing that is not the best, by what it lacks
    version: int = VERSION

    def body(self) -> dict[str, Any]:
        return {"format": "torch-dojo summary", **asdict(self)}


def figures(book: Gradebook, found: Grades) -> Figures:
    attempts = book.attempts()
    totals = [book_total for student in found.students if (book_total := found.total(student.id))[1] > 0]
    return Figures(
        students=len(found.students),
        attempts=len(attempts),
        total=Distribution.of([got / most for got, most in totals]),
        exercises=[_exercise(book, found, number) for number in range(len(found.slugs))],
        in_need=_in_need(found, attempts),
        faults=_faults(book, attempts),
        weak=dict(Counter(word for each in found.each() if each.attempt for word in each.attempt.footing.weaknesses)),
    )


def _exercise(book: Gradebook, found: Grades, number: int) -> ExerciseFigures:
    column = [found.rows[student.id][number] for student in found.students]
    shares = [each.share for each in column if each.status in (Status.GRADED, Status.OVERRIDDEN)]
    statuses = Counter(each.status.value for each in column)
    slug = found.slugs[number]
    bodies = (book.body(each.attempt.id) for each in column if each.attempt is not None)
    return ExerciseFigures(
        slug, found.max_points[slug], dict(sorted(statuses.items())), Distribution.of(shares), _hardest(bodies)
    )


def _hardest(bodies: Iterable[dict[str, Any]]) -> list[HardTest]:
    """Tests that were tried and failed, by how many. A task that is not attempted says nothing of its tests."""
    tried: Counter[tuple[int, str]] = Counter()
    said: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    sentences = {}
    for body in bodies:
        for task in body["tasks"]:
            for test in task["tests"]:
                key = (task["number"], test["name"])
                tried[key] += test["verdict"] != Verdict.NOT_ATTEMPTED
                if test["verdict"] not in UNCOUNTED:
                    sentences[key] = clean_line(test["sentence"])
                    said[key][_message(test)] += 1
    order = sorted(said, key=lambda key: (-said[key].total(), key))[:HARDEST]
    return [
        HardTest(key[1], sentences[key], key[0], said[key].total(), tried[key], said[key].most_common(1)[0][0])
        for key in order
    ]


def _message(test: dict[str, Any]) -> str:
    """What the test says, and not what it keeps from students: a summary is shown on a projector too."""
    failure = test["failure"]
    if failure is None:
        return Verdict(test["verdict"]).words
    return clean_line(f"expected {failure['expected']}; got {failure['got']}", MESSAGE)


def _in_need(found: Grades, attempts: list[Attempt]) -> list[InNeed]:
    """Those with few points, those who hand in nothing, and those who try and get no further; the lowest first."""
    tries: dict[str, dict[str, list[Attempt]]] = defaultdict(lambda: defaultdict(list))
    for attempt in attempts:
        if attempt.footing.judged:
            tries[attempt.student][attempt.slug].append(attempt)
    rows = []
    for student in found.students:
        got, most = found.total(student.id)
        share = got / most if most else 1.0
        reasons = list(_reasons(share, found.rows[student.id], tries[student.id]))
        if reasons:
            rows.append(InNeed(clean_line(student.id), clean_line(student.name), share, reasons))
    return sorted(rows, key=lambda each: (each.share, each.student))


def _reasons(share: float, row: list[Grade], tries: dict[str, list[Attempt]]) -> Iterable[str]:
    missing = sum(grade.status is Status.MISSING for grade in row)
    if share < LOW:
        yield f"{100 * share:.0f} % of the points"
    if missing:
        yield f"{missing} of {len(row)} exercises missing"
    for grade in row:
        if grade.share < 1 and _stuck(tries.get(grade.slug, [])):
            yield f"stuck in {clean_line(grade.slug)} after {grade.submissions} submissions"


def _stuck(attempts: list[Attempt]) -> bool:
    """Whether the last submissions were all different and none was better than one before."""
    first: dict[str, Attempt] = {}
    for attempt in sorted(attempts, key=lambda each: (each.submitted or each.started, each.id)):
        first.setdefault(attempt.key.submission, attempt)
    points = [attempt.points for attempt in first.values()]
    return len(points) > STUCK and max(points[-STUCK:]) <= max(points[:-STUCK])


def _faults(book: Gradebook, attempts: list[Attempt]) -> list[Fault]:
    judged = {(each.student, each.slug, each.key.submission): each.id for each in attempts if each.footing.judged}
    return [
        Fault(
            each.id,
            clean_line(each.student),
            clean_line(each.slug),
            each.started,
            _fault(book.body(each.id)),
            (each.student, each.slug, each.key.submission) in judged,
        )
        for each in attempts
        if not each.footing.judged
    ]


def _fault(body: dict[str, Any]) -> str:
    """The last line of our own traceback, where there is one."""
    for task in body["tasks"]:
        for test in task["tests"]:
            if test["verdict"] == Verdict.JUDGE_ERROR:
                failure = test["failure"] or {}
                lines = (failure.get("private") or failure.get("got") or "").strip().splitlines()
                return clean_line(f"{test['name']}: {lines[-1] if lines else 'no reason given'}", MESSAGE)
    return "no test was run"
