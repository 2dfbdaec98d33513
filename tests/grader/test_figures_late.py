"""The figures of exercises 5 to 7 and of the final project: what they say of right, wrong and hostile results."""

from __future__ import annotations

import functools
import json
import math
import re
import types
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from grader.catalog import Catalog, Exercise
from grader.figures.draw import draw, load
from grader.figures.picture import Picture
from grader.figures.style import styled
from grader.grading import Settings
from grader.local import LocalSubmission
from grader.remote import ScriptResult
from grader.stubs import stubs_of
from grader.wire import Foreign

ROOT = Path(__file__).resolve().parents[2]
CATALOG = Catalog(ROOT)
KEYS = ("5", "6", "7", "final")


@pytest.fixture(scope="module", name="figures")
def all_figures() -> dict[str, types.ModuleType]:
    """Each `figure.py`; what is drawn or trained for it, the same every time, is made once."""
    loaded = {key: load(CATALOG.find(key).folder / "figure.py") for key in KEYS}
    for key, name in (("5", "judged"), ("7", "colour_images"), ("final", "digits")):
        setattr(loaded[key], name, functools.cache(getattr(loaded[key], name)))
    return loaded


class Told:
    """A submission whose drivers and functions give what the test says, by name."""

    def __init__(self, **told: Any) -> None:
        self._told = told

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> Any:
        value = self._told.get(name, self._told.get("default"))
        return value(*arguments) if isinstance(value, types.FunctionType) else value

    def run(self, driver: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return self._answer(driver.__name__, arguments)

    def script(self, *arguments: str, **_: Any) -> Any:
        return self._answer("script", arguments)

    def put_file(self, name: str, content: bytes) -> None:
        self._told.setdefault("files", {})[name] = content

    def get_file(self, name: str) -> Any:
        return self._answer("get_file", (name,))

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._answer(name, arguments)


def drawn(figure: types.ModuleType, submission: Any) -> list[Picture]:
    with styled():
        made = figure.figure(submission, torch.Generator().manual_seed(3))
    pictures = [made] if isinstance(made, Picture) else made
    for picture in pictures:
        ElementTree.fromstring(picture.svg)
    return pictures


def captions(pictures: list[Picture]) -> str:
    return " ".join(picture.caption for picture in pictures)


def plant(exercise: Exercise, name: str, folder: Path) -> LocalSubmission:
    """The solution, or a planted submission, in this process: it is the staff's own code."""
    file = exercise.files[0]
    source = exercise.solution / file if name == "solution" else exercise.hidden / "wrong_answer" / f"{name}.py"
    (folder / file).write_text(source.read_text())
    return LocalSubmission(folder, exercise.files)


# Exercise 5


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("solution", r"100 are different.*entropy is as due at all 19.*information is as due at all 19.*: 10 of 10"),
        ("whole_model_in_training_mode", r"predictive_entropy is off at 1\d of 19"),
        ("no_softmax", r"rows of your samples sum to -"),
        ("half_of_the_samples_twice", r"Of your 100 samples 50 are different"),
        ("entropy_in_bits", r"predictive_entropy is not what the formula gives"),
        ("mutual_information_swapped", r"entropy is as due.*mutual_information is not what the formula gives"),
        ("class_of_the_mean", r"Votes at 70 degrees: 8 of 10"),
    ],
)
def test_what_is_said_of_samples_and_measures(figures, tmp_path: Path, name: str, seen: str) -> None:
    torch.manual_seed(0)
    (picture,) = drawn(figures["5"], plant(CATALOG.find("5"), name, tmp_path))
    assert re.search(seen, picture.caption), picture.caption


def test_the_judges_entropy_is_the_formula(figures) -> None:
    """Against torch's own, in float64; ln 2 and 0 by hand."""
    probs = torch.rand(7, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    probs /= probs.sum(2, keepdim=True)
    entropy = torch.special.entr
    total, information = figures["5"].measured(probs)
    assert total == pytest.approx(entropy(probs.mean(0)).sum(1).tolist())
    assert information == pytest.approx((entropy(probs.mean(0)).sum(1) - entropy(probs).sum(2).mean(0)).tolist())
    assert figures["5"].nats([0.5, 0.5, 0.0]) == pytest.approx(math.log(2))
    assert math.isnan(figures["5"].nats([1.5, -0.5]))


# Exercise 6


def rates(make: Callable[[Any], Any], metrics: list[float] | None) -> list[list[float]]:
    """What a schedule of PyTorch's own leaves in two groups."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.8, 0.3)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    schedule = make(optimizer)
    rows = [[group["lr"] for group in optimizer.param_groups]]
    for metric in metrics or [None] * 18:
        optimizer.step()
        schedule.step(metric) if metrics else schedule.step()
        rows.append([group["lr"] for group in optimizer.param_groups])
    return [list(column) for column in zip(*rows, strict=True)]


def test_the_table_of_step_decay_is_pytorchs(figures) -> None:
    due = rates(lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.5), None)
    for mine, theirs in zip(figures["6"].SCHEDULES[0].right, due, strict=True):
        assert mine == pytest.approx(theirs)


def test_the_table_of_warmup_cosine_is_pytorchs(figures) -> None:
    """Its line, put before its cosine, in two pieces: each from a fresh optimiser at its own t = 0."""

    def cosine(optimizer: Any) -> Any:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10, eta_min=0.1)

    for mine, down, peak in zip(figures["6"].SCHEDULES[1].right, rates(cosine, None), (0.8, 0.3), strict=True):
        assert mine[:4] == pytest.approx([peak / 4, peak / 2, peak * 3 / 4, peak])
        assert mine[4:15] == pytest.approx(down[:11], abs=1e-6)
        assert mine[15:] == [0.1] * 4


def test_the_table_of_the_plateau_is_pytorchs(figures) -> None:
    """PyTorch counts NaN as a bad epoch too; with eps = 0 it cuts as this one does."""

    def plateau(optimizer: Any) -> Any:
        options = {"factor": 0.5, "patience": 2, "threshold": 0.125, "min_lr": 0.1, "eps": 0.0}
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)

    figure = figures["6"]
    for mine, theirs in zip(figure.SCHEDULES[2].right, rates(plateau, figure.METRICS), strict=True):
        assert mine == pytest.approx(theirs)
    bests = [8.0]
    good = [1]
    for epoch, metric in enumerate(figure.METRICS, 1):
        if metric < bests[-1] * (1 - 0.125):
            bests.append(metric)
            good.append(epoch)
    assert good == figure.GOOD
    assert math.isnan(figure.METRICS[figure.LOST - 1])


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("solution", "StepDecay is as due at all 19 .* WarmupCosine is as due .* ReduceOnPlateau is as due"),
        ("cosine_rises_again", "WarmupCosine is off at 4 of 19 values of t, first at t = 15, where group 0"),
        ("one_lr_for_all_groups", "StepDecay is off at 19 .* first at t = 0, where group 1 has 0.8 where 0.3 is due"),
        ("decays_a_step_early", "StepDecay is off at .* first at t = 4"),
        ("patience_off_by_one", "ReduceOnPlateau is off at .* first at t = 4"),
        ("nan_is_good", "ReduceOnPlateau is off at 14 .* first at t = 5"),
        ("nan_is_skipped", "ReduceOnPlateau is off at 1 of .* first at t = 5"),
        ("compares_with_the_epoch_before", "ReduceOnPlateau is off"),
        ("count_goes_on_after_a_cut", "ReduceOnPlateau is off"),
        ("cut_forgets_the_best", "ReduceOnPlateau is off"),
        ("lr_squared", "StepDecay is off .* WarmupCosine is off .* ReduceOnPlateau is off"),
    ],
)
def test_where_a_schedule_parts_from_the_right_one(figures, tmp_path: Path, name: str, seen: str) -> None:
    (picture,) = drawn(figures["6"], plant(CATALOG.find("6"), name, tmp_path))
    assert re.search(seen, picture.caption), picture.caption


def test_a_stub_in_a_worker_is_told_what_is_missing() -> None:
    exercise = CATALOG.find("6")
    (picture,) = draw(exercise, stubs_of(exercise), Settings(seed=1, device="cpu"))
    assert picture.caption.count("nothing is written yet") == 3
    assert "not written yet" in picture.svg


# Exercise 7


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("solution", "All sizes are as due. resnet18 has 11,173,962 parameters"),
        ("max_pool_kept", "4 of 7 sizes are off, first after stage 0: 64×16×16 where 64×32×32 is due"),
        ("imagenet_stem", "5 of 7 sizes are off, first after stem: 64×16×16 where 64×32×32"),
        ("no_strides", "3 of 7 sizes are off, first after stage 1: 128×32×32 where 128×16×16"),
        ("the_same_width_everywhere", "first after stage 1: 64×16×16 where 128×16×16"),
    ],
)
def test_the_sizes_inside_of_a_net(figures, tmp_path: Path, name: str, seen: str) -> None:
    with styled():
        picture = figures["7"].picture_of_sizes(plant(CATALOG.find("7"), name, tmp_path))
    assert seen in picture.caption, picture.caption


def test_to_watch_a_training_changes_nothing(figures, tmp_path: Path) -> None:
    """The weights are those of the same training without anybody looking, and every epoch was seen."""
    figure, solution = figures["7"], plant(CATALOG.find("7"), "solution", tmp_path)
    rng = torch.Generator().manual_seed(5)
    images = torch.randint(256, (40, 3, 32, 32), generator=rng, dtype=torch.uint8)
    labels = torch.randint(10, (40,), generator=rng)
    settings = figure.SETTINGS | {"epochs": 2, "batch_size": 16}
    before = figure.train_and_watch(solution, images, labels, images[:7], settings | {"epochs": 1, "lr": 0.0})
    watched = figure.train_and_watch(solution, images, labels, images[:7], settings)
    assert len(watched["logits"]) == 3
    assert watched["seen"] == 80
    assert torch.equal(watched["logits"][0], before["logits"][0])
    assert not torch.equal(watched["logits"][0], watched["logits"][2])
    unseen = figure.train_and_watch(solution, images, labels, images[:7], settings)
    assert torch.equal(watched["logits"][2], unseen["logits"][2])


def course(figure: types.ModuleType, logits: torch.Tensor, seen: int = 12_000) -> Any:
    return {"logits": [torch.zeros_like(logits)] * 6 + [logits], "seen": seen}


def test_accuracy_and_confusions_are_counted_by_the_judge(figures) -> None:
    """A model that takes every ring for a disc, and is right otherwise, with a loss that can be worked out."""
    figure = figures["7"]
    from grader.generated import colour_images

    images = colour_images(figure.SEED, figure.IMAGES, figure.HELD_BACK)
    truth = torch.from_numpy(images.test_labels)
    logits = 10.0 * F.one_hot(torch.where(truth == 1, 0, truth), 10).float()
    logits = torch.cat([torch.zeros(figure.WATCHED, 10), logits])
    told = Told(train_and_watch=course(figure, logits))
    with styled():
        curves, errors = figure.pictures_of_training(told)
    right = int((truth != 1).sum())
    assert f"a loss of {math.log(10):.2f} and {right / 500:.1%} right answers" in curves.caption
    assert (
        f"{right} of 500 answers are right; the most frequent error is ring read as disc, {500 - right}×"
        in errors.caption
    )
    assert errors.description.endswith("; ".join(["ring as disc"] * 8) + ".")


# The final project


def project(angles: Any, losses: Any, right: str) -> Told:
    def script(*arguments: str) -> ScriptResult:
        return ScriptResult(0, f"test accuracy: 10.00 % ({right} of 300)\n", "", 1.0)

    found = {"corruption": "rotation", "angles": angles}
    answers = torch.eye(10)[torch.zeros(300, dtype=torch.int64)]
    return Told(identify=found, answers=answers, script=script, get_file=json.dumps({"losses": losses}).encode())


def due_angles(figure: types.ModuleType) -> list[float]:
    told = drawn(figure, project([0.0] * 4, [1.0] * 120, "30"))[0].description
    found = re.search(r"in degrees: ([^.]*\.\d, [^.]*\.\d, [^.]*\.\d, [^.]*\.\d)", told)
    assert found
    return [float(each) for each in found[1].split(",")]


def test_angles_are_held_against_the_true_ones(figures) -> None:
    """Right, all off alike, and of the other sign."""
    figure = figures["final"]
    due = due_angles(figure)
    losses = [2.0] * 60 + [0.5] * 60
    right = drawn(figure, project(due, losses, "30"))[0].caption
    shifted = drawn(figure, project([angle + 5 for angle in due], losses, "30"))[0].caption
    other = drawn(figure, project([-angle for angle in due], losses, "30"))[0].caption
    assert re.search(r"off by [+-]0\.0 degrees all together.*up to 0\.[01] against", right)
    assert re.search(r"off by \+5\.[0-1]|off by \+4\.9", shifted)
    assert float(re.search(r"up to ([\d.]+) against", other)[1]) > 50  # type: ignore[index]


def test_losses_and_the_word_of_evaluate(figures) -> None:
    pictures = drawn(figures["final"], project([0.0] * 4, [2.0] * 60 + [0.5] * 60, "1,234"))
    assert "There are 120 losses, and 120 steps are due; the mean of the first ten is 2.00" in pictures[1].caption
    assert re.search(r"evaluate says 1234 of 300, and \d\d of 300 is due", pictures[2].caption)
    assert "30 of 300 answers are right" in pictures[2].caption  # all answers are 0, a tenth of the digits
    few = drawn(figures["final"], project([0.0] * 4, [2.0, 1.0, 0.5], "30"))
    assert "There are 3 losses, and 120 steps are due." in few[1].caption


def test_a_program_that_fails_is_quoted(figures) -> None:
    def script(*arguments: str) -> ScriptResult:
        last = "NotImplementedError: task 3: the loop" if "train" in arguments else "boom"
        return ScriptResult(1, "", f"Traceback (most recent call last):\n{last}\n", 1.0)

    pictures = drawn(figures["final"], Told(script=script, answers=torch.zeros(300, 10)))
    assert "nothing is written yet for task 3: the loop" in pictures[1].caption
    assert "exit code 1: boom" in pictures[2].caption


# All of them


def of_other_kinds() -> Iterator[Any]:
    """What no figure can draw, whoever gives it."""
    yield from (None, True, "$\\frac{1}{2}$ <script>", b"\0", 10**400, -math.inf, Foreign("Evil", "<b>"))
    yield from ([], [[[[]]]], {}, {1: 2}, (), [None] * 19, [["a", 0.1]] * 19, torch.zeros(0), torch.tensor(3))
    yield from (torch.zeros(19, 10, dtype=torch.complex64), {"logits": [torch.zeros(800, 10)] * 12, "seen": 1})
    yield {"convolutions": [[1 << 39] * 9, [-1]], "linear": [[], []], "parameters": 1 << 39}
    yield {"logits": [torch.zeros(800, 10)], "seen": 10**30}
    yield {"corruption": "\x1b[31m rotation", "angles": [0.0] * 4}


SCRIPTS = (
    ScriptResult(0, "test accuracy: 1 % (,,, of ,)" * 2, "", 0.0),
    ScriptResult(-9, "\x1b]0;x\x07", "\udcff\u202e" * 1000, math.nan),
)
CONTENTS = (b"[" * 100_000, b'{"losses": 1' + b"0" * 5000 + b"}", b"\xff", b"{}")
NO_SCRIPT = ScriptResult(0, "test accuracy: 1 % (,,, of ,)", "", 0.0)


@pytest.mark.parametrize("key", KEYS)
def test_what_is_of_another_kind_is_told_in_words(figures, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Nothing of it is drawn, so that the drawing itself, which takes long, can be left out."""
    monkeypatch.setattr(figures[key], "to_svg", lambda *_: "<svg/>")
    cases = [Told(default=value, script=NO_SCRIPT, get_file=b"{}") for value in of_other_kinds()]
    cases += [Told(script=script, get_file=content) for script in SCRIPTS for content in CONTENTS]
    for told in cases[: None if key == "final" else -len(SCRIPTS) * len(CONTENTS)]:
        pictures = drawn(figures[key], told)
        assert pictures
        assert all("\x1b" not in picture.caption + picture.description for picture in pictures)
        assert re.search("no value|nothing is written|nothing came", captions(pictures)), captions(pictures)


EXTREME: dict[str, list[dict[str, Any]]] = {
    "5": [
        {
            "sample": torch.full((100, 19, 10), 1e38),
            "class_histogram": torch.full((19, 10), -1 << 62),
            "predictive_entropy": torch.full((19,), math.inf),
            "mutual_information": torch.full((19,), -1e29),
        },
        {"sample": torch.full((100, 19, 10), math.nan), "default": torch.full((19,), math.nan)},
    ],
    "6": [{"follow": [[1e308, -1e308]] * 10 + [[math.nan, math.inf]] * 9}],
    "7": [
        {
            "look_inside": {"convolutions": [[0, 1 << 39, 1 << 39]] * 20, "linear": [[1 << 39]] * 3, "parameters": 5},
            "train_and_watch": {"logits": [torch.full((800, 10), math.nan)] * 11, "seen": 1 << 39},
        },
        {
            "look_inside": {"convolutions": [[], [0]], "linear": [], "parameters": 0},
            "train_and_watch": {"logits": [torch.full((800, 10), 1e30)], "seen": 0},
        },
    ],
    "final": [
        {
            "identify": {"corruption": "rotation", "angles": [1e308, -1e29, math.nan, 10**400]},
            "get_file": b'{"losses": [' + b"1e308, -1e308, NaN, Infinity, " * 40 + b"0]}",
            "answers": torch.full((300, 10), math.nan),
            "script": ScriptResult(0, "test accuracy: 1 % (,,, of ,)", "", 0.0),
        }
    ],
}


@pytest.mark.parametrize("key", KEYS)
def test_numbers_beyond_every_axis_are_drawn(figures, key: str) -> None:
    """They lie on its edge, or are left out: the picture is as large as ever, and holds nothing infinite."""
    for told in EXTREME[key]:
        for picture in drawn(figures[key], Told(**told)):
            assert len(picture.svg) < 400_000
            assert not re.search(
                r"\b(nan|inf)\b|\de\+\d", re.sub(r"<(text|desc|image).*?>", "", picture.svg.split("</desc>")[1])
            )


@pytest.mark.parametrize("key", KEYS)
def test_a_figure_gives_no_solution_away(key: str) -> None:
    """No line of a solution that says something stands in the figure, which every student has."""
    exercise = CATALOG.find(key)
    figure = {line.strip() for line in (exercise.folder / "figure.py").read_text().splitlines()}
    for name in exercise.files:
        text = (exercise.solution / name).read_text()
        inside = re.findall(r"# BEGIN SOLUTION.*?\n(.*?)# END SOLUTION", text, re.DOTALL)
        lines = {line.partition("  #")[0].strip() for part in inside for line in part.splitlines()}
        assert not [line for line in lines & figure if len(line) > 25]
