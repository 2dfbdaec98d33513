"""Who changed between two gradings of the same cohort, by how much, and why: which tests gave another verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grader.errors import UsageError
from grader.gradebook.attempt import Attempt
from grader.gradebook.book import Gradebook
from grader.gradebook.grades import Grade, grades
from grader.result import Verdict
from grader.settings.policy import Policy
from grader.text import clean_line


@dataclass(frozen=True)
class Flip:
    """A test whose verdict is another one. None: it was not there."""

    name: str
    sentence: str
    task: int
    before: Verdict | None
    after: Verdict | None


@dataclass(frozen=True)
class Change:
    """Of one student in one exercise, before decisions by hand."""

    student: str
    slug: str
    before: float
    after: float
    before_max: float
    after_max: float
    other_submission: bool  # another one counts now
    flips: tuple[Flip, ...]

    @property
    def by(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """Of one exercise, between two of its suites."""

    slug: str
    suite_before: str
    suite_after: str
    compared: int
    changes: list[Change]  # the greatest loss first
    waiting: list[str]  # students who were graded by the first suite, and not yet by the second


def compare(book: Gradebook, slug: str, policy: Policy, before: str = "", after: str = "") -> Comparison:
    """Between two suites, named by the beginning of their hash; by default the last two that were used.

    Raises UsageError where there are none, or a beginning fits none or several.
    """
    attempts = book.attempts(slug=slug)
    suites = _suites(attempts)
    if len(suites) < 2 and not (before and after):
        raise UsageError(f"'{slug}' was graded by {len(suites)} suite so far: there is nothing to compare")
    first, second = _pick(before or suites[-2], suites), _pick(after or suites[-1], suites)
    old, new = (_by(book, slug, policy, attempts, suite) for suite in (first, second))
    both = sorted(old.keys() & new.keys())
    changes = [change for student in both for change in _change(book, old[student], new[student])]
    order = sorted(changes, key=lambda each: (each.by, each.student))
    return Comparison(slug, first, second, len(both), order, sorted(old.keys() - new.keys()))


def regraded(book: Gradebook) -> list[str]:
    """The exercises that were graded by more than one suite."""
    by_slug: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in book.attempts():
        by_slug[attempt.slug].append(attempt)
    return [slug for slug in sorted(by_slug) if len(_suites(by_slug[slug])) > 1]


def _suites(attempts: list[Attempt]) -> list[str]:
    """The hidden suites in the order in which they came into use."""
    hidden = sorted((each for each in attempts if each.footing.hidden), key=lambda each: (each.started, each.id))
    return list(dict.fromkeys(each.key.suite for each in hidden))


def _pick(beginning: str, suites: list[str]) -> str:
    found = [suite for suite in suites if suite.startswith(beginning)]
    if len(found) != 1:
        known = ", ".join(suite[:12] for suite in suites) or "none"
        raise UsageError(f"{len(found)} suites begin with '{beginning}'; those that were used are {known}")
    return found[0]


def _by(book: Gradebook, slug: str, policy: Policy, attempts: list[Attempt], suite: str) -> dict[str, Grade]:
    """Each student's computed grade, as if there were that suite alone."""
    chosen = [each for each in attempts if each.key.suite == suite]
    found = grades(book, policy, chosen, by_hand=False)
    return {each.student: each for each in found.each() if each.slug == slug and each.attempt is not None}


def _change(book: Gradebook, old: Grade, new: Grade) -> Iterator[Change]:
    assert old.attempt is not None
    assert new.attempt is not None
    flips = tuple(_flips(book.body(old.attempt.id), book.body(new.attempt.id)))
    if abs(new.points - old.points) > 1e-9 or new.max_points != old.max_points or flips:
        other = old.attempt.key.submission != new.attempt.key.submission
        points = (old.points, new.points, old.max_points, new.max_points)
        yield Change(new.student, new.slug, *points, other, flips)


def _flips(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Flip]:
    old, new = _tests(before), _tests(after)
    for name in old | new:
        one, other = old.get(name), new.get(name)
        verdicts = [Verdict(each["verdict"]) if each else None for each in (one, other)]
        if verdicts[0] is not verdicts[1]:
            shown = other or one or {}
            yield Flip(name, clean_line(shown["sentence"]), shown["task"], verdicts[0], verdicts[1])


def _tests(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By task and name: where a submission could not be read, each task holds one test of the same name."""
    return {f"{task['number']} {test['name']}": test for task in body["tasks"] for test in task["tests"]}
