"""The command line: documented exit codes, one line for each mistake, no traceback of ours, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from grader import __version__
from grader.__main__ import main
from grader.catalog import Exercise
from grader.result import Provenance, Report, TaskResult, TestResult, Verdict
from grader.session import _save  # what keeps a report has no other name

ALL, LOST, USAGE, JUDGE = 0, 1, 2, 3
BROKEN = "def double(x:\n    return 2 * x\n"
REPORT = "reports/ex01_double/report.json"


def dojo(course: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`dojo ARGUMENTS` in the folder `course`, as a person runs it."""
    command = [sys.executable, "-m", "grader", *arguments]
    env = {**os.environ, "COLUMNS": "80", **environment}
    done = subprocess.run(command, cwd=course, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.fixture
def without_torch(course: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which importing torch fails, so that what passes has not imported it."""
    folder = tmp_path_factory.mktemp("shadow")
    (folder / "torch.py").write_text("raise ImportError('torch was imported')\n")
    return {"PYTHONPATH": str(folder)}


def broken(course: Path) -> Path:
    """The student's file with a syntax error: the quickest submission to grade."""
    path = course / "exercises/ex01_double/double.py"
    path.write_text(BROKEN)
    return path


# --- wrong usage


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grade", "99"], "there is no exercise '99'. The exercises are 1, and 'all'."),
        (["grade", "abc"], "there is no exercise 'abc'"),
        (["grade", "doubel"], "did you mean 'double'?"),
        (["grade"], "which exercise? Give EX"),
        (["grade", ""], "which exercise? Give EX"),
        (["grade", "--", "-1"], "there is no exercise '-1'"),
        (["grade", "ab\ncd"], "there is no exercise"),
        (["grade", "\x1b[2J"], "there is no exercise"),
        (["grade", "1", "2"], "got unexpected extra argument (2) (see `dojo grade --help`)"),
        (["grade", "1", "--sead", "3"], "no such option '--sead'; did you mean '--seed'? (see `dojo grade --help`)"),
        (["grade", "1", "--dev", "cpu"], "no such option '--dev'; did you mean '--device'?"),
        (["grade", "1", "--seed"], "option '--seed' requires an argument (see `dojo grade --help`)"),
        (["grade", "1", "--seed", "x"], "SEED='x' is not a whole number"),
        (["grade", "1", "--seed=-1"], "SEED='-1' is not a whole number"),
        (["grade", "1", "--seed", str(2**63)], "is not a whole number from 0 to 2^63 - 1"),
        (["grade", "1", "--device", "tpu"], "DEVICE='tpu' is not one of auto, cpu, cuda"),
        (["grade", "1", "--sandbox", "no"], "SANDBOX='no' is not one of auto, require, off"),
        (["grade", "1", "--suite", "all"], "SUITE='all' is not one of auto, hidden, public"),
        (["grade", "1", "--audience", "me"], "AUDIENCE='me' is not one of student, instructor"),
        (["grade", "1", "--from", "nope"], "there is nothing at 'nope'"),
        (["grade", "1", "--from", "a" * 5000], "there is nothing at"),
        (["grade", "1", "--from", "~no-such-user/x"], "there is nothing at '~no-such-user/x'"),
        (["--devise", "cpu"], "no such option '--devise' (see `dojo --help`)"),
        (["grad", "1"], "no such command 'grad'; did you mean 'grade'? (see `dojo --help`)"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(course)
    assert main(arguments) == USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dojo: ")
    assert said in err
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "\x1b" not in err
    assert not (course / "reports").exists()


def test_wrong_usage_ends_the_process_with_code_2_and_without_torch(
    course: Path, without_torch: dict[str, str]
) -> None:
    done = dojo(course, "grade", "99", **without_torch)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr == "dojo: there is no exercise '99'. The exercises are 1, and 'all'.\n"


def test_a_bad_description_of_an_exercise_is_the_judges_fault(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (course / "exercises/ex01_double/exercise.toml").write_text("titel = 1\n")
    monkeypatch.chdir(course)
    assert main(["grade", "1"]) == JUDGE
    err = capsys.readouterr().err
    assert "exercise.toml': unknown key 'titel', did you mean 'title'?" in err
    assert err.count("\n") == 1


# --- commands that run nothing


def test_version_help_and_list_need_no_torch(course: Path, without_torch: dict[str, str]) -> None:
    version = dojo(course, "--version", **without_torch)
    assert (version.returncode, version.stdout, version.stderr) == (ALL, f"torch-dojo {__version__}\n", "")
    text = dojo(course, "grade", "--help", **without_torch)
    assert (text.returncode, text.stderr) == (ALL, "")
    assert "exit codes: 0 all points, 1 the submission lost points, 2 wrong usage" in " ".join(text.stdout.split())
    listed = dojo(course, "list", **without_torch)
    assert (listed.returncode, listed.stderr) == (ALL, "")
    assert listed.stdout.split() == ["1", "ex01_double", "3", "points", "Doubling"]


def test_stubs_are_checked_and_rewritten(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(course)
    stub = course / "exercises/ex01_double/double.py"
    fresh = stub.read_text()
    assert main(["stubs", "--check"]) == ALL
    stub.write_text("drifted")
    assert main(["stubs", "--check"]) == LOST
    assert stub.read_text() == "drifted"
    assert main(["stubs"]) == ALL
    assert stub.read_text() == fresh
    assert main(["stubs", "--check"]) == ALL
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "ex01_double/double.py: has drifted, run `make stubs`",
        "ex01_double/double.py: rewritten",
    ]
    assert err == ""


def test_a_reader_that_leaves_early_is_no_error(course: Path) -> None:
    code = f"{sys.executable} -m grader list | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", code], cwd=course, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout == "0\n"


@pytest.mark.parametrize("arguments", [["list"], ["grade", "1"]], ids=["list", "grade"])
def test_a_full_disk_behind_the_output_is_one_line(course: Path, arguments: list[str]) -> None:
    broken(course)
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "grader", *arguments]
        done = subprocess.run(command, cwd=course, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == JUDGE
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_terminal_without_unicode_gets_a_report_all_the_same(course: Path) -> None:
    broken(course)
    done = dojo(course, "grade", "1", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == LOST
    assert "run time error: 0 of 3 points" in done.stdout


# --- a submission that can't be run


def test_a_syntax_error_is_answered_without_importing_torch(course: Path, without_torch: dict[str, str]) -> None:
    broken(course)
    done = dojo(course, "grade", "1", **without_torch)
    assert done.returncode == LOST
    assert "a syntax error in line 1: '(' was never closed" in done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[lines.index("def double(x:") + 1] == "^"
    assert "✗ run time error: 0 of 3 points" in lines
    assert json.loads((course / REPORT).read_text())["verdict"] == "run_time_error"


@pytest.mark.parametrize("suite", ["hidden", "public"])
def test_a_syntax_error_never_exits_with_0(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], suite: str
) -> None:
    broken(course)
    monkeypatch.chdir(course)
    assert main(["grade", "1", "--suite", suite]) == LOST
    assert f"{suite} tests" in capsys.readouterr().out or suite == "hidden"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ("missing", LOST, "no such file"),
        ("directory", LOST, "a directory"),
        ("binary", LOST, "binary data"),
        ("latin-1", LOST, "a byte that is not UTF-8 (0xe9) in line 2"),
        ("large", LOST, "1,000,001 bytes"),
    ],
)
def test_a_bad_file_is_told_and_reported(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: str, code: int, said: str
) -> None:
    path = course / "exercises/ex01_double/double.py"
    path.unlink()
    if change == "directory":
        path.mkdir()
    elif change != "missing":
        path.write_bytes({"binary": b"\x7fELF\0", "latin-1": b"# a\n# \xe9\n", "large": b"#" * 1_000_001}[change])
    monkeypatch.chdir(course)
    assert main(["grade", "1"]) == code
    assert said in " ".join(capsys.readouterr().out.split())
    assert (course / REPORT).is_file()


# --- keeping the report


@pytest.mark.parametrize(
    "where", ["/proc/nope/report.json", "README.md/report.json", "exercises", "a" * 300 + "/x.json"]
)
def test_a_report_that_cannot_be_written_is_one_line_and_exit_code_3(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    broken(course)
    (course / "README.md").write_text("a file")
    before = sorted(course.rglob("*"))
    monkeypatch.chdir(course)
    assert main(["grade", "1", "--report", where]) == JUDGE
    out, err = capsys.readouterr()
    assert "0 of 3 points" in out
    assert err.count("\n") == 1
    assert err.startswith("dojo: the report could not be written to '")
    assert sorted(course.rglob("*")) == before


def test_a_full_disk_keeps_the_earlier_report(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken(course)
    (course / REPORT).parent.mkdir(parents=True)
    (course / REPORT).write_text("earlier")

    def full(descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.chdir(course)
    assert main(["grade", "1"]) == JUDGE
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert "an earlier report is kept" in err
    assert [(path.name, path.read_text()) for path in (course / REPORT).parent.iterdir()] == [
        ("report.json", "earlier")
    ]


def judged(verdict: Verdict) -> Report:
    where = Provenance("0.1", "a", "b", "c", 1, "cpu", "bubblewrap", "", "3.11", {}, "2026-01-01", 1.5)
    test = TestResult("test_a", "It works", 1, verdict, 0.1)
    return Report("ex01_double", "Doubling", "hidden", where, [TaskResult(1, "Twice", 2, ["h"], [test])])


def test_a_judge_error_never_replaces_a_report_and_a_grade_does(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    kept = {"report.json": Verdict.JUDGE_ERROR}
    assert _save(judged(Verdict.JUDGE_ERROR), path) == ALL  # there is none yet
    assert names_and_verdicts(tmp_path) == kept
    assert _save(judged(Verdict.WRONG_ANSWER), path) == ALL
    assert _save(judged(Verdict.JUDGE_ERROR), path) == ALL
    assert names_and_verdicts(tmp_path) == {
        "report.json": Verdict.WRONG_ANSWER,
        "report.judge_error.json": Verdict.JUDGE_ERROR,
    }
    assert _save(judged(Verdict.ACCEPTED), path) == ALL
    assert names_and_verdicts(tmp_path)["report.json"] is Verdict.ACCEPTED


def names_and_verdicts(folder: Path) -> dict[str, Verdict]:
    return {path.name: Report.from_json(path.read_text()).verdict for path in folder.iterdir()}


# --- whole runs, each of some seconds


def test_a_suite_with_a_bug_is_the_judges_fault_and_keeps_the_earlier_report(course: Path, toy: Exercise) -> None:
    suite = toy.hidden_suite
    assert suite is not None
    suite.write_text(suite.read_text().replace("expected = x + x", "expected = x + undefined_name"))
    (course / REPORT).parent.mkdir(parents=True)
    (course / REPORT).write_text("earlier")
    done = dojo(course, "grade", "1", "--from", "solutions")
    assert done.returncode == JUDGE
    assert "a fault of the grader, not of yours" in " ".join(done.stdout.split())
    assert "! judge error: 1 of 3 points" in done.stdout
    assert done.stderr == ""
    assert (course / REPORT).read_text() == "earlier"
    beside = Report.from_json((course / REPORT).with_name("report.judge_error.json").read_text())
    assert [task.verdict for task in beside.tasks] == [Verdict.JUDGE_ERROR, Verdict.ACCEPTED]
    assert [test.attempts for task in beside.tasks for test in task.tests] == [2, 1]


def test_the_solution_earns_all_points_with_a_seed_of_ones_choice(course: Path) -> None:
    done = dojo(course, "grade", "ex01", "--from", "solutions", "--seed", "17", "--report", "out/r.json")
    assert (done.returncode, done.stderr) == (ALL, "")
    assert "✓ accepted: 3 of 3 points" in done.stdout
    report = Report.from_json((course / "out/r.json").read_text())
    assert (report.provenance.seed, report.points) == (17, 3)
    assert report.provenance.versions["torch"]


def test_a_wrong_answer_shows_a_student_no_suite_and_an_instructor_all(course: Path) -> None:
    path = course / "exercises/ex01_double/double.py"
    path.write_text("def double(x):\n    return 3 * x\n")
    student = dojo(course, "grade", "1", "--seed", "987654321")
    teacher = dojo(course, "grade", "1", "--seed", "987654321", "--audience", "instructor")
    assert student.returncode == teacher.returncode == LOST
    for secret in ("CANARY-SUITE-7f3a", "987654321"):
        assert secret not in student.stdout + student.stderr
        assert secret in teacher.stdout
