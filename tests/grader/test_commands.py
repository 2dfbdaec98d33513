"""What a student types: where one stands, lessons, hints, resets, diffs, solutions, completion. None needs torch."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.catalog import Exercise
from grader.course.record import Score
from grader.course.store import Store
from grader.result import Verdict

DATE = "2026-11-21T10:00:00+00:00"
WORK = '"""Doubling."""\n\n\ndef double(x):\n    return x + x  # mine\n'
DONE, USAGE, INTERRUPTED = 0, 2, 130


@pytest.fixture(autouse=True)
def inside(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(course)
    monkeypatch.setenv("MAKELEVEL", "1")
    (course / "exercises/ex01_double/README.md").write_text("# Exercise 1\n\nDouble **it**.\n")


def dojo(course: Path, *arguments: str, answer: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, in which importing torch fails."""
    shadow = course / "shadow"
    shadow.mkdir(exist_ok=True)
    (shadow / "torch.py").write_text("raise ImportError('torch was imported')\n")
    env = {**os.environ, "COLUMNS": "80", "PYTHONPATH": f"{shadow}:{Path(__file__).parents[2]}", **environment}
    command = [sys.executable, "-m", "grader", *arguments]
    done = subprocess.run(command, cwd=course, env=env, input=answer, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def solve(toy: Exercise, points: float = 3, verdict: Verdict = Verdict.ACCEPTED) -> None:
    passed = (1, 2) if verdict is Verdict.ACCEPTED else (1,)
    with Store(toy.root).change() as record:
        record.take(toy.slug, Score(points, verdict, "hidden", "ab", DATE, passed))


def said(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert err == ""
    return out


# --- where one stands


@pytest.mark.parametrize("arguments", [[], ["status"], ["start"], ["hint", "1"], ["list"], ["read", "1"]])
def test_what_tells_needs_no_torch_and_is_plain_in_a_pipe(course: Path, arguments: list[str]) -> None:
    done = dojo(course, *arguments, FORCE_COLOR="", TERM="xterm-256color")
    assert (done.returncode, done.stderr) == (DONE, "")
    assert done.stdout.strip()
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


def test_a_course_that_is_done_is_celebrated(toy: Exercise, capsys: pytest.CaptureFixture[str]) -> None:
    solve(toy)
    assert main([]) == DONE
    out = said(capsys)
    assert "100 %" in out
    assert "Converged. Every exercise is solved." in out


def test_without_unicode_the_pictures_are_of_letters(course: Path, toy: Exercise) -> None:
    solve(toy)
    done = dojo(course, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "?" not in done.stdout
    assert "100 %" in done.stdout


def test_in_a_course_that_may_not_be_written_all_is_told(course: Path) -> None:
    (course / ".dojo").write_text("in the way")
    done = dojo(course)
    assert (done.returncode, "0 of 3 points" in done.stdout) == (DONE, True)
    assert done.stderr == "dojo: '.dojo/state.json' can't be read: Not a directory; nothing in it is used\n"
    hint = dojo(course, "hint", "1")
    assert (hint.returncode, "Think of 2." in hint.stdout) == (DONE, True)
    assert "is not remembered" in hint.stderr


def test_a_later_record_is_one_line_and_exit_code_2(course: Path) -> None:
    (course / ".dojo").mkdir()
    (course / ".dojo/state.json").write_text('{"version": 9}')
    for arguments in ([], ["hint", "1"], ["solution", "1", "--yes"], ["start"]):
        done = dojo(course, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (USAGE, "", 1)
    assert (course / ".dojo/state.json").read_text() == '{"version": 9}'


def test_the_start_names_the_file_and_the_line_to_replace(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start"]) == DONE
    out = said(capsys)
    assert "exercises/ex01_double/double.py" in out
    assert 'raise NotImplementedError("task 1: twice the input")' in out
    assert out.count("\n") < 24


@pytest.mark.parametrize("command", ["lesson", "read", "hint", "diff", "reset", "solution", "report"])
def test_commands_of_one_exercise_say_what_is_missing(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, message in {
        "": f"which exercise? Give EX, as in `make {command} EX=3`",
        "all": f"`{command}` is for one exercise",
        "doubel": "did you mean 'double'?",
    }.items():
        assert main([command, name]) == USAGE
        assert message in capsys.readouterr().err


# --- lessons and hints


def test_a_lesson_in_a_pipe_is_the_file(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "double"]) == DONE
    assert said(capsys) == "# Exercise 1\n\nDouble **it**.\n"
    (course / "exercises/ex01_double/README.md").unlink()
    assert main(["read", "1"]) == USAGE
    assert "can't be read: No such file" in capsys.readouterr().err


def test_hints_come_one_more_at_a_time_of_the_first_task_that_is_open(
    toy: Exercise, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = toy.folder / "exercise.toml"
    toml.write_text(toml.read_text().replace('["Raise it."]', '["Raise it.", "ValueError.", "Look at dim()."]'))
    solve(toy, 2, Verdict.WRONG_ANSWER)
    shown = []
    for _ in range(4):
        assert main(["hint", "1"]) == DONE
        shown.append(said(capsys))
    assert "task 2" in shown[0]
    assert [text.count(" of 3\n") for text in shown] == [1, 2, 3, 3]
    assert ["ValueError." in text for text in shown] == [False, True, True, True]
    assert [text.splitlines()[-1] for text in shown] == [
        "2 more: make hint EX=1",
        "one more: make hint EX=1",
        "That was the last one.",
        "That was the last one.",
    ]


def test_a_task_may_be_named_and_one_that_is_none_is_refused(toy: Exercise, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hint", "1", "--task", "2"]) == DONE
    assert "Raise it." in said(capsys)
    assert main(["hint", "1", "--task", "7"]) == USAGE
    assert "TASK='7' is not one of exercise 1's tasks, 1 to 2" in capsys.readouterr().err
    solve(toy)
    assert main(["hint", "1"]) == DONE
    assert "nothing left to hint at" in said(capsys)


# --- one's own files


def test_a_reset_asks_keeps_the_text_and_forgets_what_passed(course: Path, toy: Exercise) -> None:
    path = toy.folder / "double.py"
    stub = path.read_text()
    path.write_text(WORK)
    solve(toy, 2, Verdict.WRONG_ANSWER)
    for answer in ("n\n", "\n", "what?\n"):
        done = dojo(course, "reset", "1", answer=answer)
        assert (done.returncode, path.read_text()) == (DONE, WORK)
    done = dojo(course, "reset", "1")
    assert (done.returncode, path.read_text()) == (USAGE, WORK)
    assert "`make reset EX=1 YES=1` does not ask" in done.stderr
    done = dojo(course, "reset", "1", answer="y\n")
    assert (done.returncode, path.read_text()) == (DONE, stub)
    assert (toy.folder / "double.py.1").read_text() == WORK
    record = Store(course).read()
    assert (record.last(toy.slug), record.best(toy.slug) is not None) == (None, True)


def test_ctrl_c_at_a_question_ends_with_130_and_changes_nothing(course: Path, toy: Exercise) -> None:
    (toy.folder / "double.py").write_text(WORK)
    command = [sys.executable, "-m", "grader", "reset", "1"]
    asked = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert asked.stdout is not None
    os.read(asked.stdout.fileno(), 10)  # it has asked
    asked.send_signal(signal.SIGINT)
    _, err = asked.communicate(timeout=60)
    assert (asked.returncode, err) == (INTERRUPTED, b"\ndojo: interrupted; earlier reports are kept\n")
    assert (toy.folder / "double.py").read_text() == WORK


def test_a_diff_shows_what_was_changed_in_the_stub(toy: Exercise, capsys: pytest.CaptureFixture[str]) -> None:
    path = toy.folder / "double.py"
    assert main(["diff", "1"]) == DONE
    assert said(capsys) == "double.py: no difference to the stub\n"
    path.write_text(path.read_text().replace("    raise NotImplementedError", "    return 2 * x  # "))
    assert main(["diff", "1"]) == DONE
    out = said(capsys).splitlines()
    assert out[:2] == ["--- stub/double.py", "+++ yours/double.py"]
    assert [line for line in out[2:] if line[0] in "+-"] == [
        '-    raise NotImplementedError("task 1: twice the input")',
        '+    return 2 * x  # ("task 1: twice the input")',
    ]
    path.unlink()
    assert main(["diff", "1"]) == DONE
    assert "-def double(x: Tensor) -> Tensor:" in said(capsys)


def test_the_solution_is_there_after_full_marks_and_without_our_marks(
    toy: Exercise, capsys: pytest.CaptureFixture[str]
) -> None:
    solve(toy)
    assert main(["solution", "1"]) == DONE
    out = said(capsys)
    assert "return 2 * x" in out
    assert "SOLUTION" not in out
    assert Store(toy.root).read().confirmed(toy.slug) == ""


@pytest.mark.parametrize("arguments", [["solution", "1"], ["diff", "1", "--solution"]])
def test_before_that_it_asks_once_and_notes_the_date(course: Path, toy: Exercise, arguments: list[str]) -> None:
    solve(toy, 2, Verdict.WRONG_ANSWER)
    for answer, code in (("n\n", DONE), ("", USAGE)):
        done = dojo(course, *arguments, answer=answer)
        assert (done.returncode, "return 2 * x" in done.stdout) == (code, False)
        assert Store(course).read().confirmed(toy.slug) == ""
    done = dojo(course, *arguments, answer="y\n")
    assert (done.returncode, "return 2 * x" in done.stdout) == (DONE, True)
    assert Store(course).read().confirmed(toy.slug).startswith("20")
    assert "return 2 * x" in dojo(course, *arguments).stdout  # not asked again


def test_a_confirmation_that_can_not_be_noted_shows_nothing(course: Path) -> None:
    (course / ".dojo").write_text("in the way")
    done = dojo(course, "solution", "1", "--yes")
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert "can't be written" in done.stderr


def test_public_tests_open_the_solution_only_where_there_are_no_others(course: Path, toy: Exercise) -> None:
    with Store(course).change() as record:
        record.take(toy.slug, Score(3, Verdict.ACCEPTED, "public", "ab", DATE, (1, 2)))
    assert dojo(course, "solution", "1").returncode == USAGE
    shutil.rmtree(toy.hidden)
    assert dojo(course, "solution", "1").returncode == DONE


def test_where_solutions_are_not_handed_out_one_line_says_so(toy: Exercise, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(toy.root / "solutions")
    for arguments in (["solution", "1"], ["diff", "1", "--solution"]):
        assert main(arguments) == USAGE
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "there is no solution of exercise 1 here: 'solutions/ex01_double' is kept by the staff" in err
    assert not (toy.root / ".dojo").exists()


# --- on a terminal


def on_a_terminal(course: Path, *arguments: str, **environment: str) -> str:
    """What comes out on a terminal of 80 columns."""
    main_end, child_end = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "PAGER": "cat", **environment}
    command = [sys.executable, "-m", "grader", *arguments]
    with subprocess.Popen(command, cwd=course, env=env, stdin=child_end, stdout=child_end, stderr=child_end) as process:
        os.close(child_end)
        text, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                text += os.read(main_end, 1 << 16)
            except OSError:  # the other end has gone
                break
        os.close(main_end)
    assert process.returncode == DONE
    return text.decode()


def test_colours_on_a_terminal_and_none_under_no_color(course: Path) -> None:
    assert "\x1b[1;36m" in on_a_terminal(course)
    plain = on_a_terminal(course, NO_COLOR="1")
    assert not any(f"[{code}m" in plain or f";{code}m" in plain for code in range(30, 38))
    assert "Torch Dojo" in plain


def test_a_lesson_is_drawn_on_a_terminal(course: Path) -> None:
    text = on_a_terminal(course, "read", "1")
    assert "**" not in text
    assert "# Exercise" not in text
    assert "it" in text


def test_escapes_in_ones_own_file_do_not_reach_the_terminal(course: Path, toy: Exercise) -> None:
    (toy.folder / "double.py").write_text("x = '\x1b]0;owned\x07\x1b[2J'\n")
    text = on_a_terminal(course, "diff", "1")
    assert "x = ''" in text
    assert "owned" not in text


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == DONE
    assert "_DOJO_COMPLETE" in said(capsys)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "csh"]) == USAGE
    assert "SHELL='csh' is not one of bash, zsh, fish" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("dojo hi", ["hint"]),
        ("dojo hint ", ["1", "ex01_double"]),
        ("dojo grade ex", ["ex01_double"]),
        ("dojo grade 1 --dev", ["--device"]),
        ("dojo grade 1 --device c", ["cpu", "cuda"]),
    ],
)
def test_commands_exercises_and_options_are_completed(course: Path, words: str, found: list[str]) -> None:
    count = len(words.split()) - (0 if words.endswith(" ") else 1)
    done = dojo(course, _DOJO_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(count))
    assert done.returncode == DONE
    assert [line.split(",")[1] for line in done.stdout.splitlines()] == found


def test_where_there_is_no_course_nothing_is_offered(tmp_path_factory: pytest.TempPathFactory) -> None:
    from grader.commands.options import ExerciseName

    empty = tmp_path_factory.mktemp("empty")
    os.chdir(empty)
    root = Path(__file__).parents[2]
    names = [item.value for item in ExerciseName().shell_complete(None, None, "fin")]  # type: ignore[arg-type]
    assert names == (["final", "final_project"] if (root / "final_project").is_dir() else [])


# --- what a grade leaves


def test_a_grade_counts_and_one_of_something_else_does_not(
    toy: Exercise, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("handed in")
    for folder in (elsewhere, toy.folder):
        (folder / "double.py").write_text("def double(x:\n")  # refused before anything is started
    assert main(["grade", "1", "--from", str(elsewhere)]) == 1
    assert not (toy.root / ".dojo").exists()
    assert main(["grade", "1"]) == 1
    best = json.loads((toy.root / ".dojo/state.json").read_text())["exercises"][toy.slug]["best"]
    assert (best["verdict"], best["points"], best["passed"]) == ("run_time_error", 0, [])
    capsys.readouterr()


def test_the_grade_that_ends_the_course_shows_the_card_once(course: Path, toy: Exercise) -> None:
    shutil.copy(toy.solution / "double.py", toy.folder / "double.py")
    command = [sys.executable, "-m", "grader", "grade", "1"]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    assert ("Converged." in first.stdout, "Converged." in second.stdout) == (True, False)


def test_a_watch_that_ends_the_course_shows_the_card_when_it_is_left(
    toy: Exercise, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(root: Path, options: object) -> int:
        solve(toy)
        with Store(root).change() as record:
            record.finish(DATE)
        raise KeyboardInterrupt

    monkeypatch.setattr("grader.live.watch.watch", interrupted)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for shown in (True, False):
        assert main(["watch", "1"]) == INTERRUPTED
        assert ("Converged." in capsys.readouterr().out) == shown
