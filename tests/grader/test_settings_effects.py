"""What each setting does: who reads which words, what a bonus counts, which threshold and seed hold."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from rich.console import Console

from grader.__main__ import main
from grader.catalog import Catalog, Exercise
from grader.cohort.command import Options, strangers
from grader.commands.results import NAMES
from grader.course.progress import row_of
from grader.course.record import Record, Score
from grader.formats.classroom import classroom
from grader.formats.exercism import exercism
from grader.formats.gradescope import gradescope
from grader.formats.junit import junit
from grader.gradebook.book import Gradebook
from grader.gradebook.grades import grades
from grader.gradescope.bundle import bundle
from grader.gradescope.harness import Settings as Bundled
from grader.grading import Settings
from grader.live.desk import Desk
from grader.live.screen import Painter
from grader.page.advice import advice
from grader.page.render import render
from grader.page.view import page_of
from grader.report import print_report, scored
from grader.result import Failure, Place, Report, Verdict
from grader.settings.policy import Policy
from grader.settings.rules import Rules, Visibility
from grader.submission import read_submission
from grader.summary import suite_digest
from tests.browser.reports import outcome, report_of, task_of
from tests.grader.cohort_of import result

V = Verdict
SLUG = "ex01_double"
ROOT = Path(__file__).resolve().parents[2]
WORD = "CANARY-WORD"
HIDDEN = Rules(Visibility.HIDDEN).withheld()
DUE = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
FAILURE = Failure(f"{WORD} expected", f"{WORD} got", f"{WORD} call", f"{WORD} hint", Place("double.py", 1, WORD, 2))


def failing(suite: str = "hidden", verdict: Verdict = V.WRONG_ANSWER) -> Report:
    """Task 1 has a failed test whose every word is a canary, task 2 is passed."""
    one = outcome(verdict, FAILURE, printed=f"{WORD} printed", sentence=f"{WORD} sentence")
    other = replace(outcome(V.ACCEPTED, sentence=f"{WORD} passed"), name="test_b")
    errors = task_of(2, replace(other, name="test_c", task=2), title="Errors")
    return report_of(task_of(1, one, other), errors, suite=suite)


def with_bonus(*verdicts: Verdict) -> Report:
    """Tasks of 2.5 points each; the last one is a bonus."""
    tasks = [task_of(n, outcome(v, None if v is V.ACCEPTED else FAILURE)) for n, v in enumerate(verdicts, start=1)]
    return report_of(*tasks[:-1], replace(tasks[-1], bonus=True))


def drawn(report: Report, withheld: str = "", instructor: bool = False) -> dict[str, str]:
    """The terminal's report, and the page."""
    file = io.StringIO()
    print_report(Console(width=80, file=file), report, "exercises/x", instructor, withheld)
    files = {"double.py": "def double(x): ..."}
    page = render(page_of(report, files, folder="exercises/x", instructor=instructor, withheld=withheld))
    return {"terminal": file.getvalue(), "page": page}


def decoded(text: str) -> str:
    parts = re.findall(r"=([A-Za-z0-9+/]{40,}=*)$", text, re.MULTILINE)
    return "\n".join([text, *(base64.b64decode(part).decode() for part in parts)])


@pytest.fixture
def decide(course: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Exercise]:
    """Writes the toy course's `course.toml`, and gives its exercise."""
    monkeypatch.chdir(course)
    path = course / f"exercises/{SLUG}/exercise.toml"
    path.write_text(path.read_text() + "[thresholds]\naccuracy = 0.85\n")

    def write(text: str) -> Exercise:
        (course / "course.toml").write_text(text)
        return Catalog(course).find("1")

    return write


def keep(course: Path, report: Report) -> Path:
    path = course / f"reports/{SLUG}/report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.to_json())
    return path


# --- visibility: when


@pytest.mark.parametrize(
    ("visibility", "hours", "student", "kept_back"),
    [
        (Visibility.PUBLIC, -1, "", False),
        (Visibility.HIDDEN, 1000, "", True),
        (Visibility.AFTER_DUE_DATE, -1, "", True),
        (Visibility.AFTER_DUE_DATE, 0, "", False),
        (Visibility.AFTER_DUE_DATE, 1, "ada", True),  # has until the second hour
        (Visibility.AFTER_DUE_DATE, 2, "ada", False),
        (Visibility.AFTER_DUE_DATE, 1, "ben", False),
    ],
)
def test_words_are_kept_back_until_it_is_time(
    visibility: Visibility, hours: float, student: str, kept_back: bool
) -> None:
    rules = Rules(visibility, DUE, {"ada": DUE + timedelta(hours=2)})
    assert bool(rules.withheld(student, DUE + timedelta(hours=hours))) == kept_back


def test_the_reason_names_the_time() -> None:
    rules = Rules(Visibility.AFTER_DUE_DATE, DUE, {"ada": DUE + timedelta(hours=2)})
    assert "from 2026-03-01 23:59+00:00 on" in rules.withheld("", DUE - timedelta(hours=1))
    assert "from 2026-03-02 01:59+00:00 on" in rules.withheld("ada", DUE)
    assert "not set yet" in replace(rules, due=None).withheld()


# --- visibility: what


@pytest.mark.parametrize("verdict", [V.WRONG_ANSWER, V.RUN_TIME_ERROR, V.TIME_LIMIT])
def test_of_hidden_tests_the_points_of_each_task_are_told_and_no_word(verdict: Verdict) -> None:
    report = failing(verdict=verdict)
    for view, text in drawn(report, HIDDEN).items():
        assert WORD not in text, view
        assert verdict.words in text
        assert "2.5 of 5 points" in re.sub(r"<.*?>", "", text)
        assert HIDDEN in " ".join(text.split())
        assert "2 tests" not in text
        assert "of 1" not in text
    assert all(WORD in text for text in drawn(report).values())
    assert all(WORD in text for text in drawn(report, HIDDEN, instructor=True).values())


def test_the_record_that_a_student_gets_has_no_word_either() -> None:
    shown = failing().for_student(HIDDEN)
    assert WORD not in shown.to_json()
    assert (shown.points, shown.max_points, shown.verdict) == (2.5, 5, V.WRONG_ANSWER)
    assert [task.verdict for task in shown.tasks] == [V.WRONG_ANSWER, V.ACCEPTED]
    assert Report.from_json(shown.to_json()) == shown


def test_public_tests_and_what_is_wrong_with_the_file_itself_are_always_told() -> None:
    assert all(WORD in text for text in drawn(failing("public"), HIDDEN).values())
    unreadable = report_of(task_of(1, outcome(V.RUN_TIME_ERROR, FAILURE)), problem=FAILURE)
    assert all(WORD in text and HIDDEN not in text for text in drawn(unreadable, HIDDEN).values())


def test_no_form_of_the_results_says_more_but_to_an_instructor(
    decide: Callable[[str], Exercise], course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(course, failing())
    decide(f'[visibility]\n{SLUG} = "hidden"\n')
    for form in NAMES:
        assert main(["results", form, "1"]) == 0
        assert WORD not in decoded(capsys.readouterr().out), form
        assert main(["results", form, "1", "--audience=instructor"]) == 0
        assert WORD in decoded(capsys.readouterr().out), form
    decide(f'[visibility]\n{SLUG} = "public"\n')
    for form in NAMES:
        assert main(["results", form, "1"]) == 0
        assert WORD in decoded(capsys.readouterr().out), form


def test_an_extension_counts_for_its_student_alone(
    decide: Callable[[str], Exercise], course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(course, failing())
    decide(
        f'[visibility]\n{SLUG} = "after_due_date"\n[due]\n{SLUG} = 2020-01-01T00:00:00Z\n'
        f"[extensions.ada]\n{SLUG} = 2999-01-01T00:00:00Z\n"
    )
    told = {}
    for student in ("ada", "ben"):
        assert main(["results", "junit", "1", "--student", student]) == 0
        told[student] = capsys.readouterr().out
    assert WORD in told["ben"]
    assert WORD not in told["ada"]
    assert "from 2999-01-01 00:00+00:00 on" in told["ada"]


def test_a_grade_and_a_page_of_a_real_run_keep_to_it(
    decide: Callable[[str], Exercise], course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(f'bonus = ["{SLUG}.2"]\n[visibility]\ndefault = "hidden"\n[thresholds.{SLUG}]\naccuracy = 0.9\n')
    (course / f"exercises/{SLUG}/double.py").write_text("def double(x):\n    print('mine')\n    return x * 3\n")
    assert main(["report", "1", "--device=cpu"]) == 1
    page = (course / f"reports/{SLUG}/report.html").read_text()
    assert main(["grade", "1", "--device=cpu"]) == 1
    text = capsys.readouterr().out
    for each in (page, text):
        assert not [
            word for word in ("Doubling doubles", "scalar is refused", "off by", "What is twice") if word in each
        ]
        assert "Errors (bonus)" in each
        assert "0.9 in this course, and 0.85 as published" in each
    kept = Report.from_json((course / f"reports/{SLUG}/report.json").read_text())
    assert "Doubling doubles" in kept.to_json()
    assert kept.provenance.suite_sha256 == suite_digest(Catalog(course).find("1"), kept_suite(course))
    assert (kept.max_points, [task.bonus for task in kept.tasks]) == (2, [False, True])


def kept_suite(course: Path) -> Path:
    return course / f"tests/hidden/{SLUG}/test_double.py"


class _NoStation:
    """In the place of a warm judge, which takes seconds and has nothing to do here."""

    def __init__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("visibility", "told"), [("hidden", False), ("public", True)])
def test_a_watch_keeps_to_it(
    decide: Callable[[str], Exercise], course: Path, monkeypatch: pytest.MonkeyPatch, visibility: str, told: bool
) -> None:
    exercise = decide(f'[visibility]\n{SLUG} = "{visibility}"\n')
    monkeypatch.setattr("grader.live.desk.Station", _NoStation)
    report = failing()
    mine = read_submission(exercise, exercise.folder).sha256
    keep(course, replace(report, provenance=replace(report.provenance, submission_sha256=mine)))
    desk = Desk(exercise, Settings(), poll=True)
    try:
        lines = "\n".join(Painter(colour=False).screen(desk.view(), 80, 40))
    finally:
        desk.close()
        desk.join()
    assert (WORD in lines) == told
    assert "0 / 2" in lines
    assert (" fail " in lines) == told
    if not told:
        assert HIDDEN in " ".join(lines.split())


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("", [], "visible"),
        (f'[visibility]\n{SLUG} = "hidden"', [], "hidden"),
        (f'[visibility]\n{SLUG} = "after_due_date"\n[due]\n{SLUG} = 2020-01-01T00:00:00Z', [], "after_due_date"),
        (f'[visibility]\n{SLUG} = "hidden"', ["--visibility=after_published"], "after_published"),
    ],
)
def test_a_zip_for_gradescope_follows_unless_it_is_told_otherwise(
    decide: Callable[[str], Exercise], monkeypatch: pytest.MonkeyPatch, text: str, words: list[str], expected: str
) -> None:
    made: list[Bundled] = []
    monkeypatch.setattr("grader.gradescope.bundle.bundle", lambda *given: [made.append(given[2])])
    decide(text)
    assert main(["gradescope", "1", *words]) == 0
    assert [each.visibility for each in made] == [expected]


def test_the_zip_holds_the_settings_that_decide_points(
    decide: Callable[[str], Exercise], course: Path, tmp_path: Path
) -> None:
    import zipfile

    for name in ("pyproject.toml", "requirements.lock", "README.md", "LICENSE"):
        (course / name).write_text("x")
    exercise = decide(
        f'bonus = ["{SLUG}.2"]\n[seeds]\nspring = 4711\n[extensions.ada]\n{SLUG} = 2020-01-01T00:00:00Z\n'
    )
    bundle(exercise, tmp_path / "out/a.zip", Bundled("1"))
    with zipfile.ZipFile(tmp_path / "out/a.zip") as archive:
        text = archive.read("course/course.toml").decode()
    assert f'bonus = ["{SLUG}.2"]' in text
    assert not [word for word in ("4711", "ada") if word in text]


# --- bonus


@pytest.mark.parametrize(
    ("verdicts", "points", "verdict", "code"),
    [
        ((V.ACCEPTED, V.ACCEPTED), 5, V.ACCEPTED, 0),
        ((V.ACCEPTED, V.WRONG_ANSWER), 2.5, V.ACCEPTED, 0),
        ((V.ACCEPTED, V.NOT_ATTEMPTED), 2.5, V.ACCEPTED, 0),
        ((V.WRONG_ANSWER, V.ACCEPTED), 2.5, V.WRONG_ANSWER, 1),
        ((V.NOT_ATTEMPTED, V.TIME_LIMIT), 0, V.NOT_ATTEMPTED, 1),
        ((V.ACCEPTED, V.JUDGE_ERROR), 2.5, V.JUDGE_ERROR, 3),
        ((V.WRONG_ANSWER,), 0, V.WRONG_ANSWER, 1),  # an exercise that is a bonus as a whole
        ((V.ACCEPTED,), 2.5, V.ACCEPTED, 0),
    ],
)
def test_a_bonus_adds_points_and_never_costs_any(
    verdicts: tuple[Verdict, ...], points: float, verdict: Verdict, code: int
) -> None:
    report = with_bonus(*verdicts)
    assert (report.points, report.verdict, report.exit_code) == (points, verdict, code)
    assert report.max_points == 2.5 * (len(verdicts) - 1)
    assert report.bonus_points == (2.5 if verdicts[-1] is V.ACCEPTED else 0)
    assert Report.from_json(report.to_json()) == report


def test_more_points_than_there_are_read_sensibly() -> None:
    earned, missed = with_bonus(V.ACCEPTED, V.ACCEPTED), with_bonus(V.ACCEPTED, V.WRONG_ANSWER)
    assert scored(earned) == "5 of 2.5 points, 2.5 of them a bonus"
    assert scored(missed) == "2.5 of 2.5 points"
    for text in drawn(earned).values():
        assert "5 of 2.5 points, 2.5 of them a bonus" in re.sub(r"<.*?>", "", text)
        assert "Twice (bonus)" in text
    assert "A bonus is left: task 2." in drawn(missed)["terminal"]
    assert "Every task that is due passes." in advice(missed, "x").sentence
    assert advice(with_bonus(V.WRONG_ANSWER, V.WRONG_ANSWER), "x").task == 1


def test_what_is_due_is_told_before_a_bonus() -> None:
    bonus, due = (task_of(n, outcome(V.WRONG_ANSWER, FAILURE)) for n in (1, 2))
    assert advice(report_of(replace(bonus, bonus=True), due), "x").task == 2
    assert "Next: task 2." in drawn(report_of(replace(bonus, bonus=True), due))["terminal"]


@pytest.mark.parametrize("last", [V.ACCEPTED, V.WRONG_ANSWER])
def test_other_systems_get_the_same_points(last: Verdict) -> None:
    report = with_bonus(V.ACCEPTED, last).for_student()
    scope = gradescope(report)
    assert scope["score"] == sum(row["score"] for row in scope["tests"]) == report.points
    assert sum(row["max_score"] for row in scope["tests"]) == report.max_points
    assert scope["tests"][1]["max_score"] == 0
    results = classroom([report]).values()
    table = sum(each["max_score"] for each in results if each["tests"][0]["status"] == "pass")
    assert table == sum(each["tests"][0]["score"] for each in results) == report.points
    assert sum(each["max_score"] for each in results) == 2.5 + report.bonus_points
    found = {each.get("name"): each.get("value") for each in Xml.fromstring(junit([report])).iter("property")}
    assert (found["points"], found["max_points"]) == (f"{report.points:g}", "2.5")
    assert found["bonus_points"] == f"{report.bonus_points:g}"
    body = exercism(report)
    assert (body["status"], {test["status"] for test in body["tests"]}) == ("pass", {"pass"})


def test_a_gradebook_has_the_maximum_without_the_bonus(tmp_path: Path) -> None:
    whole = result(points=3, of=3)
    tasks = [replace(task, bonus=task.number == 3) for task in whole.report.tasks]
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book:
        stored = book.record(replace(whole, report=replace(whole.report, tasks=tasks))).attempt
        assert (stored.points, stored.max_points, stored.bonus) == (3, 2, 1)
        assert book.report(stored.id).bonus_points == 1
        found = grades(book, Policy(late_percent_per_day=50))
        assert found.total("ada") == (3, 2)
    assert found.rows["ada"][0].share == 1.5


def test_progress_keeps_what_a_bonus_has_brought(decide: Callable[[str], Exercise], course: Path) -> None:
    exercise = decide(f'bonus = ["{SLUG}.2"]\n')

    def row(points: float, verdict: Verdict) -> Any:
        record = Record()
        record.take(SLUG, Score(points, verdict, "hidden", "s", "2026-03-01T12:00:00+00:00", ()))
        return row_of(exercise, record)

    assert (row(3, V.ACCEPTED).points, row(3, V.ACCEPTED).total) == (3, 2)
    assert row(2, V.ACCEPTED).solved
    assert row(1, V.WRONG_ANSWER).points == 1
    assert row(99, V.ACCEPTED).points == 3
    assert row(0, V.WRONG_ANSWER).task.number == 1


# --- thresholds


def test_another_threshold_holds_is_warned_of_and_makes_other_tests(
    decide: Callable[[str], Exercise], course: Path
) -> None:
    plain, same = decide(""), decide(f"[thresholds.{SLUG}]\naccuracy = 0.85\n")
    other, bonus = decide(f"[thresholds.{SLUG}]\naccuracy = 0.9\n"), decide(f'bonus = ["{SLUG}.1"]\n')
    assert [each.thresholds["accuracy"] for each in (plain, same, other)] == [0.85, 0.85, 0.9]
    assert [len(each.rules.remarks) for each in (plain, same, other, bonus)] == [0, 0, 1, 0]
    suite = kept_suite(course)
    digests = [suite_digest(each, suite) for each in (plain, same, other, bonus)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert suite_digest(other, course / "nowhere.py") == ""


# --- seeds


def test_a_cohort_is_graded_by_its_seed(
    decide: Callable[[str], Exercise], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Options] = []
    monkeypatch.setattr("grader.cohort.command.grade_cohort", lambda _, options: asked.append(options) or 0)
    decide("[seeds]\nspring-2026 = 4711\nautumn-2026 = 0\n")
    assert main(["cohort", "class", "--cohort", "spring-2026"]) == 0
    assert main(["cohort", "class", "--cohort", "autumn-2026"]) == 0
    assert main(["cohort", "class"]) == 0
    assert [each.settings.seed for each in asked] == [4711, 0, None]
    for words, said in (
        (
            ["--cohort", "spring-2025"],
            "--cohort 'spring-2025' has no seed in 'course.toml', did you mean 'spring-2026'?",
        ),
        (["--cohort", "x"], "those that have one are spring-2026, autumn-2026"),
        (["--cohort", "spring-2026", "--seed", "3"], "are two seeds: give one of them"),
    ):
        assert main(["cohort", "class", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    assert len(asked) == 3


def test_an_extension_for_nobody_is_told() -> None:
    policy = Policy(extensions={"adda": {SLUG: DUE}, "ben": {SLUG: DUE}})
    assert strangers(policy, {"ada", "ben"}) == ["extensions.adda: nobody here is called so, did you mean 'ada'?"]


def test_another_file_gives_the_policy_and_nothing_else(
    decide: Callable[[str], Exercise], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Options] = []
    monkeypatch.setattr("grader.cohort.command.grade_cohort", lambda _, options: asked.append(options) or 0)
    decide("drop_lowest = 1\n")
    (tmp_path / "other.toml").write_text(f'drop_lowest = 2\nbonus = ["{SLUG}.1"]\n')
    assert main(["cohort", "class"]) == 0
    assert main(["cohort", "class", "--policy", str(tmp_path / "other.toml")]) == 0
    assert [each.policy.drop_lowest for each in asked] == [1, 2]
    assert not asked[1].exercises[0].rules.bonus


# --- message


@pytest.mark.parametrize("command", [[], ["status"], ["start"]])
def test_the_message_is_shown_and_cleaned(
    decide: Callable[[str], Exercise], capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    decide('message = "Office hours \\u001b[31mon Friday\\u202e.\\n::error::Bring questions."\n')
    assert main(command) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == " Office hours on Friday\N{REPLACEMENT CHARACTER}."
    assert second == " : :error: :Bring questions."
    decide("")
    assert main(command) == 0
    assert "Office hours" not in capsys.readouterr().out


def test_the_list_names_the_bonus(decide: Callable[[str], Exercise], capsys: pytest.CaptureFixture[str]) -> None:
    decide(f'bonus = ["{SLUG}.2"]\n')
    assert main(["list"]) == 0
    assert "2 points  Doubling, and 1 as a bonus" in capsys.readouterr().out


def test_a_report_from_before_there_were_settings_can_be_read() -> None:
    body = json.loads(failing().to_json())
    del body["withheld"]
    for task in body["tasks"]:
        del task["bonus"], task["told"]
    assert Report.from_json(json.dumps(body)) == failing()
