"""Reports as other systems read them: each form keeps to what that system documents, and all agree on the points."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from grader.__main__ import main
from grader.commands.results import NAMES
from grader.formats.classroom import classroom, outputs
from grader.formats.command import FORMATS
from grader.formats.exercism import exercism
from grader.formats.github import MOST_ANNOTATIONS, annotate, summary
from grader.formats.gradescope import gradescope
from grader.formats.junit import junit
from grader.result import Failure, Place, Provenance, Report, TaskResult, TestResult, Verdict

V = Verdict
SLUG = "ex03_training_loop"
HOSTILE = (
    "\x1b[31mred\x1b[0m\n::error::owned\n##[error]owned\n::set-output name=x::y\n"
    "</pre><script>alert(1)</script>]]>&lt; | `x` %0A::stop-commands::x\x00\x08\ud800 [a](javascript:b)"
)
CANARY = "CANARY-PRIVATE-55d1"


def outcome(number: int, verdict: Verdict, text: str = "3.0", place: bool = False) -> TestResult:
    where = Place("training_loop.py", 12, f"return {text}", 3) if place else None
    failure = None if verdict is V.ACCEPTED else Failure(text, text, f"f({text})", text, where, CANARY)
    return TestResult(f"test_{number}", f"Idea {number}: {text}", 1, verdict, 0.25, failure, text)


def report(*verdicts: Verdict, text: str = "3.0", place: bool = False, **more: Any) -> Report:
    """A task of two tests for each verdict: a passed one, and one with that verdict; task n is worth n points."""
    tasks = [
        TaskResult(
            number, f"Task {text}", number, ["Think."],
            [outcome(1, V.ACCEPTED, text), outcome(2, verdict, text, place)],
        )
        for number, verdict in enumerate(verdicts, start=1)
    ]  # fmt: skip
    where = Provenance("0.1", "a" * 64, "b" * 64, "c" * 64, 77, "cpu", "bubblewrap", "", "3.11.2", {"torch": "2.15"},
                       "2026-03-01T12:00:00+00:00", 4.5)  # fmt: skip
    return Report(SLUG, f"Title {text}", more.pop("suite", "hidden"), where, tasks, **more).for_student()


MIXED = report(V.ACCEPTED, V.WRONG_ANSWER, V.NOT_ATTEMPTED, V.TIME_LIMIT)
RIGHT = report(V.ACCEPTED, V.ACCEPTED)
UNTOUCHED = report(V.NOT_ATTEMPTED)
BROKEN = report(V.JUDGE_ERROR, V.ACCEPTED)
UNREADABLE = Report(
    SLUG, "Title", "hidden", MIXED.provenance, [TaskResult(1, "Task", 3, ["Think."], [])],
    Failure("a file of Python", "SyntaxError: invalid syntax", place=Place("training_loop.py", 2, "def f(:")),
)  # fmt: skip
ALL = {
    "mixed": MIXED,
    "right": RIGHT,
    "untouched": UNTOUCHED,
    "hostile": report(V.WRONG_ANSWER, V.RUN_TIME_ERROR, text=HOSTILE, place=True),
    "unreadable": UNREADABLE,
}
each_report = pytest.mark.parametrize("graded", ALL.values(), ids=ALL)


# --- all of them


@each_report
def test_all_agree_on_the_points(graded: Report) -> None:
    """GitHub Classroom's reporter has two sums of its own: passes × max_score in its table, scores in its notice."""
    results = classroom([graded]).values()
    passes = [(result["max_score"], test) for result in results for test in result["tests"]]
    assert sum(most for most, test in passes if test["status"] == "pass") == graded.points
    assert sum(test["score"] for _, test in passes) == graded.points
    assert sum(result["max_score"] for result in results) == graded.max_points
    scope = gradescope(graded)
    assert scope["score"] == sum(row["score"] for row in scope["tests"]) == graded.points
    assert sum(row["max_score"] for row in scope["tests"]) == graded.max_points
    suite = Xml.fromstring(junit([graded])).find("testsuite")
    assert suite is not None
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert (float(properties["points"] or -1), float(properties["max_points"] or -1)) == (
        graded.points,
        graded.max_points,
    )
    assert summary([graded]).startswith(f"## {graded.points:g} of {graded.max_points:g} points\n")


@pytest.mark.parametrize("form", FORMATS)
def test_what_a_submission_wrote_stays_text(form: str) -> None:
    text = FORMATS[form](_Catalog(), [ALL["hostile"]])  # type: ignore[arg-type]
    decoded = [text, *(base64.b64decode(part).decode() for part in re.findall(r"=([A-Za-z0-9+/]{40,}=*)\n", text))]
    for each in decoded:
        lines = each.splitlines()
        commands = [line for line in lines if line.lstrip().startswith(("::", "##["))]
        assert not [line for line in commands if not line.startswith("::error file=exercises/")]
        assert len(commands) == (2 if form == "github-annotations" else 0)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", each)
    if form not in ("exercism", "gradescope", "classroom", "github-annotations"):
        assert "<script" not in text
    assert CANARY not in text


class _Catalog:
    root = Path("/course")

    class _One:
        slug = SLUG
        folder = Path(f"/course/exercises/{SLUG}")

    exercises = (_One,)


# --- JUnit


@each_report
def test_junit_counts_what_it_holds(graded: Report) -> None:
    root = Xml.fromstring(junit([graded, RIGHT]))
    assert (root.tag, len(root)) == ("testsuites", 2)
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", -1)) == len(cases) > 0
        for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.get(name, -1)) == sum(case.find(kind) is not None for case in cases)
        assert all(case.get("name") and case.get("classname") and float(case.get("time", -1)) >= 0 for case in cases)


def test_junit_tells_failed_untouched_and_ours_apart() -> None:
    kinds = {}
    for verdict in V:
        (suite,) = Xml.fromstring(junit([report(verdict)]))
        (_, case) = suite.findall("testcase")
        kinds[verdict] = [child.tag for child in case]
    assert kinds.pop(V.ACCEPTED) == []
    assert kinds.pop(V.NOT_ATTEMPTED) == ["skipped"]
    assert kinds.pop(V.JUDGE_ERROR) == ["error"]
    assert all(kind == ["failure"] for kind in kinds.values())


# --- Exercism


@each_report
def test_exercism_keeps_to_version_3(graded: Report) -> None:
    body = exercism(graded)
    assert body["version"] == 3
    assert body["status"] == {V.ACCEPTED: "pass"}.get(graded.verdict, "error" if graded.problem else "fail")
    assert body["status"] != "error" or (body["message"] and body["tests"] == [])
    for test in body["tests"]:
        assert set(test) <= {"name", "test_code", "status", "message", "output", "task_id"}
        assert test["status"] in ("pass", "fail")
        assert test["status"] == "pass" or test["message"]
        assert len(test.get("output", "")) <= 500
        assert isinstance(test["task_id"], int)


def test_for_exercism_a_fault_of_ours_is_an_error_with_a_message() -> None:
    assert exercism(BROKEN) | {"message": ""} == {"version": 3, "status": "error", "message": "", "tests": []}


# --- GitHub Classroom


@each_report
def test_classroom_has_a_result_with_one_test_for_each_task(graded: Report) -> None:
    results = classroom([graded])
    assert list(results) == [f"ex03-task{task.number}" for task in graded.tasks]
    for result in results.values():
        assert set(result) == {"version", "status", "max_score", "tests"}
        assert (result["version"], len(result["tests"])) == (1, 1)
        (test,) = result["tests"]
        assert test["status"] == result["status"]
        assert test["score"] in (0, result["max_score"])
        assert {name: type(test[name]) for name in ("name", "test_code", "filename", "line_no")} == {
            "name": str,
            "test_code": str,
            "filename": str,
            "line_no": int,
        }
    assert classroom([BROKEN])["ex03-task1"]["status"] == "error"


def test_outputs_are_lines_that_the_reporter_can_decode() -> None:
    results = classroom([MIXED])
    lines = dict(line.split("=", 1) for line in outputs(results).splitlines())
    assert lines.pop("runners").split(",") == list(results)
    assert {name: json.loads(base64.b64decode(text)) for name, text in lines.items()} == results


# --- Gradescope


@each_report
def test_gradescope_keeps_to_its_schema(graded: Report) -> None:
    body = gradescope(graded, "after_due_date")
    for name in ("output_format", "test_output_format", "test_name_format"):
        assert body[name] in ("text", "html", "simple_format", "md", "ansi")
    assert body["visibility"] == "after_due_date"
    assert body["stdout_visibility"] == "hidden"
    assert isinstance(body["execution_time"], float)
    for row in body["tests"]:
        assert isinstance(row["number"], str)
        assert row["status"] in ("passed", "failed")
        assert 0 <= row["score"] <= row["max_score"]
        assert row["visibility"] in ("visible", "hidden", "after_due_date", "after_published")
        assert (row["status"] == "passed") == (row["score"] == row["max_score"])


# --- GitHub's page


def test_the_summary_tells_each_task_that_is_not_passed() -> None:
    text = summary([MIXED, RIGHT])
    assert text.startswith("## 4 of 13 points\n")
    assert text.count("<details>") == 1
    assert "task 2: Task 3.0" in text
    assert "Not attempted yet." in text
    assert "public tests only" not in text
    assert "public tests only" in summary([report(V.ACCEPTED, suite="public")])


def test_annotations_mark_lines_of_the_submission_and_are_few() -> None:
    one = annotate([report(V.WRONG_ANSWER, place=True)], {SLUG: "exercises/here, and: there"})
    assert one.startswith(
        "::error file=exercises/here%2C and%3A there/training_loop.py,line=12,title=wrong answer::Idea 2"
    )
    assert len(one.splitlines()) == 1
    assert annotate([MIXED], {SLUG: "x"}) == ""
    many = [
        TestResult(f"t{n}", f"Idea {n}", 1, V.WRONG_ANSWER, 0, Failure("a", "b", place=Place("f.py", n, "x")))
        for n in range(1, 30)
    ]
    crowded = Report(SLUG, "T", "hidden", MIXED.provenance, [TaskResult(1, "T", 1, ["h"], many)])
    assert len(annotate([crowded], {SLUG: "x"}).splitlines()) == MOST_ANNOTATIONS


# --- the command


@pytest.fixture
def kept(course: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of the toy course, where `dojo grade` keeps it."""
    import dataclasses

    path = course / "reports/ex01_double/report.json"
    path.parent.mkdir(parents=True)
    path.write_text(dataclasses.replace(MIXED, exercise="ex01_double").to_json())
    monkeypatch.chdir(course)
    return path


def test_every_form_has_a_command(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(NAMES) == set(FORMATS)
    for form in NAMES:
        assert main(["results", form, "1"]) == 0
        captured = capsys.readouterr()
        assert (captured.out != "") == (form != "github-annotations")
        assert captured.err == ""


def test_they_go_to_a_file_whole_or_added(kept: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "junit.xml"
    for _ in range(2):
        assert main(["results", "junit", "--out", str(out)]) == 0
    assert Xml.parse(out).getroot().tag == "testsuites"
    lines = tmp_path / "output"
    for _ in range(2):
        assert main(["results", "github-output", "--out", str(lines), "--append"]) == 0
    assert lines.read_text().count("runners=") == 2


def test_where_the_judge_failed_the_exit_code_is_3(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import dataclasses

    kept.write_text(dataclasses.replace(BROKEN, exercise="ex01_double").to_json())
    assert main(["results", "junit", "1"]) == 3
    assert '<error message="The grader failed' in capsys.readouterr().out
    assert main(["results", "gradescope", "1"]) == 3
    assert capsys.readouterr().out == ""  # Gradescope says then that the autograder failed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["junit", "1", "--report", "nowhere.json"], "there is no report in 'nowhere.json'"),
        (["junit", "--report", "kept.json", "--audience=dean"], "AUDIENCE='dean'"),
        (["junt"], "'junt' is not one of"),
        (["junit", "1", "--out", "/proc/nowhere/x"], "can't be written"),
        (["junit", "9"], "there is no exercise '9'"),
    ],
)
def test_what_was_meant_is_asked_in_one_line(
    kept: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["results", *words]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert said in line
    assert captured.out == ""


def test_a_student_is_told_no_seed_and_no_code_of_a_test(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = kept.read_text().replace('"private": ""', f'"private": "{CANARY}"').replace('"seed": null', '"seed": 4711')
    kept.write_text(body)
    for form in NAMES:
        assert main(["results", form, "1"]) == 0
        text = capsys.readouterr().out
        decoded = [base64.b64decode(part).decode() for part in re.findall(r"=([A-Za-z0-9+/]{40,}=*)\n", text)]
        assert not [each for each in [text, *decoded] if CANARY in each or "4711" in each]
    assert main(["results", "junit", "1", "--audience=instructor"]) == 0
    assert CANARY in capsys.readouterr().out
