"""Where a student stands, what a run changes in that, and the words and the card for what is done."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text

from grader.catalog import Catalog, Exercise
from grader.course.congratulations import card, curve, word
from grader.course.overview import EMPTY, FULL, bar, overview
from grader.course.progress import Advance, Standing, remember
from grader.course.record import Record, Score
from grader.course.store import Store
from grader.result import Provenance, Report, TaskResult, TestResult, Verdict

DATE = "2026-11-21T10:00:00+00:00"
OTHER = "ex02_triple"


@pytest.fixture(autouse=True)
def by_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")


@pytest.fixture
def two(course: Path) -> Path:
    """The toy course with a second exercise, which has no hidden tests."""
    shutil.copytree(course / "exercises/ex01_double", course / "exercises" / OTHER)
    toml = course / "exercises" / OTHER / "exercise.toml"
    toml.write_text(toml.read_text().replace("Doubling", "Tripling"))
    return course


def report(first: Verdict, second: Verdict, suite: str = "hidden", slug: str = "ex01_double") -> Report:
    where = Provenance("0.1", "5ab" * 20, "b", "c", 1, "cpu", "bubblewrap", "", "3.11", {}, DATE, 1.5)
    tasks = [
        TaskResult(number, title, points, ["h"], [TestResult("test_a", "It works", number, verdict, 0.1)])
        for number, title, points, verdict in ((1, "Twice", 2, first), (2, "Errors", 1, second))
    ]
    return Report(slug, "Doubling", suite, where, tasks)


HALF = report(Verdict.ACCEPTED, Verdict.WRONG_ANSWER)
ALL = report(Verdict.ACCEPTED, Verdict.ACCEPTED)


def lines(of: object) -> list[str]:
    return [line.plain for line in of]  # type: ignore[attr-defined]


def stands(root: Path) -> Standing:
    return Standing.of(Catalog(root), Store(root).read())


# --- what a run changes


def test_a_run_is_remembered_with_its_hash_its_date_and_the_tasks_that_passed(toy: Exercise) -> None:
    assert remember(toy, HALF) == Advance()
    assert Store(toy.root).read().best(toy.slug) == Score(2, Verdict.WRONG_ANSWER, "hidden", "5ab" * 20, DATE, (1,))
    row = stands(toy.root).rows[0]
    assert (row.points, row.solved, row.task) == (2, False, toy.tasks[1])


def test_the_first_full_marks_are_told_once_and_the_course_is_finished_once(two: Path) -> None:
    one, other = Catalog(two).exercises
    first = remember(one, ALL)
    assert (first.solved is not None, first.finished) == (True, None)
    assert remember(one, ALL) == Advance()
    last = remember(other, replace(ALL, exercise=OTHER, suite="public"))
    assert last.finished is not None
    remember(one, HALF)
    assert remember(one, ALL) == Advance()
    assert stands(two).next is None


def test_public_tests_earn_points_only_where_there_are_no_others(two: Path) -> None:
    public = report(Verdict.ACCEPTED, Verdict.ACCEPTED, "public")
    for exercise in Catalog(two).exercises:
        remember(exercise, public)
    one, other = stands(two).rows
    assert (one.points, one.solved, other.points, other.solved) == (0, False, 3, True)
    assert "by the public tests only  – / 3" in "\n".join(lines(overview(stands(two), 80)))


def test_a_judge_error_changes_nothing(toy: Exercise) -> None:
    remember(toy, HALF)
    remember(toy, report(Verdict.ACCEPTED, Verdict.JUDGE_ERROR))
    assert stands(toy.root).rows[0].points == 2


def test_what_can_not_be_remembered_is_a_line_and_no_error(toy: Exercise) -> None:
    (toy.root / ".dojo").write_text("a file")
    (problem,) = remember(toy, ALL).problems
    assert problem.endswith("File exists; this result is not remembered")


def test_a_later_record_is_left_alone_by_a_run(toy: Exercise) -> None:
    (toy.root / ".dojo").mkdir()
    (toy.root / ".dojo/state.json").write_text('{"version": 7}')
    assert "later Torch Dojo" in remember(toy, ALL).problems[0]
    assert (toy.root / ".dojo/state.json").read_text() == '{"version": 7}'


def test_an_update_that_adds_points_leaves_a_solved_exercise_solved(toy: Exercise) -> None:
    remember(toy, ALL)
    toml = toy.folder / "exercise.toml"
    toml.write_text(toml.read_text().replace("points = 2", "points = 5"))
    row = stands(toy.root).rows[0]
    assert (row.solved, row.points, row.total) == (True, 6, 6)


# --- what is shown


def test_the_overview_shows_points_the_next_exercise_and_what_to_type(two: Path) -> None:
    remember(Catalog(two).find("1"), HALF)
    shown = lines(overview(stands(two), 80))
    assert max(map(len, shown)) <= 80
    assert shown[0].split() == ["Torch", "Dojo", "2", "of", "6", "points"]
    assert shown[3].split() == ["›", "✗", "1", "Doubling", "2", "/", "3"]
    assert shown[4].split() == ["·", "2", "Tripling", "–", "/", "3"]
    assert shown[6] == " Next: exercise 1, task 2"
    assert [line.split("   ")[1] for line in shown[7:]] == ["make read EX=1", "make watch EX=1", "make hint EX=1"]


def test_at_first_the_way_in_is_shown(toy: Exercise) -> None:
    assert "make start" in "\n".join(lines(overview(stands(toy.root), 80)))


def test_a_narrow_terminal_cuts_titles_and_never_points(toy: Exercise) -> None:
    remember(toy, HALF)
    shown = lines(overview(stands(toy.root), 24))
    assert max(map(len, shown)) <= 24
    assert shown[3].endswith(" 2 / 3")


@pytest.mark.parametrize(("points", "full"), [(0, 0), (0.01, 1), (50, 36), (99.99, 71), (100, 72)])
def test_a_bar_is_full_only_at_the_end_and_empty_only_at_the_beginning(points: float, full: int) -> None:
    line = bar(points, 100, 80).plain
    assert (line.count(FULL), line.count(EMPTY), len(line)) == (full, 72 - full, 79)
    assert line.endswith(f"{int(points)} %")


def test_a_solved_exercise_has_a_word_and_the_next_step(two: Path) -> None:
    shown = lines(word(remember(Catalog(two).find("1"), ALL), 80))
    assert shown == [
        "",
        "Exercise 1 is solved, all 3 points.",
        "1 of 2 solved, 3 of 6 points.",
        "Next: Tripling.  make read EX=2  make watch EX=2",
    ]
    assert lines(word(Advance(), 80)) == []


def test_the_card_has_the_days_the_sums_and_a_curve_of_ones_own(two: Path) -> None:
    record = Record()
    days = {"ex01_double": "2026-12-30T12:00:00+00:00", OTHER: "2027-01-02T12:00:00+00:00"}
    for slug, day in days.items():
        record.take(slug, Score(3, Verdict.ACCEPTED, "hidden", "ab", day, (1, 2)))
    record.see_hints(OTHER, 1, 1)
    record.confirm(OTHER, DATE)
    standing = Standing.of(Catalog(two), record)
    shown = lines(card(standing, record, 80))
    assert {len(line) for line in shown} == {80}
    assert len(shown) <= 20
    text = "\n".join(shown)
    assert "30 December 2026 to 2 January 2027" in text
    assert "6 points  ·  2 exercises  ·  1 hint  ·  1 solution read before" in text
    rows = lines(curve(standing, 76))
    assert [rows[0].count(FULL), rows[3].count(FULL), rows[4].count(FULL)] == [22, 22, 44]  # all points, half, half
    assert rows[-1].split() == ["1", "2"]


def test_a_long_course_still_fits_on_the_card(toy: Exercise) -> None:
    rows = [replace(stands(toy.root).rows[0], exercise=replace(toy, number=number)) for number in range(1, 19)]
    drawn: list[Text] = list(card(Standing(rows), Record(), 80))
    assert {line.cell_len for line in drawn} == {80}


def test_the_record_on_disk_is_the_documented_form(toy: Exercise) -> None:
    remember(toy, HALF)
    body = json.loads((toy.root / ".dojo/state.json").read_text())
    assert body["version"] == 1
    assert body["exercises"][toy.slug]["best"] == {
        "date": DATE,
        "passed": [1],
        "points": 2,
        "submission": "5ab" * 20,
        "suite": "hidden",
        "verdict": "wrong_answer",
    }
