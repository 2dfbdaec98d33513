"""A reset gives the stub back and keeps what was written; no text of a student's is ever lost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.reset import keep_stubs, reset

WORK = "def double(x):\n    return x + x\n"


@pytest.fixture
def work(toy: Exercise) -> Path:
    return toy.folder / "double.py"


def test_the_stub_comes_back_and_the_text_is_kept(toy: Exercise, work: Path) -> None:
    stub = work.read_text()
    for number in (1, 2):
        work.write_text(WORK + f"# {number}\n")
        assert [path.name for path in reset(toy)] == [f"double.py.{number}"]
        assert work.read_text() == stub
    assert (toy.folder / "double.py.1").read_text() == WORK + "# 1\n"
    assert (toy.folder / "double.py.2").read_text() == WORK + "# 2\n"


def test_a_stub_needs_no_backup(toy: Exercise) -> None:
    assert reset(toy) == []
    assert sorted(path.name for path in toy.folder.iterdir()) == ["double.py", "exercise.toml", "test_public.py"]


def test_a_file_that_has_gone_comes_back(toy: Exercise, work: Path) -> None:
    stub = work.read_text()
    work.unlink()
    assert reset(toy) == []
    assert work.read_text() == stub


def test_bytes_that_are_no_text_are_kept_too(toy: Exercise, work: Path) -> None:
    work.write_bytes(b"\xff\xfe\x00")
    assert [path.read_bytes() for path in reset(toy)] == [b"\xff\xfe\x00"]


def test_without_a_solution_the_copy_of_the_first_look_is_the_stub(toy: Exercise, work: Path) -> None:
    shutil.rmtree(toy.solution)
    stub = work.read_text()
    keep_stubs(toy)
    work.write_text(WORK)
    keep_stubs(toy)  # a later look replaces nothing
    assert len(reset(toy)) == 1
    assert work.read_text() == stub


def test_without_any_stub_nothing_is_touched(toy: Exercise, work: Path) -> None:
    shutil.rmtree(toy.solution)
    work.write_text(WORK)
    keep_stubs(toy)  # a finished file is no stub
    with pytest.raises(UsageError, match="there is no stub of ex01_double"):
        reset(toy)
    assert work.read_text() == WORK
    assert not (toy.folder / "double.py.1").exists()


def test_the_final_projects_own_files_are_never_taken_for_a_solution(toy: Exercise, work: Path) -> None:
    final = replace(toy, number=None, slug="exercises/ex01_double")
    work.write_text(WORK)
    with pytest.raises(UsageError, match="there is no stub"):
        reset(final)
    assert work.read_text() == WORK


def test_a_reset_that_can_not_write_says_so_and_loses_nothing(toy: Exercise, work: Path) -> None:
    work.unlink()
    work.mkdir()
    with pytest.raises(UsageError, match="could not be written"):
        reset(toy)
    assert work.is_dir()
