"""Results: which verdict counts, what earns points, what a student's report leaves out, and how a report is kept."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from grader.errors import JudgeError
from grader.result import (
    PRECEDENCE,
    Failure,
    Place,
    Provenance,
    Report,
    TaskResult,
    TestResult,
    Verdict,
    worst,
    write_atomically,
)

V = Verdict
SECRET = "CANARY-private"
SEED = 8812734095512


def outcome(verdict: Verdict, failure: Failure | None = None, task: int = 1) -> TestResult:
    return TestResult("test_a", "It works", task, verdict, 0.25, failure, "printed")


def task_of(*verdicts: Verdict, number: int = 1, points: float = 2) -> TaskResult:
    return TaskResult(number, "Twice", points, ["Think."], [outcome(verdict, task=number) for verdict in verdicts])


def report_of(*tasks: TaskResult, problem: Failure | None = None) -> Report:
    versions = {"torch": "2.11"}
    where = Provenance("0.1", "aa", "bb", "cc", SEED, "cpu", "bubblewrap", "", "3.11", versions, "2026-01-01", 1.5)
    return Report("ex01_double", "Doubling", "hidden", where, list(tasks), problem)


def full_report() -> Report:
    failure = Failure("4.0 at [0]", "3.0", "double(x)", "Twice?", Place("double.py", 3, "return x", 4), SECRET)
    failed = TaskResult(1, "Twice", 2, ["Think."], [outcome(V.WRONG_ANSWER, failure), outcome(V.ACCEPTED)])
    return report_of(failed, task_of(V.ACCEPTED, number=2, points=0.5))


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(PRECEDENCE, 2)))
def test_the_worse_of_two_verdicts_counts_in_any_order(first: Verdict, second: Verdict) -> None:
    assert worst([first, second]) is worst([second, first]) is first


def test_every_verdict_has_its_place() -> None:
    assert set(PRECEDENCE) == set(Verdict)
    order = [V.JUDGE_ERROR, V.TIME_LIMIT, V.MEMORY_LIMIT, V.RUN_TIME_ERROR, V.WRONG_ANSWER, V.NOT_ATTEMPTED, V.ACCEPTED]
    assert list(PRECEDENCE) == order


def test_no_test_at_all_is_never_a_pass() -> None:
    assert worst([]) is V.JUDGE_ERROR
    assert task_of().points == 0
    assert report_of().exit_code == 3
    assert report_of(task_of()).exit_code == 3
    assert report_of(task_of(V.ACCEPTED), task_of(number=2)).exit_code == 3


def test_a_tasks_points_are_earned_by_all_its_tests_together() -> None:
    assert task_of(V.ACCEPTED, V.ACCEPTED).points == 2
    for verdict in set(Verdict) - {V.ACCEPTED}:
        assert task_of(V.ACCEPTED, verdict, V.ACCEPTED).points == 0


def test_partial_credit_comes_from_whole_tasks() -> None:
    report = report_of(task_of(V.ACCEPTED), task_of(V.WRONG_ANSWER, V.ACCEPTED, number=2, points=3.5))
    assert (report.points, report.max_points, report.verdict) == (2, 5.5, V.WRONG_ANSWER)


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([V.ACCEPTED, V.ACCEPTED], 0),
        ([V.ACCEPTED, V.WRONG_ANSWER], 1),
        ([V.NOT_ATTEMPTED, V.NOT_ATTEMPTED], 1),
        ([V.ACCEPTED, V.TIME_LIMIT], 1),
        ([V.TIME_LIMIT, V.JUDGE_ERROR], 3),
        ([V.ACCEPTED, V.JUDGE_ERROR], 3),
    ],
)
def test_the_exit_code_follows_the_verdict(verdicts: list[Verdict], code: int) -> None:
    assert report_of(*(task_of(verdict) for verdict in verdicts)).exit_code == code


@pytest.mark.parametrize("tasks", [(), (task_of(),), (task_of(V.ACCEPTED),)], ids=["no task", "no test", "a pass"])
def test_a_submission_that_could_not_be_run_earns_nothing(tasks: tuple[TaskResult, ...]) -> None:
    report = report_of(*tasks, problem=Failure("valid Python", "a syntax error"))
    assert (report.points, report.exit_code, report.verdict) == (0, 1, V.RUN_TIME_ERROR)


def test_a_report_survives_its_json() -> None:
    for report in (full_report(), report_of(problem=Failure("a", "b", place=Place("c", 1, "d")))):
        assert Report.from_json(report.to_json()) == report


def test_hostile_text_survives_the_json() -> None:
    failure = Failure("\ud800", "\x1b[0m\0\u2028", "</script>")
    report = report_of(TaskResult(1, "T", 1, ["h"], [outcome(V.WRONG_ANSWER, failure)]))
    assert report.to_json().isascii()
    assert Report.from_json(report.to_json()) == report


def test_the_json_says_what_was_worked_out() -> None:
    body = json.loads(full_report().to_json())
    assert (body["version"], body["verdict"], body["points"], body["max_points"]) == (1, "wrong_answer", 0.5, 2.5)
    assert [(task["verdict"], task["points"]) for task in body["tasks"]] == [("wrong_answer", 0), ("accepted", 0.5)]


def test_points_written_into_the_json_by_hand_do_not_count() -> None:
    body = json.loads(full_report().to_json())
    body["points"] = body["tasks"][0]["points"] = 999
    body["tasks"][0]["verdict"] = body["verdict"] = "accepted"
    assert Report.from_json(json.dumps(body)).points == 0.5


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "3", "{}", '{"version": 2}', '{"version": 1}', full_report().to_json()[:-9], "\0"],
    ids=lambda text: text[:16],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(JudgeError, match="report"):
        Report.from_json(text)


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(JudgeError, match="full_marks"):
        Report.from_json(full_report().to_json().replace('"accepted"', '"full_marks"'))


def test_a_students_report_holds_no_seed_and_no_private_text() -> None:
    failure = Failure("valid Python", "a syntax error", private=SECRET)
    for report in (full_report(), report_of(problem=failure)):
        text = report.for_student().to_json()
        assert SECRET not in text
        assert str(SEED) not in text
        assert SECRET in report.to_json()  # the original is as it was


def test_a_students_report_keeps_all_else() -> None:
    report = full_report()
    student = report.for_student()
    assert (student.points, student.verdict, student.exit_code) == (report.points, report.verdict, report.exit_code)
    shown = student.tasks[0].tests[0].failure
    original = report.tasks[0].tests[0].failure
    assert original is not None
    assert shown == dataclasses.replace(original, private="")


# --- files


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "ex01" / "report.json"
    write_atomically(path, "größer\n")
    assert path.read_text("utf-8") == "größer\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_new_report_is_its_owners_alone_and_an_old_file_keeps_its_mode(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_text("old")
    old.chmod(0o644)
    for path in (new, old):
        write_atomically(path, "text")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (new, old)] == [0o600, 0o644]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("existed", [True, False])
def test_a_full_disk_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, existed: bool
) -> None:
    path = tmp_path / "report.json"
    if existed:
        path.write_text("old")

    def full(*arguments: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(Path, "replace", full)
    if step == "replace":
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == (
        [("report.json", "old")] if existed else []
    )


def test_an_interrupt_while_writing_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def interrupt(descriptor: int) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("report.json", "old")]
