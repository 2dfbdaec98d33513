"""The figures of exercises 1 to 4: what they say of right answers, of stubs, and of mistakes that people make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.catalog import Catalog, Exercise
from grader.figures.draw import draw
from grader.figures.picture import Picture
from grader.grading import Settings
from grader.proof.plants import cases
from grader.sandbox import Sandbox

CATALOG = Catalog(Path(__file__).resolve().parent.parent.parent)
SETTINGS = Settings(seed=7)
SMALL = 9.0  # points: of 400, shown 328 pixels wide on a phone of 360

SEEN = [
    ("1", "solution", ["Near the origin, 2 features: all agree", "One point against three, one of them itself: all"]),
    ("1", "stub", ["Nothing is written yet for task 1"]),
    ("1", "wrong_answer/transposed", ["yours has the shape [3, 4] where [4, 3] is due"]),
    ("1", "wrong_answer/squeezed", ["one of them itself: yours has the shape [3] where [1, 3] is due"]),
    ("1", "wrong_answer/cancellation_far_from_the_origin", ["Near the origin, 2 features: all agree", "of 12 are off"]),
    ("1", "wrong_answer/distances_not_squared", ["Around 1000, 8 features: 12 of 12 are off", " instead of "]),
    ("2", "solution", ["All of yours are as they are due"]),
    ("2", "stub", ["Nothing is written yet for task 1"]),
    ("2", "wrong_answer/batch_of_one_is_dropped", ["Reshape(3, 4) with B = 1: [3, 4] where [1, 3, 4] is due"]),
    ("2", "wrong_answer/columns_first", ["[5, 3, 4] is right, but the numbers in it are others"]),
    ("2", "wrong_answer/batch_is_what_remains", ["Reshape(20) with B = 5: [6, 20] where ValueError is due"]),
    ("2", "run_time_error/view_without_the_batch", ["RuntimeError: shape '[3, 4]' is invalid"]),
    ("3", "solution", ["Your steps are right: the loss goes from 8 to 0.0311"]),
    ("3", "stub", ["Nothing is written yet for task 1"]),
    ("3", "wrong_answer/no_zero_grad", ["looks like the run without zero_grad"]),
    ("3", "wrong_answer/zero_grad_between_backward_and_step", ["looks like the run without backward"]),
    ("3", "wrong_answer/zero_grad_after_step", ["has the norm 0 at the end"]),
    ("3", "wrong_answer/loss_after_the_step", ["The first call returned 4.179, and the loss before it was 8"]),
    ("3", "wrong_answer/loss_as_a_tensor", ["Not all that train_step returned are floats"]),
    ("4", "solution", ["Yours stops at call 8, as is due", "are right after each call", "call 9, as is due"]),
    ("4", "stub", ["Nothing is written yet for task 1"]),
    ("4", "wrong_answer/state_by_reference", ["brought back are those of call 10, and those of call 9 are due"]),
    ("4", "wrong_answer/count_never_reset", ["stops at call 4; call 8 is due", "after call 2 bad_steps is 1, where 0"]),
    ("4", "wrong_answer/best_starts_at_zero", ["the best is 0, where 4 is due", "restore raised RuntimeError"]),
    ("4", "wrong_answer/a_better_metric_undoes_the_stop", ["stops at call 8 and goes on at call 9"]),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["torch", "torch._dynamo"]) as warm:
        yield warm


def files_of(exercise: Exercise, name: str) -> dict[str, str]:
    return next(case.files for case in cases(exercise) if case.name == name)


def picture_of(key: str, name: str, sandbox: Sandbox) -> Picture:
    exercise = CATALOG.find(key)
    (picture,) = draw(exercise, files_of(exercise, name), SETTINGS, sandbox)
    return picture


@pytest.mark.parametrize(("key", "name", "told"), SEEN, ids=[f"{key}-{name}" for key, name, _ in SEEN])
def test_the_picture_says_what_is_wrong(sandbox: Sandbox, key: str, name: str, told: list[str]):
    picture = picture_of(key, name, sandbox)
    for words in told:
        assert words in picture.caption
        assert words in picture.description
    assert picture.title
    assert "could not be drawn" not in picture.caption
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", picture.svg)]
    assert min(sizes) >= SMALL


def without_rounding(caption: str) -> str:
    return re.sub(r", to within \S+e-\d+", "", caption)


@pytest.mark.parametrize("key", ["1", "2", "3", "4"])
def test_a_right_answer_written_otherwise_is_right_in_the_picture(sandbox: Sandbox, key: str):
    exercise = CATALOG.find(key)
    said = picture_of(key, "solution", sandbox).caption
    other = next(case for case in cases(exercise) if case.name.startswith("accepted/"))
    (picture,) = draw(exercise, other.files, SETTINGS, sandbox)
    assert without_rounding(picture.caption) == without_rounding(said)


@pytest.mark.parametrize("key", ["1", "2", "3", "4"])
def test_a_figure_does_not_use_the_solution(key: str):
    """A student's copy has none, and gets this file."""
    source = (CATALOG.find(key).folder / "figure.py").read_text("utf-8")
    assert "solutions" not in source
    assert "torch.optim" not in re.sub(r"^def \w+\(sub,.*?^(?=\S)", "", source, flags=re.MULTILINE | re.DOTALL)


HOSTILE = """
import torch

class Evil:
    def __init__(self, *args, **kwargs): pass
    def __call__(self, *args): return "<script>alert(1)</script>"
    def __getattr__(self, name): return {"a": float("inf"), 1: ["x" * 10_000] * 100}
    def step(self, *args): return float("nan")
    def restore(self, *args): raise KeyboardInterrupt("<script>")

Reshape = EarlyStopping = Evil
def pairwise_squared_distance(a, b): return torch.full((3,) * 3, float("inf"))
def train_step(model, *args): model.weight.data.fill_(float("nan")); return 10 ** 400
"""


@pytest.mark.parametrize("key", ["1", "2", "3", "4"])
def test_nonsense_is_drawn_as_far_as_it_goes(sandbox: Sandbox, key: str):
    exercise = CATALOG.find(key)
    (picture,) = draw(exercise, {exercise.files[0]: HOSTILE}, SETTINGS, sandbox)
    assert "could not be drawn" not in picture.caption
    assert "<script" not in picture.svg
