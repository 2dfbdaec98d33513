"""Simulated cohorts: results as the judge would make them, without running anything."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from grader.gradebook.attempt import Result
from grader.result import Failure, Provenance, Report, TaskResult, TestResult, Verdict

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e::error::[bold red]=HYPERLINK(1)"
V = Verdict


def result(
    student: str = "ada",
    slug: str = "ex01_double",
    points: float = 3,
    of: float = 3,
    *,
    submission: str = "s1",
    suite: str = "A",
    lock: str = "L",
    device: str = "cpu",
    kind: str = "hidden",
    isolation: str = "bubblewrap",
    required: str = "",
    verdict: Verdict | None = None,
    seed: int = 1,
    day: float = 0,
    submitted: datetime | None = None,
    late: float = 0,
) -> Result:
    """One task a point; the first `points` of them are passed, and `verdict` is what the others got."""
    other = verdict or V.WRONG_ANSWER
    tasks = [
        task(number, V.ACCEPTED if number <= points and other is not V.JUDGE_ERROR else other)
        for number in range(1, int(of) + 1)
    ]
    started = (START + timedelta(days=day)).isoformat()
    versions = {"torch": "2.11"}
    where = Provenance("0.1", submission, suite, lock, seed, device, isolation, "", "3.11", versions, started, 1.5)
    return Result(student, Report(slug, slug, kind, where, tasks), submitted, late, required)


def task(number: int, verdict: Verdict, tests: int = 1, got: str = "3.0") -> TaskResult:
    failure = None if verdict is V.ACCEPTED else Failure("4.0 at [0]", got, "double(x)", "Twice?", private="CANARY")
    rows = [
        TestResult(
            f"test_{number}_{each}",
            f"Idea {number}.{each} holds",
            number,
            verdict if each == 0 else V.ACCEPTED,
            0.01,
            failure if each == 0 else None,
        )
        for each in range(tests)
    ]
    return TaskResult(number, f"Task {number}", 1, ["Think."], rows)


def cohort(seed: int, students: int, exercises: int, attempts: int, tests: int = 6) -> Iterator[Result]:
    """`students` × `exercises` × `attempts` results of students of unlike ability. The same for the same seed."""
    chance = random.Random(seed)
    ability = [chance.betavariate(4, 2) for _ in range(students)]
    for exercise in range(1, exercises + 1):
        for number, able in enumerate(ability):
            for attempt in range(attempts):
                yield _simulated(chance, f"student{number:04}", exercise, attempt, able, tests)


def _simulated(chance: random.Random, student: str, exercise: int, attempt: int, able: float, tests: int) -> Result:
    fault = chance.random() < 0.002
    tasks = []
    for number in range(1, 6):
        passes = chance.random() < able + 0.1 * attempt - 0.05 * number
        verdict = (
            V.JUDGE_ERROR if fault else V.ACCEPTED if passes else chance.choice((V.WRONG_ANSWER, V.RUN_TIME_ERROR))
        )
        tasks.append(task(number, verdict, tests, chance.choice(("3.0", "nothing", HOSTILE))))
    at = START + timedelta(days=7 * exercise + attempt, minutes=chance.randrange(5000))
    where = Provenance(
        "0.1",
        f"{chance.getrandbits(256):064x}",
        f"{exercise:064x}",
        "0" * 64,
        chance.getrandbits(63),
        "cpu",
        "bubblewrap",
        "",
        "3.11.7",
        {"torch": "2.15.0"},
        at.isoformat(),
        round(chance.random() * 3, 3),
    )
    report = Report(f"ex{exercise:02}_simulated", "Simulated", "hidden", where, tasks)
    return Result(student, report, at, max(0.0, chance.gauss(-40000, 40000)))
