"""`dojo new`: a skeleton that can be graded at once, and a `verify` that says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.__main__ import main
from grader.catalog import Catalog
from grader.grading import Settings, grade, open_sandbox
from grader.proof.rules import rules
from grader.result import Verdict


def dojo(course: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.chdir(course)
    return main(list(arguments))


def test_the_skeleton_is_graded_like_any_exercise(course: Path, monkeypatch: pytest.MonkeyPatch):
    assert dojo(course, monkeypatch, "new", "2", "batch_norm") == 0
    exercise = Catalog(course).find("2")
    assert exercise.slug == "ex02_batch_norm"
    with open_sandbox(exercise, Settings()) as sandbox:
        stub = grade(exercise, exercise.folder, Settings(), sandbox=sandbox)
        solution = grade(exercise, exercise.solution, Settings(), sandbox=sandbox)
    assert stub.verdict is Verdict.NOT_ATTEMPTED
    assert stub.points == 0
    assert solution.verdict is Verdict.ACCEPTED


def test_the_rules_say_what_is_still_missing(course: Path, monkeypatch: pytest.MonkeyPatch):
    dojo(course, monkeypatch, "new", "2", "vae")
    short = {finding.name: finding.got for finding in rules(Catalog(course).find("2")) if not finding.ok}
    assert set(short) == {"nothing left to write", "planted submissions"}
    assert "README.md" in short["nothing left to write"]
    assert "0 of 10 in wrong_answer/" in short["planted submissions"]


@pytest.mark.parametrize(
    ("number", "name", "told"),
    [
        ("1", "vae", "EX='1' is not the number of a new exercise: 2 is the next"),
        ("two", "vae", "2 is the next"),
        ("", "", "2 is the next"),
        ("2", "", "NAME=''"),
        ("2", "Variational", "small letters"),
        ("2", "../vae", "small letters"),
        ("2", "double", "taken by 'ex01_double'"),
    ],
)
def test_what_can_not_be_made_writes_nothing(
    course: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: str,
    name: str,
    told: str,
):
    before = sorted(course.rglob("*"))
    assert dojo(course, monkeypatch, "new", number, name) == 2
    assert told in capsys.readouterr().err
    assert sorted(course.rglob("*")) == before


def test_a_folder_that_is_there_is_left_alone(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    mine = course / "solutions" / "ex02_vae" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert dojo(course, monkeypatch, "new", "2", "vae") == 2
    assert "is there already" in capsys.readouterr().err
    assert not (course / "exercises" / "ex02_vae").exists()
