"""A toy course of one exercise, for tests of the grader that are not about a real exercise."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.catalog import Catalog, Exercise

TOML = """
title = "Doubling"
summary = "Twice a tensor."
files = ["double.py"]
[limits]
test_seconds = 5.0
[[tasks]]
number = 1
title = "Twice"
points = 2
hints = ["Think of 2."]
[[tasks]]
number = 2
title = "Errors"
points = 1
hints = ["Raise it."]
"""

SOLUTION = '''"""Doubling."""

from torch import Tensor


def double(x: Tensor) -> Tensor:
    # BEGIN SOLUTION task 1: twice the input
    if x.dim() == 0:
        raise ValueError(f"a scalar {x.item()}")
    return 2 * x
    # END SOLUTION
'''

SUITE = '''
import pytest
import torch

from grader.checks import check_raises, check_tensor


@pytest.mark.task(1)
def test_doubles(submission, rng):
    """Doubling doubles."""
    x = torch.rand(3, 4, generator=rng)
    expected = x + x  # CANARY-SUITE-7f3a
    check_tensor(submission.double(x), expected, hint="What is twice?")


@pytest.mark.task(2)
def test_refuses_a_scalar(submission):
    """A scalar is refused."""
    check_raises(ValueError, submission.double, torch.tensor(3.0), mentions=("3",), hint="Scalars have no rows.")
'''

PUBLIC = '''
import pytest
import torch

from grader.checks import check_tensor


@pytest.mark.task(1)
def test_doubles_ones(submission):
    """Twice one is two."""
    check_tensor(submission.double(torch.ones(2)), torch.full((2,), 2.0))
'''


def write_exercise(root: Path, slug: str, more: dict[str, str] | None = None) -> None:
    """Writes the toy exercise into a course, its stub in place; `more`: other files of its folder, or other texts."""
    stub = SOLUTION.split("    # BEGIN")[0] + '    raise NotImplementedError("task 1: twice the input")\n'
    own = {"exercise.toml": TOML, "double.py": stub, "test_public.py": PUBLIC} | (more or {})
    for path, text in {
        **{f"exercises/{slug}/{name}": text for name, text in own.items()},
        f"solutions/{slug}/double.py": SOLUTION,
        f"tests/hidden/{slug}/test_double.py": SUITE,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The root of the toy course."""
    write_exercise(tmp_path, "ex01_double")
    return tmp_path


@pytest.fixture
def toy(course: Path) -> Exercise:
    """Its one exercise."""
    return Catalog(course).find("1")
