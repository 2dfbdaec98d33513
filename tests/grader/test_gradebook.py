"""The gradebook: what is known is not graded again or recorded twice, and nothing worse replaces a better one."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from grader.catalog import Exercise
from grader.errors import JudgeError, UsageError
from grader.gradebook import schema
from grader.gradebook.attempt import PLAIN, Attempt, Footing, HandIn, Job, Key, Result
from grader.gradebook.book import Gradebook, Student
from grader.gradebook.claims import LEASE_SECONDS, Claim, Held
from grader.gradebook.file import File
from grader.gradebook.grades import standing_of
from grader.grading import Settings, find_suite, grade
from grader.result import Verdict
from grader.sandbox import Isolation
from grader.submission import read_submission
from grader.summary import digest
from tests.grader.cohort_of import START, cohort, result

V = Verdict


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gradebook.sqlite"


@pytest.fixture
def book(path: Path) -> Iterator[Gradebook]:
    with Gradebook.open(path) as opened:
        yield opened


# --- what is recorded


def test_an_attempt_comes_back_with_its_whole_provenance(book: Gradebook, path: Path) -> None:
    at = datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=2)))
    handed = result(points=2, seed=2**63 - 1, required="cuda", device="cuda", submitted=at, late=90.5)
    stored = book.record(handed).attempt
    where = handed.report.provenance
    assert (stored.student, stored.slug, stored.key, stored.kind) == ("ada", "ex01_double", handed.key, "hidden")
    assert (stored.seed, stored.versions, stored.python, stored.grader) == (2**63 - 1, where.versions, "3.11", "0.1")
    assert (stored.isolation, stored.required_device, stored.seconds) == ("bubblewrap", "cuda", 1.5)
    assert (stored.verdict, stored.points, stored.max_points) == (V.WRONG_ANSWER, 2, 3)
    assert (stored.started, stored.submitted, stored.late_seconds) == (
        "2026-03-01T12:00:00+00:00",
        "2026-03-02T08:00:00+00:00",
        90.5,
    )
    assert book.report(stored.id) == handed.report
    with Gradebook.read(path) as other:
        assert other.attempts() == [stored]


def test_a_result_is_there_for_others_as_soon_as_it_is_recorded(book: Gradebook, path: Path) -> None:
    with Gradebook.read(path) as reader:
        for number in range(3):
            book.record(result(submission=str(number)))
            assert len(reader.attempts()) == number + 1


def test_the_same_result_twice_is_stored_once(book: Gradebook) -> None:
    first, second = book.record(result()), book.record(result())
    assert (first.new, second.new) == (True, False)
    assert first.attempt == second.attempt
    again = book.record(result(), again=True)
    assert (again.new, again.attempt) == (False, first.attempt)


def test_a_late_second_result_of_one_key_is_stored_once_unless_it_is_wanted(book: Gradebook) -> None:
    first = book.record(result(points=3, seed=1))
    other = result(points=1, seed=2, day=1)
    assert book.record(other) == (first.attempt, False)
    wanted = book.record(other, again=True)
    assert wanted.new
    assert [each.points for each in book.attempts()] == [3, 1]


def test_two_students_may_hand_in_the_same_files(book: Gradebook) -> None:
    assert book.record(result("ada")).new
    assert book.record(result("ben")).new
    assert len(book.attempts()) == 2


@pytest.mark.parametrize("change", ["submission", "suite", "lock", "device"])
def test_what_is_known_is_known_for_its_key_alone(book: Gradebook, change: str) -> None:
    book.record(result())
    assert book.known(result(seed=2).job)
    assert book.known(result(**{change: "other"}).job) is None  # type: ignore[arg-type]
    assert book.known(result("ben").job) is None
    assert book.known(result(slug="ex02_other").job) is None


@pytest.mark.parametrize("table", schema.APPEND_ONLY)
def test_nothing_that_was_reported_can_be_changed_or_deleted(book: Gradebook, path: Path, table: str) -> None:
    from grader.gradebook.decisions import Kind, decide

    book.record(result(submitted=START))
    decide(book, "ada", "ex01_double", Kind.EXCUSE, "ill", "staff")
    connection = sqlite3.connect(path)
    column = connection.execute(f"SELECT * FROM {table}").description[0][0]
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}"):
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("points", [-1.0, math.nan])
def test_points_that_can_not_be_are_refused_and_nothing_is_stored(book: Gradebook, points: float) -> None:
    good = result(of=1, points=1)
    task = dataclasses.replace(good.report.tasks[0], max_points=points)
    bad = dataclasses.replace(good, report=dataclasses.replace(good.report, tasks=[task]))
    with pytest.raises(JudgeError, match="failed"):
        book.record(bad)
    assert book.attempts() == []


def test_a_time_without_a_zone_is_refused(book: Gradebook) -> None:
    with pytest.raises(UsageError, match="no time zone"):
        book.record(result(submitted=datetime(2026, 3, 1)))
    assert book.attempts() == []


def test_hostile_names_and_texts_are_data(book: Gradebook) -> None:
    name = "'; DROP TABLE attempt; --\x1b[2J\n\u202e=1+1"
    book.record(result(name))
    assert [each.student for each in book.attempts(name)] == [name]
    with pytest.raises(UsageError, match="not UTF-8"):
        book.record(result("\udcff"))


def test_the_roster_is_taken_over_and_renewed(book: Gradebook) -> None:
    book.record(result("ada"))
    assert book.students() == [Student("ada")]
    book.enrol([Student("ada", "Ada L.", "ada@example.org"), Student("ben")])
    book.enrol([Student("ada", "Ada Lovelace", "ada@example.org", section="B")])
    assert book.students() == [Student("ada", "Ada Lovelace", "ada@example.org", section="B"), Student("ben")]


def test_the_same_files_handed_in_twice_are_one_attempt_with_two_times(book: Gradebook) -> None:
    book.record(result(submitted=START))
    later = HandIn("ada", "ex01_double", "s1", START + timedelta(days=2), 60.0)
    for _ in range(2):
        book.hand_in(later)
    assert [each.submitted for each in book.hand_ins()] == [START, START + timedelta(days=2)]
    assert len(book.attempts()) == 1


# --- footing


def test_the_order_of_footing_is_judged_then_hidden_then_isolated_then_device() -> None:
    every = [Footing(*parts) for parts in itertools.product((False, True), repeat=4)]
    assert sorted(every) == sorted(every, key=lambda each: each.rank)
    assert [Footing.from_rank(each.rank) for each in every] == every
    assert Footing(True, True, False, False) > Footing(True, False, True, True) > Footing(False, True, True, True)
    assert Footing(True, True, True, False) > Footing(True, True, False, True)


@pytest.mark.parametrize(
    "worse",
    [
        {"verdict": V.JUDGE_ERROR, "points": 0},
        {"kind": "public", "suite": "P"},
        {"isolation": "plain process"},
        {"device": "cpu"},
    ],
    ids=lambda each: next(iter(each)),
)
@pytest.mark.parametrize("worse_is_later", [True, False])
def test_a_run_on_worse_footing_never_replaces_a_better_one(
    book: Gradebook, worse: dict[str, object], worse_is_later: bool
) -> None:
    good = result(points=1, device="cuda", required="cuda", day=0 if worse_is_later else 1)
    bad = result(**{"points": 3, "device": "cuda", "required": "cuda", "day": 1 - good_day(good), **worse})  # type: ignore[arg-type]
    for each in (good, bad) if worse_is_later else (bad, good):
        book.record(each)
    attempts = book.attempts()
    assert len(attempts) == (1 if worse_is_later and "isolation" in worse else 2)
    assert [each.points for each in standing_of(attempts)] == [1]
    assert book.known(good.job) is not None


def good_day(handed: Result) -> int:
    return (datetime.fromisoformat(handed.report.provenance.started) - START).days


def test_a_better_footing_makes_a_known_result_worth_grading_again(book: Gradebook) -> None:
    plain, boxed = result(isolation="plain process", points=3), result(points=1, day=1)
    book.record(plain)
    assert book.known(plain.job)
    assert book.known(boxed.job) is None
    assert isinstance(book.claim(boxed.job), Claim)
    assert book.record(boxed).new
    assert book.known(boxed.job) == book.known(plain.job)  # the better one answers for both
    assert book.known(plain.job).points == 1  # type: ignore[union-attr]


def test_a_judge_error_is_kept_as_a_fault_and_is_never_known(book: Gradebook) -> None:
    fault = result(verdict=V.JUDGE_ERROR, points=0)
    assert book.record(fault).new
    assert book.known(result().job) is None
    assert isinstance(book.claim(result().job), Claim)
    assert [each.verdict for each in book.attempts()] == [V.JUDGE_ERROR]


def test_what_could_not_be_run_is_as_well_founded_as_can_be(book: Gradebook) -> None:
    unread = result(isolation="", required="cuda", verdict=V.RUN_TIME_ERROR, points=0)
    assert unread.footing == (True, True, True, True)


def test_the_judges_own_report_fits_the_key_that_was_made_before_it(toy: Exercise, book: Gradebook) -> None:
    """As a cohort's run does it, with a real submission: one that can't be run, so that torch stays out."""
    path = toy.folder / "double.py"
    path.write_text("def double(x:\n")
    submission, (suite, kind) = read_submission(toy, path), find_suite(toy, "auto")
    key = Key(submission.sha256, digest(suite), digest(toy.root / "requirements.lock"), "cpu")
    job = Job("ada", toy.slug, key, Footing.of(kind, Isolation.BUBBLEWRAP, "cpu"))
    assert isinstance(book.claim(job), Claim)
    report = grade(toy, path, Settings(device="cpu"))
    stored = book.record(Result("ada", report)).attempt
    assert (stored.verdict, stored.points, stored.max_points) == (V.RUN_TIME_ERROR, 0, 3)
    assert book.known(job) == stored
    assert book.report(stored.id) == report


def test_a_plain_process_is_called_as_the_sandbox_calls_it() -> None:
    assert PLAIN == Isolation.PROCESS
    assert not Footing.of("hidden", Isolation.PROCESS, "cpu").isolated
    assert Footing.of("hidden", Isolation.BUBBLEWRAP, "cpu").isolated


# --- claims


def test_a_claim_is_held_against_others_and_ends_with_the_result(book: Gradebook, path: Path) -> None:
    job = result().job
    with Gradebook.open(path) as other:
        assert isinstance(book.claim(job), Claim)
        assert isinstance(other.claim(job), Held)
        assert isinstance(book.claim(job), Claim)  # one's own may be taken again
        stored = book.record(result()).attempt
        assert other.claim(job) == stored
        assert isinstance(other.claim(job, again=True), Claim)


def test_a_claim_is_given_back(book: Gradebook, path: Path) -> None:
    job, also = result().job, result(submission="s2").job
    with Gradebook.open(path) as other:
        taken = other.claim(job)
        assert isinstance(taken, Claim)
        other.claim(also)
        other.release(taken)
        assert isinstance(book.claim(job), Claim)
        assert isinstance(book.claim(also), Held)
    assert isinstance(book.claim(also), Claim)


@pytest.mark.parametrize(
    ("age", "held"), [(0, True), (LEASE_SECONDS - 60, True), (LEASE_SECONDS + 1, False), (-LEASE_SECONDS - 60, False)]
)
def test_on_another_machine_a_claim_lasts_as_long_as_its_lease(
    book: Gradebook, path: Path, age: float, held: bool
) -> None:
    """A renewal that lies far in the future is one by a clock that was wrong."""
    import time

    with Gradebook.open(path) as other:
        other.claim(result().job)
        with other.file.transaction() as connection:
            connection.execute("UPDATE run SET host = 'elsewhere', boot = 'x', renewed = ?", (time.time() - age,))
        assert isinstance(book.claim(result().job), Held if held else Claim)


def test_renewing_holds_a_claim(book: Gradebook, path: Path) -> None:
    with Gradebook.open(path) as other:
        other.claim(result().job)
        with other.file.transaction() as connection:
            connection.execute("UPDATE run SET renewed = 0")
        other.renew()
        assert isinstance(book.claim(result().job), Held)


def test_a_claim_from_before_a_restart_of_the_machine_is_over(book: Gradebook, path: Path) -> None:
    with Gradebook.open(path) as other:
        other.claim(result().job)
        with other.file.transaction() as connection:
            connection.execute("UPDATE run SET boot = 'an earlier one'")
        assert isinstance(book.claim(result().job), Claim)


def test_a_reused_process_number_is_another_process(book: Gradebook, path: Path) -> None:
    with Gradebook.open(path) as other:
        other.claim(result().job)
        with other.file.transaction() as connection:
            connection.execute("UPDATE run SET pid = 1, born = 'long ago'")
        assert isinstance(book.claim(result().job), Claim)


def test_two_that_make_one_gradebook_at_once_get_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, others = schema.create, []

    def create(connection: sqlite3.Connection) -> None:
        monkeypatch.setattr(schema, "create", real)
        others.append(Gradebook.open(path))  # the other one is quicker
        others[0].record(result("ben"))
        real(connection)

    monkeypatch.setattr(schema, "create", create)
    with Gradebook.open(path) as book:
        book.record(result("ada"))
        assert [each.student for each in book.attempts()] == ["ben", "ada"]
    others[0].close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


# --- random histories


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_recording_gives_the_same_standing(tmp_path: Path, seed: int) -> None:
    """Runs that end in another order, come twice, or fail in between change nothing of what stands."""
    chance = random.Random(seed)
    results = []
    for number in range(25):
        kind = chance.choice(("hidden", "public"))
        results.append(
            result(
                chance.choice(("ada", "ben")),
                points=chance.randrange(4),
                submission=chance.choice(("s1", "s2")),
                suite=kind,
                kind=kind,
                isolation=chance.choice(("bubblewrap", "plain process")),
                verdict=chance.choice((None, None, V.JUDGE_ERROR)),
                seed=number,
                day=number,
            )
        )
    standings = []
    for order in range(3):
        chance.shuffle(results)
        with Gradebook.open(tmp_path / f"{order}.sqlite") as book:
            for each in results + results[:5]:
                book.record(each, again=True)
            standings.append(sorted(map(core, by_submission(book.attempts()))))
            assert len(book.attempts()) == len(results)
    assert standings[0] == standings[1] == standings[2]


def by_submission(attempts: list[Attempt]) -> Iterator[Attempt]:
    for student in ("ada", "ben"):
        yield from standing_of(each for each in attempts if each.student == student)


def core(attempt: Attempt) -> tuple[str, str, float, int]:
    return attempt.student, attempt.key.submission, attempt.points, attempt.seed or 0


# --- versions


def test_an_older_gradebook_is_brought_up_step_by_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gradebook.open(path) as book:
        stored = book.record(result()).attempt
    steps = {2: "CREATE TABLE extra (a TEXT);\nINSERT INTO extra VALUES ('x; y');", 3: "ALTER TABLE extra ADD b TEXT;"}
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    monkeypatch.setattr(schema, "VERSION", 4)
    with Gradebook.read(path) as reader:  # reading alone brings it up too
        assert reader.attempts() == [stored]
        assert reader.file.rows("SELECT * FROM extra") == [{"a": "x; y", "b": None}]
        assert reader.file.rows("PRAGMA user_version") == [{"user_version": 4}]


def test_a_gradebook_from_before_there_was_a_bonus_is_brought_up(path: Path) -> None:
    with Gradebook.open(path) as book:
        stored = book.record(result()).attempt
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE attempt DROP COLUMN bonus")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    with Gradebook.read(path) as reader:
        assert reader.attempts() == [stored]
        assert reader.file.rows("PRAGMA user_version") == [{"user_version": 2}]


def test_a_step_that_fails_leaves_the_older_gradebook(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gradebook.open(path) as book:
        stored = book.record(result()).attempt
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", {2: "CREATE TABLE extra (a TEXT);", 3: "ALTER TABLE nothing ADD b TEXT;"})
        patch.setattr(schema, "VERSION", 4)
        with pytest.raises(JudgeError, match="failed"):
            File.open(path)
    with Gradebook.open(path) as book:
        assert book.attempts() == [stored]
        assert book.file.rows("SELECT name FROM sqlite_master WHERE name = 'extra'") == []


# --- size


def test_a_cohort_is_recorded_whole_and_reports_are_kept_small(path: Path) -> None:
    results = list(cohort(seed=3, students=10, exercises=3, attempts=2))
    with Gradebook.open(path) as book:
        for each in results:
            assert book.record(each).new
        attempts = book.attempts()
        assert [(each.student, each.slug, each.points) for each in attempts] == [
            (each.student, each.report.exercise, 0 if not each.footing.judged else each.report.points)
            for each in results
        ]
        assert all(book.report(each.id) == handed.report for each, handed in zip(attempts, results, strict=True))
        assert list(book.check()) == []
        packed = sum(row["size"] for row in book.file.rows("SELECT length(body) AS size FROM report"))
    plain = sum(len(json.dumps(dataclasses.asdict(each.report))) for each in results)
    assert packed < plain / 3


def test_times_are_stored_in_one_zone(book: Gradebook) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    book.record(result(submitted=START.astimezone(zone)))
    assert book.hand_ins()[0].submitted.tzinfo == UTC
    assert book.attempts()[0].submitted == "2026-03-01T12:00:00+00:00"
