"""What is drawn from a gradebook: tables for other systems, JSON lines, the summary, and the commands."""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.errors import JudgeError
from grader.gradebook.book import Gradebook, Student
from grader.gradebook.claims import Claim
from grader.gradebook.csvs import FORMULA, Dialect, cell, table
from grader.gradebook.decisions import Kind, decide
from grader.gradebook.figures import Distribution, figures
from grader.gradebook.grades import grades
from grader.gradebook.lines import attempt_lines
from grader.gradebook.pictures import summary
from grader.gradebook.streams import pour
from grader.result import Verdict
from grader.settings.policy import Policy
from tests.grader.cohort_of import HOSTILE, START, cohort, result

V = Verdict
DOUBLE, OTHER = "ex01_double", "ex02_other"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Gradebook]:
    with Gradebook.open(tmp_path / "gradebook.sqlite") as opened:
        yield opened


@pytest.fixture
def small(book: Gradebook) -> Gradebook:
    """ada has points, ben is excused, eve has handed in nothing, joe's submission met a fault of ours."""
    book.enrol(
        [
            Student("ada", 'Lovelace, "Ada"', "ada@example.org", "ada1", "0042", "7", "Mon"),
            Student("ben", "=HYPERLINK(1)"),
            Student("eve"),
            Student("joe"),
        ]
    )
    book.record(result("ada", points=2, late=86400))
    book.record(result("ada", OTHER, points=1, of=4))
    book.record(result("joe", verdict=V.JUDGE_ERROR, points=0))
    decide(book, "ben", DOUBLE, Kind.EXCUSE, "ill", "staff")
    decide(book, "ben", OTHER, Kind.OVERRIDE, "by mail", "staff", 3.125)
    return book


def parsed(book: Gradebook, dialect: Dialect, **more: bool) -> list[list[str]]:
    policy = Policy(late_percent_per_day=10, columns={OTHER: "Other (99)"})
    text = "".join(table(grades(book, policy), dialect, policy.columns, **more))
    assert text.count("\r\n") == text.count("\n") == text.count("\r")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


# --- CSV


def test_the_generic_table(small: Gradebook) -> None:
    head, *rows = parsed(small, Dialect.GENERIC)
    assert head[:5] == ["student", "name", "email", DOUBLE, "Other (99)"]
    assert head[5:] == ["points", "max_points", "percent", "excused", "pending", "dropped"]
    assert rows == [
        ["ada", 'Lovelace, "Ada"', "ada@example.org", "1.8", "1", "2.8", "7", "40", "", "", ""],
        ["ben", "'=HYPERLINK(1)", "", "", "3.12", "3.12", "4", "78.12", DOUBLE, "", ""],
        ["eve", "", "", "", "", "0", "7", "0", "", "", ""],
        ["joe", "", "", "", "", "0", "4", "0", "", DOUBLE, ""],
    ]


def test_the_table_for_canvas(small: Gradebook) -> None:
    assert parsed(small, Dialect.CANVAS) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", DOUBLE, "Other (99)"],
        ["    Points Possible", "", "", "", "", "3", "4"],
        ['Lovelace, "Ada"', "7", "0042", "ada1", "Mon", "1.8", "1"],
        ["'=HYPERLINK(1)", "", "", "ben", "", "EX", "3.12"],
        ["eve", "", "", "eve", "", "", ""],
        ["joe", "", "", "joe", "", "", ""],
    ]


def test_the_table_for_moodle(small: Gradebook) -> None:
    assert parsed(small, Dialect.MOODLE) == [
        ["Username", "ID number", "Email address", DOUBLE, "Other (99)"],
        ["ada1", "0042", "ada@example.org", "1.8", "1"],
        ["ben", "", "", "-", "3.12"],
        ["eve", "", "", "-", "-"],
        ["joe", "", "", "-", "-"],
    ]


def test_nothing_handed_in_is_zero_where_that_is_wanted_and_a_fault_of_ours_never(small: Gradebook) -> None:
    rows = parsed(small, Dialect.CANVAS, missing_as_zero=True)
    assert [row[5:] for row in rows[2:]] == [["1.8", "1"], ["EX", "3.12"], ["0", "0"], ["", "0"]]


@pytest.mark.parametrize("sign", FORMULA, ids=ascii)
def test_what_would_be_a_formula_is_quoted(sign: str) -> None:
    for text in (f"{sign}cmd|' /C calc'!A0", f" {sign.strip() or '='}1", f"\xa0\n{sign.strip() or '='}1"):
        assert cell(text).startswith("'"), text


@pytest.mark.parametrize("before", ["", " ", "\n", "\xa0", "\x00", "\u202e", "\u2028", "\x1b[0m"], ids=ascii)
def test_nothing_before_a_formula_makes_it_one_again(before: str) -> None:
    for sign in FORMULA:
        made = cell(f"{before}{sign}cmd|' /C calc'!A0")
        assert not made.lstrip().startswith(FORMULA)
        assert "\n" not in made


def test_a_plain_cell_is_kept_as_it_is() -> None:
    for text in ("ada", "José Ñ", "a=b", "3-4", "0042", "", 'say "hi", twice', "O'Neil"):
        assert cell(text) == text


@pytest.mark.parametrize("seed", range(20))
def test_whatever_students_are_called_the_table_is_whole_and_harmless(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    signs = ['"', ",", "\r", "\n", "\t", "=", "+", "-", "@", "'", ";", "\x1b[2J", "\u202e", "\x00", "é", "x", " "]
    names = {"".join(chance.choices(signs, k=chance.randrange(1, 9))) for _ in range(12)}
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book:
        book.enrol(Student(name, name, name, name, name, name, name) for name in names)
        book.record(result("ada", slug="=1+1"))
        for dialect in Dialect:
            rows = parsed(book, dialect)
            assert len({len(row) for row in rows}) == 1
            assert len(rows) == len(names) + (3 if dialect is Dialect.CANVAS else 2)
            for text in (text for row in rows for text in row):
                assert text == "-" or not text.lstrip().startswith(("=", "+", "-", "@"))
                assert text.isprintable() or text == "    Points Possible"


# --- JSON lines


def test_each_attempt_is_a_line_of_its_own_with_its_version(small: Gradebook) -> None:
    small.record(result(f"{HOSTILE}\n", submitted=START))
    lines = list(attempt_lines(small))
    assert all(line.endswith("\n") and line.count("\n") == 1 and line[:-1].isprintable() for line in lines)
    bodies = [json.loads(line) for line in lines]
    assert [body["student"] for body in bodies] == ["ada", "ada", "joe", f"{HOSTILE}\n"]
    for body, attempt in zip(bodies, small.attempts(), strict=True):
        assert (body["format"], body["version"], body["id"]) == ("torch-dojo attempt", 1, attempt.id)
        assert body["key"] == attempt.key._asdict()
        assert body["footing"] == attempt.footing._asdict()
        assert (body["points"], body["verdict"], body["seed"]) == (attempt.points, attempt.verdict, attempt.seed)
        assert "report" not in body
    whole = [json.loads(line) for line in attempt_lines(small, reports=True)]
    assert [body["report"] for body in whole] == [small.body(each.id) for each in small.attempts()]


def test_an_export_is_its_owners_alone_until_that_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    pour(["old"], path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    pour(["new"], path)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)


def test_an_export_that_fails_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    pour(["old\r\n"], path)

    def failing() -> Iterator[str]:
        yield "new\r\n"
        raise JudgeError("a damaged report")

    with pytest.raises(JudgeError, match="a damaged report"):
        pour(failing(), path)
    assert path.read_bytes() == b"old\r\n"
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]
    with pytest.raises(JudgeError, match="can't be written: No such file"):
        pour(["x"], tmp_path / "nowhere/out.csv")


# --- the summary


def test_a_distribution_has_everybody_in_it() -> None:
    found = Distribution.of([0, 0.05, 0.3, 0.1 + 0.2, 0.95, 1, 1])
    assert found.bins == [2, 0, 0, 2, 0, 0, 0, 0, 0, 3]
    assert (found.count, found.full, found.median) == (7, 2, pytest.approx(0.3))
    assert Distribution.of([]).bins == [0] * 10


def test_the_hardest_tests_are_those_that_most_students_fail_with_what_was_said_most(book: Gradebook) -> None:
    for number, points in enumerate((0, 1, 2, 2, 3)):
        book.record(result(f"s{number}", points=points))
    book.record(result("lazy", points=0, verdict=V.NOT_ATTEMPTED))
    book.record(result("unlucky", points=0, verdict=V.JUDGE_ERROR))
    hardest = figures(book, grades(book, Policy())).exercises[0].hardest
    assert [(each.sentence, each.task, each.failed, each.of) for each in hardest] == [
        ("Idea 3.0 holds", 3, 4, 5),
        ("Idea 2.0 holds", 2, 2, 5),
        ("Idea 1.0 holds", 1, 1, 5),
    ]
    assert hardest[0].message == "expected 4.0 at [0]; got 3.0"


def test_who_needs_help_is_told_with_the_reasons(book: Gradebook) -> None:
    book.enrol([Student("none", "Nobody"), Student("fine")])
    book.record(result("fine", points=2))
    for day, points in enumerate((2, 1, 2, 0)):
        book.record(result("stuck", points=points, submission=f"s{day}", day=day, submitted=START + timedelta(day)))
    for day, points in enumerate((0, 1, 2, 2)):
        book.record(result("rising", points=points, submission=f"s{day}", day=day, submitted=START + timedelta(day)))
    book.record(result("low", points=1))
    found = figures(book, grades(book, Policy())).in_need
    assert [(each.student, each.reasons) for each in found] == [
        ("none", ["0 % of the points", "1 of 1 exercises missing"]),
        ("low", ["33 % of the points"]),
        ("stuck", ["stuck in ex01_double after 4 submissions"]),
    ]


def test_faults_of_ours_and_weak_footings_are_told(book: Gradebook) -> None:
    book.record(result("ada", verdict=V.JUDGE_ERROR, points=0))
    book.record(result("ben", verdict=V.JUDGE_ERROR, points=0))
    book.record(result("ben", day=1))
    book.record(result("eve", isolation="plain process"))
    found = figures(book, grades(book, Policy()))
    assert [(each.student, each.mended, each.message) for each in found.faults] == [
        ("ada", False, "test_1_0: CANARY"),
        ("ben", True, "test_1_0: CANARY"),
    ]
    assert found.weak == {"without a sandbox": 1}


def test_the_summary_fits_80_columns_and_hostile_text_does_nothing(
    book: Gradebook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from grader.course.printing import show

    monkeypatch.setenv("COLUMNS", "80")
    for each in cohort(seed=4, students=30, exercises=3, attempts=2):
        book.record(each)
    book.enrol([Student(HOSTILE, HOSTILE * 5)])
    book.record(result("long", slug="ex99_" + "x" * 90))
    found = figures(book, grades(book, Policy()))
    show(summary(found))
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)
    assert "::error" not in out
    assert "[bold red]" in out  # shown, and not obeyed
    assert "32 students, 4 exercises, 181 attempts" in out
    for title in ("Total", "Tests that most people fail", "Who may need help", "Faults of ours"):
        assert title in out
    text = json.dumps(found.body())
    assert json.loads(text)["students"] == 32
    assert "CANARY" not in text.replace("test_1_0: CANARY", "")  # the tests' own code stays out


def test_a_large_cohort_comes_out_as_a_plain_sum_says(book: Gradebook) -> None:
    """A thousand results through gradebook, tables, lines and summary, against sums over the results themselves."""
    results = list(cohort(seed=7, students=50, exercises=10, attempts=2))
    for each in results:
        assert isinstance(book.claim(each.job), Claim)
        assert book.record(each).new
    best: dict[str, dict[str, float]] = defaultdict(dict)
    for each in results:
        if each.report.verdict is not V.JUDGE_ERROR:
            row, slug = best[each.student], each.report.exercise
            row[slug] = max(row.get(slug, 0.0), each.report.points)
    found = grades(book, Policy())
    sums = {student: (sum(row.values()), 5.0 * len(row)) for student, row in best.items()}
    assert {student.id: found.total(student.id) for student in found.students} == sums
    rows = list(csv.DictReader(table(found, Dialect.GENERIC, {})))
    assert {row["student"]: (float(row["points"]), float(row["max_points"])) for row in rows} == sums
    lines = [json.loads(line) for line in attempt_lines(book)]
    assert [(line["student"], line["seed"]) for line in lines] == [
        (each.student, each.report.provenance.seed) for each in results
    ]
    told = figures(book, found)
    assert (told.students, told.attempts, told.total.count) == (50, 1000, 50)
    assert told.total.mean == pytest.approx(sum(got / of for got, of in sums.values()) / 50)
    for row in told.exercises:
        assert row.distribution.count == sum(row.slug in each for each in best.values())
        assert row.distribution.full == sum(each.get(row.slug) == 5 for each in best.values())
    assert len(told.faults) == sum(each.report.verdict is V.JUDGE_ERROR for each in results)


def test_an_empty_gradebook_has_a_summary(book: Gradebook, capsys: pytest.CaptureFixture[str]) -> None:
    from grader.course.printing import show

    show(summary(figures(book, grades(book, Policy()))))
    assert "0 students, 0 exercises, 0 attempts" in capsys.readouterr().out


# --- the commands


@pytest.fixture
def at_home(course: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with a gradebook in its place."""
    monkeypatch.chdir(course)
    monkeypatch.setenv("COLUMNS", "80")
    with Gradebook.open(course / "gradebook.sqlite") as book:
        for student, points in (("ada", 1), ("ben", 3)):
            book.record(result(student, points=points, suite="A"))
        book.record(result("ada", points=2, suite="B", day=1))
        book.record(result("ben", points=3, suite="B", day=1))
    return course


def test_the_commands_work_on_the_courses_own_gradebook(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (at_home / "course.toml").write_text('[columns]\nex01_double = "Doubling"\n')
    told = {}
    for command in ("", "summary", "export", "export --format jsonl", "show ada", "check"):
        assert main(["gradebook", *command.split()]) == 0, command
        told[command], err = capsys.readouterr()
        assert err == ""
    assert "Usage: dojo gradebook" in told[""]
    assert "2 students, 1 exercise, 4 attempts" in told["summary"]
    assert told["export"].splitlines()[0].startswith("student,name,email,Doubling,")
    assert len(told["export --format jsonl"].splitlines()) == 4
    assert "ex01_double       2   3" in told["show ada"]
    assert told["check"] == "4 attempts, all sound\n"
    assert main(["regrade"]) == 0
    out = capsys.readouterr().out
    assert "ex01_double   suite A → B" in out
    assert "ada   1/3 → 2/3   +1" in out
    assert "task 2: Idea 2.0 holds: wrong answer → accepted" in out


def test_the_same_as_json(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("gradebook summary --json", "gradebook show ada --json", "regrade 1 --json"):
        assert main(command.split()) == 0
        json.loads(capsys.readouterr().out)


def test_decisions_are_made_by_number_or_slug_and_shown(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradebook", "override", "ada", "1", "2.5", "--reason", "a misprint", "--author", "staff"]) == 0
    assert main(["gradebook", "excuse", "ben", "ex01_double", "--reason", "ill"]) == 0
    capsys.readouterr()
    assert main(["gradebook", "show", "ada"]) == 0
    assert "override 2.5 by staff: a misprint" in capsys.readouterr().out
    assert main(["gradebook", "export", "--format", "canvas"]) == 0
    assert [line.split(",")[-1] for line in capsys.readouterr().out.splitlines()[2:]] == ["2.5", "EX"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("gradebook export --format xls", "--format 'xls' is not one of generic, canvas, moodle, jsonl"),
        ("gradebook summary --counts first", "counts='first' is not one of best, last"),
        ("gradebook summary --drop -1", "--drop '-1' is not a whole number"),
        ("gradebook summary --policy nope.toml", "'nope.toml' can't be read"),
        ("gradebook summary --gradebook nope.sqlite", "there is no gradebook at 'nope.sqlite'"),
        ("gradebook show eve", "there is no student 'eve'"),
        ("gradebook override ada 1 many --reason x", "POINTS='many' is not a number"),
        ("gradebook override ada 1 nan --reason x", "is not a number from 0"),
        ("gradebook override ada 1 2", "needs a reason"),
        ("gradebook override ada 77 2 --reason x", "there is no exercise '77'"),
        ("gradebook excuse eve 1 --reason x --gradebook new.sqlite", "there is no gradebook at 'new.sqlite'"),
        ("gradebook sumary", "no such command 'sumary'"),
        ("regrade 1 --before zzz", "0 suites begin with 'zzz'"),
    ],
)
def test_wrong_usage_is_a_line_and_changes_nothing(
    at_home: Path, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    before = sorted(each.name for each in at_home.iterdir() if not each.name.endswith(("-shm", "-wal")))
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert sorted(each.name for each in at_home.iterdir() if not each.name.endswith(("-shm", "-wal"))) == before


def test_nothing_here_imports_torch(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    (at_home / "torch.py").write_text("raise ImportError('torch was imported')\n")
    root = str(Path(__file__).resolve().parents[2])
    for command in ("gradebook summary", "gradebook export", "regrade"):
        done = subprocess.run(
            [sys.executable, "-m", "grader", *command.split()],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{at_home}:{root}"},
            cwd=at_home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
