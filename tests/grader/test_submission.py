"""Reading a submission: only the named files, only UTF-8 Python; whatever else comes is told, and nothing is run."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.result import Failure, Verdict
from grader.submission import MAX_BYTES, Submission, locate, read_submission

GOOD = "def double(x):\n    return 2 * x\n"


def read(toy: Exercise, content: bytes | str) -> Submission:
    """The toy's submission with `content` as its file."""
    (toy.folder / "double.py").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_submission(toy, toy.folder)


def problem(submission: Submission) -> Failure:
    assert submission.files == {}
    assert submission.problem is not None
    return submission.problem


# --- what is taken


def test_a_good_file_comes_as_it_is(toy: Exercise) -> None:
    submission = read(toy, GOOD)
    assert submission.problem is None
    assert submission.files == {"double.py": GOOD}


def test_only_the_named_files_are_taken(toy: Exercise) -> None:
    for name in ("conftest.py", "torch.py", "sitecustomize.py", "double.pyc", "pytest.ini", "notes.txt"):
        (toy.folder / name).write_text("raise SystemExit(0)")
    assert set(read(toy, GOOD).files) == {"double.py"}


def test_reading_runs_nothing(toy: Exercise, tmp_path: Path) -> None:
    submission = read(toy, f"open({str(tmp_path / 'ran')!r}, 'w')\n{GOOD}")
    assert submission.problem is None
    assert not (tmp_path / "ran").exists()


def test_a_byte_order_mark_is_dropped(toy: Exercise) -> None:
    assert read(toy, b"\xef\xbb\xbf" + GOOD.encode()).files == {"double.py": GOOD}


def test_windows_line_ends_are_accepted_and_kept(toy: Exercise) -> None:
    text = GOOD.replace("\n", "\r\n")
    assert read(toy, text).files == {"double.py": text}


def test_a_file_of_just_the_limit_is_accepted(toy: Exercise) -> None:
    assert read(toy, b"#" * MAX_BYTES).problem is None


def test_an_empty_file_is_python(toy: Exercise) -> None:
    assert read(toy, b"").files == {"double.py": ""}


def test_the_digest_tells_contents_apart(toy: Exercise) -> None:
    digests = [read(toy, text).sha256 for text in (GOOD, GOOD, GOOD + " ", "def f(:")]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_single_file_may_have_any_name(toy: Exercise, tmp_path: Path) -> None:
    path = tmp_path / "expanded_in_float64.py"
    path.write_text(GOOD)
    assert read_submission(toy, path).files == {"double.py": GOOD}


def test_an_exercise_of_two_files_takes_both_in_order(toy: Exercise) -> None:
    two = dataclasses.replace(toy, files=["model.py", "data.py"])
    for name in two.files:
        (toy.folder / name).write_text(f"NAME = {name!r}\n")
    assert list(read_submission(two, toy.folder).files) == ["model.py", "data.py"]


def test_one_file_where_two_are_due_is_told(toy: Exercise) -> None:
    two = dataclasses.replace(toy, files=["model.py", "data.py"])
    with pytest.raises(UsageError, match="can't be read: Not a directory"):
        read_submission(two, toy.folder / "double.py")


# --- what is refused


def test_a_missing_file_is_not_attempted_and_its_neighbours_are_named(toy: Exercise) -> None:
    (toy.folder / "double.py").rename(toy.folder / "doubel.py")
    (toy.folder / "figure.py").write_text("")  # the course's own, like test_public.py
    submission = read_submission(toy, toy.folder)
    failure = problem(submission)
    assert submission.problem_verdict is Verdict.NOT_ATTEMPTED
    assert failure.expected == "the file 'double.py'"
    assert f"no such file in '{toy.folder}', which holds doubel.py" in failure.got
    assert "test_public.py" not in failure.got
    assert "figure.py" not in failure.got


def test_a_missing_folder_is_a_missing_file(toy: Exercise, tmp_path: Path) -> None:
    submission = read_submission(toy, tmp_path / "nowhere" / "deeper")
    assert submission.problem_verdict is Verdict.NOT_ATTEMPTED


@pytest.mark.parametrize("kind", ["directory", "link", "dangling link", "pipe"])
def test_anything_but_a_regular_file_is_refused(toy: Exercise, kind: str) -> None:
    path = toy.folder / "double.py"
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(toy.solution / "double.py" if kind == "link" else "/nowhere")
    failure = problem(read_submission(toy, toy.folder))
    assert failure.expected == "'double.py' as a regular file"
    assert failure.got == ("a directory" if kind == "directory" else "a link or a special file")


@pytest.mark.parametrize(
    "content", [b"\0", b"x = 1\n\0\n", b"\x7fELF\x02\x01\x01" + b"\0" * 9], ids=["nul", "late nul", "elf"]
)
def test_a_binary_file_is_refused(toy: Exercise, content: bytes) -> None:
    assert problem(read(toy, content)).got == "binary data"


@pytest.mark.parametrize(
    ("content", "byte", "line"),
    [(b"a = 1\nb = '\xe9'\n", "0xe9", 2), (GOOD.encode("utf-16"), "0xff", 1), (b"\n\n\n'\xf0\x28'", "0xf0", 4)],
    ids=["latin-1", "utf-16", "broken"],
)
def test_what_is_not_utf8_is_told_with_its_byte_and_line(toy: Exercise, content: bytes, byte: str, line: int) -> None:
    failure = problem(read(toy, content))
    assert failure.expected == "'double.py' as UTF-8 text"
    assert failure.got == f"a byte that is not UTF-8 ({byte}) in line {line}"


def test_a_file_over_the_limit_is_told_with_its_size(toy: Exercise) -> None:
    failure = problem(read(toy, b"#" * (MAX_BYTES + 1)))
    assert failure.expected == "'double.py' of at most 1,000,000 bytes"
    assert failure.got == "1,000,001 bytes"


def test_a_file_that_is_huge_but_empty_of_blocks_is_not_read(toy: Exercise) -> None:
    path = toy.folder / "double.py"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert problem(read_submission(toy, toy.folder)).got == f"{1 << 40:,} bytes"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_a_matter_of_permissions(toy: Exercise) -> None:
    (toy.folder / "double.py").chmod(0)
    with pytest.raises(UsageError, match="can't be read: Permission denied; mend its permissions"):
        read_submission(toy, toy.folder)


def test_a_file_that_fails_while_it_is_read_is_told(toy: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(UsageError, match=r"double\.py' can't be read: Permission denied"):
        read_submission(toy, toy.folder)


@pytest.mark.parametrize(
    ("source", "line", "column", "text"),
    [
        ("def double(x:\n    return 2\n", 1, 11, "def double(x:"),
        ("def double(x):\n    return 2 *\n", 2, 15, "    return 2 *"),
        ("x = 'größer'; y = = 2\n", 1, 19, "x = 'größer'; y = = 2"),
        ("if True:\nx = 1\n", 2, 1, "x = 1"),
        ("def f():\r\n\tretrun 1\r\n", 2, 9, "\tretrun 1"),
    ],
)
def test_a_syntax_error_is_told_with_line_and_column(
    toy: Exercise, source: str, line: int, column: int, text: str
) -> None:
    submission = read(toy, source)
    failure = problem(submission)
    assert submission.problem_verdict is Verdict.RUN_TIME_ERROR
    assert failure.got.startswith(f"a syntax error in line {line}: ")
    assert failure.place is not None
    assert (failure.place.file, failure.place.line, failure.place.column) == ("double.py", line, column)
    assert failure.place.text.rstrip() == text


def test_a_caret_far_right_still_points_at_its_sign(toy: Exercise) -> None:
    failure = problem(read(toy, f"x = [{'1, ' * 1000}= 2]\n"))
    assert failure.place is not None
    assert len(failure.place.text) <= 500
    assert failure.place.text[failure.place.column - 1] == "="


@pytest.mark.parametrize(
    "source",
    [
        "(" * 100_000,
        "(" * 100_000 + ")" * 100_000,
        "-" * 100_000 + "1",
        "x" + "[0]" * 50_000 + " = ",
        "a" + ".a" * 200_000 + "(",
        "f'" + "{" * 10_000,
        "lambda: " * 50_000 + "1",
        "# coding: no-such-codec\n",
        "x = 0x\n" + "9" * 5000,
        "if x:\n" + "".join(" " * depth + "if x:\n" for depth in range(1, 300)),
    ],
    ids=lambda source: f"{source[:12]!r} {len(source)}",
)
def test_a_hostile_source_gets_an_answer_and_harms_nothing(toy: Exercise, source: str) -> None:
    failure = problem(read(toy, source))
    assert failure.expected == "'double.py' as valid Python"
    assert len(failure.got) < 300


def test_a_parser_that_hangs_is_given_up(toy: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.submission.PARSER", "import time; time.sleep(60)")
    monkeypatch.setattr("grader.submission.PARSE_SECONDS", 0.2)
    assert "gives up" in problem(read(toy, GOOD)).got


# --- where it is


def test_the_students_own_folder_is_the_default(toy: Exercise) -> None:
    assert locate(toy, None) == toy.folder
    assert locate(toy, "exercises") == toy.folder


def test_solutions_are_named_by_a_word(toy: Exercise) -> None:
    assert locate(toy, "solutions") == toy.solution


@pytest.mark.parametrize("below", ["", "ex01_double", "exercises/ex01_double"])
def test_a_students_tree_is_entered_as_far_as_needed(toy: Exercise, tmp_path: Path, below: str) -> None:
    (tmp_path / "ada" / below).mkdir(parents=True)
    assert locate(toy, str(tmp_path / "ada")) == tmp_path / "ada" / below


def test_a_path_may_be_a_single_file(toy: Exercise) -> None:
    path = toy.solution / "double.py"
    assert locate(toy, str(path)) == path


def test_a_home_is_expanded(toy: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ada").mkdir()
    assert locate(toy, "~/ada") == tmp_path / "ada"


@pytest.mark.parametrize("source", ["nope", "/nope/at/all", "~no-such-user/x", "a" * 5000, "solution"])
def test_nothing_there_is_wrong_usage(toy: Exercise, source: str) -> None:
    with pytest.raises(UsageError, match=r"there is nothing at '.*': FROM is to be 'solutions' or a path"):
        locate(toy, source)
