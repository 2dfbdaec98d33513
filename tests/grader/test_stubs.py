"""Stubs: a solution's regions become `raise NotImplementedError`, and nothing else changes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from grader.catalog import Catalog, Exercise
from grader.errors import JudgeError
from grader.stubs import derive, drifted, rewrite, stubs_of

SOLUTION = '''"""A docstring."""

import torch  # kept


class Twice:
    def __init__(self) -> None:
        # BEGIN SOLUTION task 1: keep nothing
        self.a = 1

        self.b = 2
        # END SOLUTION

    def call(self, x):
        """Says: 2 · x."""
        # BEGIN SOLUTION task 2: twice the input
        if x:
            return 2 * x
        return x
        # END SOLUTION


LIMIT = 3
'''
STUB = '''"""A docstring."""

import torch  # kept


class Twice:
    def __init__(self) -> None:
        raise NotImplementedError("task 1: keep nothing")

    def call(self, x):
        """Says: 2 · x."""
        raise NotImplementedError("task 2: twice the input")


LIMIT = 3
'''


def test_each_region_becomes_one_line_at_its_own_indentation() -> None:
    assert derive(SOLUTION, "twice.py") == STUB


def test_a_file_without_regions_is_its_own_stub() -> None:
    assert derive(STUB, "twice.py") == STUB


def test_a_stub_holds_no_line_of_a_region_and_is_valid_python() -> None:
    stub = derive(
        'def f():\n    # BEGIN SOLUTION task 1: say "two", \\ and ü\n    return 2\n    # END SOLUTION\n', "f.py"
    )
    space: dict[str, object] = {}
    exec(stub, space)
    assert "return 2" not in stub
    with pytest.raises(NotImplementedError) as raised:
        space["f"]()  # type: ignore[operator]
    assert str(raised.value) == 'task 1: say "two", \\ and ü'


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("a\n# BEGIN SOLUTION task 1: x\nb\n", 2, "not closed"),
        ("a\n# END SOLUTION\n", 2, "not open"),
        ("# BEGIN SOLUTION task 1: x\n# BEGIN SOLUTION task 2: y\n# END SOLUTION\n", 2, "nested"),
        ("# BEGIN SOLUTION\nb\n# END SOLUTION\n", 1, "lacks its task"),
        ("a\nb\n# BEGIN SOLUTION task: x\n# END SOLUTION\n", 3, "lacks its task"),
        ("x = 1  # BEGIN SOLUTION task 1: x\n# END SOLUTION\n", 1, "lacks its task"),
    ],
)
def test_a_faulty_region_is_named_with_its_line(source: str, line: int, what: str) -> None:
    with pytest.raises(JudgeError, match=rf"'twice\.py', line {line}: .*{what}"):
        derive(source, "twice.py")


def test_a_stub_that_is_as_derived_has_not_drifted(toy: Exercise) -> None:
    assert drifted(toy) == []
    assert rewrite(toy) == []


@pytest.mark.parametrize("change", ["edited", "missing", "empty"])
def test_a_drifted_stub_is_named_and_rewritten_alone(toy: Exercise, change: str) -> None:
    stub = toy.folder / "double.py"
    before = {path: path.read_bytes() for path in toy.root.rglob("*") if path.is_file()}
    if change == "missing":
        stub.unlink()
    else:
        stub.write_text(stub.read_text() + "# more\n" if change == "edited" else "")
    assert drifted(toy) == ["double.py"]
    assert rewrite(toy) == ["double.py"]
    assert drifted(toy) == []
    assert {path: path.read_bytes() for path in toy.root.rglob("*") if path.is_file()} == before


def test_rewriting_keeps_what_is_outside_of_the_regions_byte_for_byte(toy: Exercise) -> None:
    solution = toy.solution / "double.py"
    solution.write_text(f"# größer\n\n\n{solution.read_text()}\n\nTAIL = 'ü'  # kept\n")
    rewrite(toy)
    head, _, rest = solution.read_text().partition("    # BEGIN SOLUTION")
    _, _, tail = rest.partition("# END SOLUTION\n")
    assert (
        toy.folder / "double.py"
    ).read_text() == f'{head}    raise NotImplementedError("task 1: twice the input")\n{tail}'


def test_rewriting_keeps_the_permissions_of_a_stub(toy: Exercise) -> None:
    stub = toy.folder / "double.py"
    stub.chmod(0o640)
    stub.write_text("old")
    rewrite(toy)
    assert stat.S_IMODE(stub.stat().st_mode) == 0o640


def test_the_final_projects_stub_is_made_elsewhere(course: Path) -> None:
    folder = course / "final_project"
    folder.mkdir()
    (folder / "exercise.toml").write_text((course / "exercises/ex01_double/exercise.toml").read_text())
    (folder / "double.py").write_text("# BEGIN SOLUTION task 1: x\n# END SOLUTION\n")
    final = Catalog(course).find("final")
    assert drifted(final) == []
    assert stubs_of(final) == {"double.py": 'raise NotImplementedError("task 1: x")\n'}
