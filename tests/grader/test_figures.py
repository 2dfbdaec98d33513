"""`draw`: a picture comes whatever a submission does, and says what is missing in it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.catalog import Catalog, Exercise
from grader.figures.draw import draw
from grader.figures.picture import Picture
from grader.grading import Settings
from grader.proof.skeleton import create
from grader.sandbox import Sandbox

FIGURE = """
import torch

from grader.figures import style, values
from grader.figures.picture import Failure, attempt
from grader.figures.svg import to_picture


def name_of(sub):
    return sub.NAME


def figure(submission, rng):
    x = torch.randn(2, generator=rng)
    got = attempt(lambda: values.tensor(submission.double(x), (2,)).tolist())
    name = attempt(lambda: values.text(submission.run(name_of)))
    drawing = style.new_figure(100)
    axes = drawing.subplots()
    axes.plot([0, 1] if isinstance(got, Failure) else got, label=f"{name}")
    axes.legend()
    words = f"{got} {name}"
    return to_picture(drawing, "toy", title="Twice", caption=words, description=words)
"""
GOOD = 'NAME = "mine"\n\n\ndef double(x):\n    return 2 * x\n'
MARKUP = "</text></svg><script>alert(1)</script>"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["torch"]) as warm:
        yield warm


@pytest.fixture
def drawable(toy: Exercise) -> Exercise:
    """The toy course with a figure, and little memory."""
    (toy.folder / "figure.py").write_text(FIGURE)
    return dataclasses.replace(toy, limits=dataclasses.replace(toy.limits, test_seconds=30.0, memory_mb=512))


def one(exercise: Exercise, source: str, sandbox: Sandbox, seed: int | None = None) -> Picture:
    (picture,) = draw(exercise, {"double.py": source}, Settings(seed=seed), sandbox)
    assert picture.svg.startswith("<svg")
    assert "could not be drawn" not in picture.caption
    return picture


def test_a_right_answer_is_drawn_with_its_value(drawable: Exercise, sandbox: Sandbox):
    picture = one(drawable, GOOD, sandbox)
    assert picture.caption.startswith("[")
    assert picture.caption.endswith("] mine")


def test_the_same_seed_gives_the_same_picture(drawable: Exercise, sandbox: Sandbox):
    assert one(drawable, GOOD, sandbox, seed=3) == one(drawable, GOOD, sandbox, seed=3)
    assert one(drawable, GOOD, sandbox, seed=3) != one(drawable, GOOD, sandbox, seed=4)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('raise NotImplementedError("task 1: twice the input")', "Nothing is written yet for task 1: twice the input."),
        ("import torch; return torch.nn.Module()(x)", "expected a result, and no exception, got NotImplementedError"),
        ("import os; os._exit(0)", "the process ended (exit code 0)"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import ctypes; ctypes.string_at(0)", "the process ended (signal SIGSEGV)"),
        ("y = x.new_ones(400_000_000); return y", "expected at most 512 MB of memory, got more"),
        ("return object()", "expected a tensor, got an object of type object"),
        ("return x.new_zeros(5)", "expected shape [2], got shape [5]"),
        ("return x.to_sparse()", "expected a tensor, got"),
        (f'raise ValueError("{MARKUP}")', f"ValueError: {MARKUP}"),
        ("return 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_gives_no_value_gives_a_reason(drawable: Exercise, sandbox: Sandbox, body: str, told: str):
    picture = one(drawable, f'NAME = "mine"\n\n\ndef double(x):\n    {body}\n', sandbox)
    assert told in picture.caption
    assert "<script" not in picture.svg


def test_a_file_that_can_not_be_imported_gives_a_reason(drawable: Exercise, sandbox: Sandbox):
    assert "ModuleNotFoundError" in one(drawable, "import nowhere\n", sandbox).caption


def test_numbers_without_a_place_on_an_axis_do_no_harm(drawable: Exercise, sandbox: Sandbox):
    source = 'NAME = "mine"\n\n\ndef double(x):\n    return x.double() * 0 + x.new_tensor([float("inf"), 1.0])\n'
    assert "nan" in one(drawable, source, sandbox).caption


@pytest.mark.parametrize(
    ("name", "shown"),
    [(MARKUP, "&lt;script&gt;"), ("$\\frac{1}{", "$\\frac{1}{"), ("\u6f22 \U0001f525", "\u6f22"), ("a\\x00b", "a")],
)
def test_a_text_of_a_submission_stays_text(drawable: Exercise, sandbox: Sandbox, name: str, shown: str):
    written = name if "\\x" in name else name.replace("\\", "\\\\")
    picture = one(drawable, GOOD.replace("mine", written), sandbox)
    assert shown in picture.svg
    assert "<script" not in picture.svg


def with_call_limit(exercise: Exercise, seconds: float) -> Exercise:
    return dataclasses.replace(exercise, limits=dataclasses.replace(exercise.limits, test_seconds=seconds))


def test_a_call_that_never_ends_is_ended(drawable: Exercise, sandbox: Sandbox):
    source = 'NAME = "mine"\n\n\ndef double(x):\n    while True: pass\n'
    picture = one(with_call_limit(drawable, 1.5), source, sandbox)
    assert picture.caption.count("expected an answer within 1.5 s, got none") == 2  # the next call fails at once


def test_all_calls_of_a_figure_share_one_time(drawable: Exercise, sandbox: Sandbox):
    """The first call takes half a second of three; the second one, which never ends, has a minute by the exercise."""
    path = drawable.folder / "figure.py"
    path.write_text(FIGURE + "\nFIGURE_SECONDS = 3.0\n")
    source = "import time\n\n\ndef double(x):\n    time.sleep(0.5)\n    return 2 * x\n"
    source += "\n\ndef __getattr__(name):\n    time.sleep(60)\n"
    caption = one(with_call_limit(drawable, 60.0), source, sandbox).caption
    within = re.search(r"within ([\d.]+) s", caption)
    assert within
    assert float(within[1]) <= 2.5


def test_a_missing_file_is_told_and_starts_nothing(drawable: Exercise):
    (picture,) = draw(drawable, {}, Settings())
    assert "'double.py' can't be read" in picture.caption


@pytest.mark.parametrize(
    "broken",
    [
        "def figure(submission, rng):\n    return 1 / 0\n",
        "def figure(submission, rng):\n    return None\n",
        "x = (",
        "",
    ],
)
def test_a_fault_of_ours_is_a_picture_that_says_so(drawable: Exercise, sandbox: Sandbox, broken: str):
    (drawable.folder / "figure.py").write_text(broken)
    (picture,) = draw(drawable, {"double.py": GOOD}, Settings(), sandbox)
    assert "a fault of the grader's, which costs no points" in picture.caption


def test_an_exercise_without_a_figure_has_no_picture(toy: Exercise):
    assert draw(toy, {"double.py": GOOD}, Settings()) == []


def test_a_figure_may_be_several(drawable: Exercise, sandbox: Sandbox):
    several = FIGURE.replace("def figure(", "def single(")
    several += "\n\ndef figure(submission, rng):\n    return [single(submission, rng), single(submission, rng)]\n"
    (drawable.folder / "figure.py").write_text(several)
    assert len(draw(drawable, {"double.py": GOOD}, Settings(), sandbox)) == 2


def test_the_figure_is_read_anew(drawable: Exercise, sandbox: Sandbox):
    """The source of its drivers too."""
    one(drawable, GOOD, sandbox)
    path: Path = drawable.folder / "figure.py"
    path.write_text(FIGURE.replace("return sub.NAME", "return sub.NAME.upper()"))
    assert "MINE" in one(drawable, GOOD, sandbox).caption


def test_the_skeleton_of_a_new_exercise_draws(course: Path, sandbox: Sandbox):
    create(course, "2", "vae")
    exercise = Catalog(course).find("2")
    right = {name: (exercise.solution / name).read_text() for name in exercise.files}
    stub = {name: (exercise.folder / name).read_text() for name in exercise.files}
    (of_solution,), (of_stub,) = (draw(exercise, files, Settings(), sandbox) for files in (right, stub))
    assert "At x = 1 yours is 2, and 2 is due." in of_solution.caption
    assert "Nothing is written yet for task 1" in of_stub.caption
