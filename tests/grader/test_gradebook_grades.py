"""Grades: which submission counts, what lateness costs, what is dropped or decided by hand; what a regrade changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.gradebook.attempt import HandIn
from grader.gradebook.book import Gradebook, Student
from grader.gradebook.decisions import Kind, decide, decisions
from grader.gradebook.grades import Grade, Status, grades
from grader.gradebook.regrade import compare, regraded
from grader.result import Verdict
from grader.settings.policy import Counts, Policy
from tests.grader.cohort_of import START, cohort, result

V = Verdict
DAY = 86400
SLUG = "ex01_double"
LAST = Policy(counts=Counts.LAST)
LATE = Policy(late_percent_per_day=20, late_grace_minutes=10, late_cap_percent=50)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Gradebook]:
    with Gradebook.open(tmp_path / "gradebook.sqlite") as opened:
        yield opened


def the_grade(book: Gradebook, policy: Policy | None = None, student: str = "ada", slug: str = SLUG) -> Grade:
    found = grades(book, policy or Policy())
    return found.rows[student][found.slugs.index(slug)]


def hand_in(book: Gradebook, *points: float, **more: object) -> None:
    """One submission a day, with these points."""
    for day, each in enumerate(points):
        at = START + timedelta(days=day)
        book.record(result(points=each, submission=f"s{day}", day=day, submitted=at, **more))  # type: ignore[arg-type]


# --- which submission counts


def test_the_best_or_the_last_counts(book: Gradebook) -> None:
    hand_in(book, 1, 3, 2)
    assert (the_grade(book).points, the_grade(book, LAST).points) == (3, 2)
    assert the_grade(book).submissions == 3


def test_the_last_is_the_one_that_was_handed_in_last_and_not_the_one_that_was_graded_last(book: Gradebook) -> None:
    book.record(result(points=1, submission="new", submitted=START + timedelta(days=1), day=2))
    book.record(result(points=3, submission="old", submitted=START, day=9))
    assert the_grade(book, LAST).points == 1


def test_files_that_come_again_are_handed_in_again(book: Gradebook) -> None:
    """A student goes back to an earlier version: it is known, and it is the last one all the same."""
    hand_in(book, 3, 1)
    assert the_grade(book, LAST).points == 1
    book.hand_in(HandIn("ada", SLUG, "s0", START + timedelta(days=5), 0))
    assert the_grade(book, LAST).points == 3


def test_of_two_times_of_the_best_the_one_in_time_counts(book: Gradebook) -> None:
    hand_in(book, 3)
    book.hand_in(HandIn("ada", SLUG, "s0", START + timedelta(days=5), 3 * DAY))
    assert the_grade(book, LATE).points == 3
    assert the_grade(book, Policy(counts=Counts.LAST, late_percent_per_day=10)).points == pytest.approx(3 * 0.7)


def test_a_later_run_of_the_same_files_with_a_new_suite_stands(book: Gradebook) -> None:
    book.record(result(points=3, suite="A"))
    book.record(result(points=1, suite="B", day=1))
    assert the_grade(book).points == 1


def test_a_submission_that_is_less_well_founded_does_not_count_beside_a_better_founded_one(book: Gradebook) -> None:
    book.record(result(points=1, submission="s1"))
    book.record(result(points=3, submission="s2", kind="public", suite="P", day=1))
    book.record(result(points=3, submission="s3", isolation="plain process", day=2))
    assert (the_grade(book).points, the_grade(book, LAST).points) == (1, 1)


def test_a_fault_of_ours_costs_no_points(book: Gradebook) -> None:
    book.record(result("ben", verdict=V.JUDGE_ERROR, points=0))
    ben = the_grade(book, student="ben")
    assert (ben.status, ben.counted, ben.unjudged) == (Status.PENDING, False, 1)
    hand_in(book, 2)
    book.record(result(verdict=V.JUDGE_ERROR, points=0, submission="s9", day=9))
    ada = the_grade(book, LAST)
    assert (ada.status, ada.points, ada.unjudged) == (Status.GRADED, 2, 1)


def test_who_hands_in_nothing_has_a_grade_too(book: Gradebook) -> None:
    hand_in(book, 2)
    book.enrol([Student("ben")])
    ben = the_grade(book, student="ben")
    assert (ben.status, ben.points, ben.counted) == (Status.MISSING, 0, True)
    assert grades(book, Policy()).total("ben") == (0, 3)


def test_an_exercise_that_was_given_more_points_keeps_the_share(book: Gradebook) -> None:
    book.record(result("ada", points=2, of=4))
    book.record(result("ben", points=8, of=8, suite="B", day=1))
    found = the_grade(book)
    assert (found.points, found.max_points) == (4, 8)


# --- lateness


@pytest.mark.parametrize(
    ("late", "part"),
    [
        (0, 1.0),
        (600, 1.0),  # within the grace
        (601, 0.8),
        (DAY, 0.8),
        (DAY + 600, 0.8),
        (DAY + 601, 0.6),
        (2 * DAY + 601, 0.5),  # the cap
        (1000 * DAY, 0.5),
    ],
)
def test_each_day_that_has_begun_after_the_grace_costs_up_to_the_cap(book: Gradebook, late: float, part: float) -> None:
    book.record(result(points=3, late=late))
    found = the_grade(book, LATE)
    assert found.points == pytest.approx(3 * part)
    assert (found.earned, found.penalty) == (3, pytest.approx(1 - part))


def test_an_earlier_one_in_time_may_be_better_than_a_late_one_with_more_points(book: Gradebook) -> None:
    book.record(result(points=3, of=4, submission="s1"))
    book.record(result(points=4, of=4, submission="s2", late=2 * DAY, day=3))
    assert the_grade(book, LATE).points == 3
    assert the_grade(book).points == 4


def test_deadlines_and_extensions_of_the_policy_go_before_what_was_found(book: Gradebook) -> None:
    for student in ("ada", "ben"):
        book.record(result(student, submitted=START, late=99 * DAY))
    due = {SLUG: START - timedelta(hours=1)}
    more = {"ben": {SLUG: START + timedelta(hours=1)}}
    policy = Policy(late_percent_per_day=10, due=due, extensions=more)
    assert [the_grade(book, policy, name).points for name in ("ada", "ben")] == [pytest.approx(2.7), 3]


# --- dropping


def test_the_lowest_by_share_are_dropped_and_one_stays(book: Gradebook) -> None:
    for number, (points, of) in enumerate(((1, 2), (3, 10), (6, 20), (4, 4))):
        book.record(result(slug=f"ex0{number}_x", points=points, of=of))
    totals = [grades(book, Policy(drop_lowest=count)).total("ada") for count in range(6)]
    assert totals == [(14, 36), (8, 16), (5, 6), (4, 4), (4, 4), (4, 4)]


def test_what_does_not_count_is_not_dropped_in_place_of_what_does(book: Gradebook) -> None:
    for number, points in enumerate((0, 1, 2)):
        book.record(result(slug=f"ex0{number}_x", points=points))
    decide(book, "ada", "ex00_x", Kind.EXCUSE, "ill", "staff")
    found = grades(book, Policy(drop_lowest=1))
    assert [each.dropped for each in found.rows["ada"]] == [False, True, False]
    assert found.total("ada") == (2, 3)


# --- by hand


def test_an_override_holds_until_it_is_withdrawn_and_the_log_keeps_all(book: Gradebook) -> None:
    hand_in(book, 1)
    decide(book, "ada", SLUG, Kind.OVERRIDE, "a misprint in the task", "staff", 2.5)
    hand_in(book, 1, 3)
    assert (the_grade(book).points, the_grade(book).status, the_grade(book).earned) == (2.5, Status.OVERRIDDEN, 3)
    decide(book, "ada", SLUG, Kind.EXCUSE, "ill", "dean")
    assert grades(book, Policy()).total("ada") == (0, 0)
    decide(book, "ada", SLUG, Kind.WITHDRAW, "a mix-up", "dean")
    assert (the_grade(book).points, the_grade(book).status) == (3, Status.GRADED)
    assert [(each.kind, each.points, each.reason, each.author) for each in decisions(book)] == [
        (Kind.OVERRIDE, 2.5, "a misprint in the task", "staff"),
        (Kind.EXCUSE, None, "ill", "dean"),
        (Kind.WITHDRAW, None, "a mix-up", "dean"),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"author": ""}, "needs a reason and an author"),
        ({"points": -1.0}, "is not a number from 0"),
        ({"points": float("nan")}, "is not a number from 0"),
        ({"points": None}, "is not a number from 0"),
        ({"student": "eve"}, "there is no student 'eve'"),
    ],
)
def test_a_decision_without_its_grounds_is_refused(book: Gradebook, change: dict[str, object], said: str) -> None:
    hand_in(book, 1)
    given = {"student": "ada", "reason": "why", "author": "who", "points": 1.0, **change}
    with pytest.raises(UsageError, match=said):
        decide(book, slug=SLUG, kind=Kind.OVERRIDE, **given)  # type: ignore[arg-type]
    assert decisions(book) == []


# --- properties


@pytest.mark.parametrize("seed", range(5))
def test_grades_hold_what_they_promise_for_any_cohort(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    policy = Policy(
        counts=chance.choice(tuple(Counts)),
        drop_lowest=chance.randrange(3),
        late_percent_per_day=chance.randrange(100),
        late_grace_minutes=chance.randrange(3000),
        late_cap_percent=chance.randrange(100),
    )
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book:
        for each in cohort(seed, students=8, exercises=4, attempts=3):
            book.record(each)
        found, free, best = (grades(book, each) for each in (policy, Policy(counts=policy.counts), Policy()))
    for strict, lenient, most in zip(found.each(), free.each(), best.each(), strict=True):
        assert 0 <= strict.points <= strict.max_points
        assert strict.points <= lenient.points <= most.points
        assert strict.earned * (1 - policy.late_cap_percent / 100) - 1e-9 <= strict.points
    for student in found.students:
        assert sum(each.dropped for each in found.rows[student.id]) <= policy.drop_lowest
        got, of = found.total(student.id)
        assert of > 0
        assert 0 <= got <= of


# --- regrading


def test_a_regrade_tells_who_changed_by_how_much_and_why(book: Gradebook) -> None:
    for student, old, new in (("ada", 3, 1), ("ben", 1, 2), ("eve", 2, 2), ("joe", 3, None)):
        book.record(result(student, points=old, suite="aaa1"))
        if new is not None:
            book.record(result(student, points=new, suite="bbb2", day=1))
    assert regraded(book) == [SLUG]
    found = compare(book, SLUG, Policy())
    assert (found.suite_before, found.suite_after, found.compared, found.waiting) == ("aaa1", "bbb2", 3, ["joe"])
    assert [(each.student, each.before, each.after, each.by) for each in found.changes] == [
        ("ada", 3, 1, -2),
        ("ben", 1, 2, 1),
    ]
    assert [(each.sentence, each.before, each.after) for each in found.changes[0].flips] == [
        ("Idea 2.0 holds", V.ACCEPTED, V.WRONG_ANSWER),
        ("Idea 3.0 holds", V.ACCEPTED, V.WRONG_ANSWER),
    ]
    back = compare(book, SLUG, Policy(), before="bbb", after="aaa")
    assert [each.by for each in back.changes] == [-1, 2]


def test_a_regrade_goes_by_the_submission_that_counts_under_each_suite(book: Gradebook) -> None:
    for submission, old, new in (("s1", 3, 0), ("s2", 2, 2)):
        book.record(result(points=old, submission=submission, suite="A"))
        book.record(result(points=new, submission=submission, suite="B", day=1))
    (change,) = compare(book, SLUG, Policy()).changes
    assert (change.before, change.after, change.other_submission) == (3, 2, True)


def test_tests_that_came_or_went_are_told(book: Gradebook) -> None:
    book.record(result(points=3, of=3, suite="A"))
    book.record(result(points=4, of=4, suite="B", day=1))
    (change,) = compare(book, SLUG, Policy()).changes
    assert [(each.before, each.after) for each in change.flips] == [(None, V.ACCEPTED)]
    assert (change.before_max, change.after_max) == (3, 4)


def test_an_override_hides_nothing_of_a_regrade_and_outlives_it(book: Gradebook) -> None:
    book.record(result(points=3, suite="A"))
    decide(book, "ada", SLUG, Kind.OVERRIDE, "why", "who", 1)
    book.record(result(points=0, suite="B", day=1))
    assert [each.by for each in compare(book, SLUG, Policy()).changes] == [-3]
    assert the_grade(book).points == 1


def test_a_public_run_or_a_fault_is_no_regrade(book: Gradebook) -> None:
    book.record(result(suite="A"))
    book.record(result(suite="P", kind="public", day=1))
    book.record(result(suite="B", verdict=V.JUDGE_ERROR, points=0, day=2))
    assert compare(book, SLUG, Policy(), "A", "B").waiting == ["ada"]
    with pytest.raises(UsageError, match="0 suites begin with 'P'"):
        compare(book, SLUG, Policy(), "A", "P")


@pytest.mark.parametrize(("before", "said"), [("x", "0 suites begin with 'x'"), ("a", "2 suites begin with 'a'")])
def test_a_beginning_that_names_no_suite_or_several_is_refused(book: Gradebook, before: str, said: str) -> None:
    for day, suite in enumerate(("a1", "a2")):
        book.record(result(suite=suite, day=day))
    with pytest.raises(UsageError, match=said):
        compare(book, SLUG, Policy(), before)


def test_with_one_suite_there_is_nothing_to_compare(book: Gradebook) -> None:
    book.record(result())
    assert regraded(book) == []
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(book, SLUG, Policy())
