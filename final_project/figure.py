"""The pictures of the final project: the angles that were found, a short training, and what the model confuses.

The judge draws digits in files turned by secret angles, and puts them into the project's folder. The program is run as
a user would run it. Angles and losses are the project's own word; the confusions are counted here, from logits, and the
labels of the test images that the project is given are not the right ones.
"""

import io
import json
import math
import re
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image
from torch import Tensor

from grader.checks import check
from grader.figures import style, values
from grader.figures.heat import heat_map
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_svg
from grader.generated import DigitSet, digits
from grader.result import Failed, Verdict
from grader.result import Failure as Fault

FIGURE_SECONDS = 120.0  # of which a right answer takes about fifteen on a quiet core
SECONDS = 60.0  # for one call
FILES, PER_FILE, TEST_SIZE, CLASSES = 4, 500, 300, 10
EPOCHS, BATCH = 3, 50
STEPS = EPOCHS * FILES * PER_FILE // BATCH
OFFSET, SPREAD = 15.0, 8.0  # degrees: how far the angles may be off all together, and against each other
SHOWN = 4  # the digit whose mean image is shown: turned, it is no other digit
ACCURACY = re.compile(r"test accuracy: [\d.]+ % \(([\d,]{1,9}) of ([\d,]{1,9})\)")


# --- what the project is given, and what it is asked ------------------------------------------------------------------


def as_file(tensor: Tensor) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(tensor.clone(), buffer)
    return buffer.getvalue()


def put_data(submission: Any, drawn: DigitSet, labels: Tensor) -> None:
    """The files of a small corruptmnist, in the folder `data`; the test file with these labels."""
    for number, file in enumerate(drawn.train):
        submission.put_file(f"data/train_images_{number}.pt", as_file(torch.from_numpy(file.images)))
        submission.put_file(f"data/train_target_{number}.pt", as_file(torch.from_numpy(file.targets)))
    submission.put_file("data/test_images.pt", as_file(torch.from_numpy(drawn.test.images)))
    submission.put_file("data/test_target.pt", as_file(labels))


def identify(sub: Any, folder: str) -> Any:
    """The corruption that the project finds."""
    data = sub.module("data")
    return data.identify_corruption(data.load_data(folder, "train"))


def answers(sub: Any, path: str, images: Any) -> Any:
    """The logits of the model that the project has saved."""
    import torch

    model = sub.module("model").load_model(path).to(images.device)
    with torch.no_grad():
        return model(images)


def run_main(submission: Any, *arguments: str) -> str:
    """What main.py prints. Raises Failed unless it ends with exit code 0."""
    result = submission.script("main.py", *arguments, timeout=SECONDS)
    if result.exit_code != 0:
        last = (result.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        untouched = last.startswith("NotImplementedError: task ")
        got = last if untouched else f"exit code {result.exit_code}: {last}"
        raise Failed(Verdict.NOT_ATTEMPTED if untouched else Verdict.RUN_TIME_ERROR, Fault("exit code 0", got))
    return str(result.stdout)


def angles_found(submission: Any) -> list[float]:
    """The angle of each file. Raises Failed."""
    got = submission.run(identify, "data", call="identify_corruption(dataset)", timeout=SECONDS)
    name = values.text(values.entry(got, "corruption"))
    check(name == "rotation", expected="a rotation", got=f"the corruption '{name}'")
    return values.numbers(values.entry(got, "angles"), FILES)


def losses_written(submission: Any) -> list[float]:
    """The losses in metrics.json after a training. Raises Failed."""
    run_main(submission, "train", "--data-dir", "data", "--epochs", str(EPOCHS), "--batch-size", str(BATCH))
    content = submission.get_file("metrics.json")
    check(len(content) < 1 << 20, expected="a metrics.json of less than 1 MB", got="a larger one")
    try:
        metrics = json.loads(content)
    except (ValueError, RecursionError):
        metrics = None
    return values.numbers(values.entry(metrics, "losses"))


def count_told(submission: Any) -> tuple[int, int]:
    """The right answers and the images of which `evaluate` tells. Raises Failed."""
    lines = ACCURACY.findall(run_main(submission, "evaluate", "model.pt", "--data-dir", "data"))
    check(len(lines) == 1, expected="a line with the accuracy", got=f"{len(lines)} lines with an accuracy")
    right, total = (int(each.replace(",", "") or "0") for each in lines[0])
    return right, total


# --- the pictures -----------------------------------------------------------------------------------------------------


def figure(submission: Any, rng: torch.Generator) -> list[Picture]:
    """The angles, the training, and the confusions."""
    places = torch.tensor([-38.0, -14.0, 12.0, 36.0])[torch.randperm(FILES, generator=rng)]
    due = (places + 8 * torch.rand(FILES, generator=rng) - 4).tolist()
    drawn = digits(int(torch.randint(1 << 31, (), generator=rng)), PER_FILE, TEST_SIZE, tuple(due), -9.0)
    truth = torch.from_numpy(drawn.test.targets)
    decoys = torch.randint(CLASSES, (TEST_SIZE,), generator=rng)  # only a count gives the number that is due for these
    given = attempt(lambda: put_data(submission, drawn, decoys))
    if isinstance(given, Failure):
        return [picture_of_angles(given, due, drawn)]
    angles = attempt(lambda: angles_found(submission))
    losses = attempt(lambda: losses_written(submission))
    images = torch.from_numpy(drawn.test.images)
    call = 'load_model("model.pt")(images)'
    shape = TEST_SIZE, CLASSES
    logits = attempt(
        lambda: values.tensor(submission.run(answers, "model.pt", images, call=call, timeout=SECONDS), shape)
    )
    pictures = [picture_of_angles(angles, due, drawn), picture_of_losses(losses)]
    if isinstance(logits, Failure):
        return pictures
    return [*pictures, picture_of_confusions(logits, truth, decoys, attempt(lambda: count_told(submission)))]


def picture_of_angles(angles: list[float] | Failure, due: list[float], drawn: DigitSet) -> Picture:
    """The angles that were found beside the true ones, and the mean images turned back by them."""
    found = angles_in_words(angles, due)
    title = "What was done to the images, and what identify_corruption found"
    caption = (
        f"Each of {FILES} files of generated digits is turned by an angle of its own: blue rings, with a bar of "
        f"{OFFSET:.0f} degrees to both sides; orange dots are yours. Below is each file's mean {SHOWN}, as given and "
        f"turned back: upright is right. {found}"
    )
    chart = style.new_figure(430)
    top, below = chart.subfigures(2, 1, height_ratios=[1, 1.35])
    draw_angles(top.subplots(), angles, due)
    panels = below.subplots(3, FILES)
    for column, file in enumerate(drawn.train):
        mean = file.images[file.targets == SHOWN].mean(0)
        mine = math.nan if isinstance(angles, Failure) else angles[column]
        for panel, angle in zip(panels[:, column], (0.0, due[column], mine), strict=True):
            draw_mean(panel, Image.fromarray(mean), angle)
        panels[0, column].set_title(f"file {column}", loc="center")
    for panel, label in zip(panels[:, 0], ("as given", "due angle", "your angle"), strict=True):
        panel.set_ylabel(label)
    description = f"Angles that are due, in degrees: {listed(due)}. {found}"
    return Picture(title, to_svg(chart, "figure-final-angles", title, description), caption, description)


def listed(angles: list[float]) -> str:
    return ", ".join(f"{angle:+.1f}" for angle in angles)


def angles_in_words(angles: list[float] | Failure, due: list[float]) -> str:
    """How far the angles are off, all together and against each other."""
    if isinstance(angles, Failure):
        return f"identify_corruption: {angles.reason}."
    off = [angle - right for angle, right in zip(angles, due, strict=True)]
    middle = sum(off) / len(off)
    spread = max(abs(each - middle) for each in off)
    told = f"Yours are {listed(angles)} degrees, and off by {middle:+.1f} degrees all together"
    return f"{told} ({OFFSET:.0f} are allowed) and by up to {spread:.1f} against each other ({SPREAD:.0f} are allowed)."


def draw_angles(panel: Axes, angles: list[float] | Failure, due: list[float]) -> None:
    """A row for each file."""
    rows, edge = range(FILES), 75.0
    ring = {"fmt": "o", "fillstyle": "none", "markersize": 9, "color": style.EXPECTED, "capsize": 4, "label": "due"}
    panel.errorbar(due, rows, xerr=OFFSET, **ring)
    if not isinstance(angles, Failure):
        inside = [min(max(angle, -edge), edge) for angle in angles]  # what is beyond lies on the edge
        panel.plot(inside, rows, "o", color=style.GOT, label="yours")
    panel.set(xlim=(-edge, edge), ylim=(FILES - 0.4, -0.6), yticks=rows, yticklabels=[f"file {row}" for row in rows])
    panel.set_xlabel("angle in degrees, counter-clockwise")
    panel.legend(loc="upper left", bbox_to_anchor=(0, 1.25), ncols=2)
    style.grid(panel)


def draw_mean(panel: Axes, image: Image.Image, angle: float) -> None:
    """A mean image turned back by an angle."""
    panel.set(xticks=[], yticks=[])
    for spine in panel.spines.values():
        spine.set_visible(False)
    if math.isnan(angle):
        panel.text(0.5, 0.5, "–", ha="center", va="center", transform=panel.transAxes)
        return
    turned = image.resize((112, 112), Image.Resampling.BICUBIC).rotate(-angle % 360, Image.Resampling.BICUBIC)
    panel.imshow(np.asarray(turned), cmap="gray", interpolation="nearest")


def picture_of_losses(losses: list[float] | Failure) -> Picture:
    """The training loss over the steps."""
    found = losses_in_words(losses)
    title = f"The losses of {STEPS} training steps"
    caption = (
        f"main.py train, for {EPOCHS} epochs of {FILES * PER_FILE:,} images in batches of {BATCH}: thin is the loss of "
        f"each step in metrics.json, thick the mean of ten, and the dashed line what guessing gives, ln 10. {found}"
    )
    chart = style.new_figure(210)
    panel = chart.subplots()
    panel.axhline(math.log(CLASSES), color=style.INK, linewidth=1, linestyle=style.DASHES[1], label="guessing")
    if not isinstance(losses, Failure):
        shown = [min(max(loss, 0.0), 4.0) for loss in losses[:STEPS]]  # what is beyond lies on the edge
        steps = range(1, len(shown) + 1)
        panel.plot(steps, shown, color=style.GOT, linewidth=0.7, marker="." if len(shown) < 10 else "", alpha=0.7)
        means = [sum(shown[end - 10 : end]) / 10 for end in steps if end >= 10]
        panel.plot(range(10, 10 + len(means)), means, color=style.GOT, linewidth=2.5, label="yours")
    panel.set(xlim=(0, STEPS + 1), ylim=(0, 4), xlabel="training step", ylabel="loss (nats)")
    panel.legend(loc="upper right", ncols=2)
    style.grid(panel)
    description = f"A curve of the training loss over {STEPS} steps. {found}"
    return Picture(title, to_svg(chart, "figure-final-losses", title, description), caption, description)


def losses_in_words(losses: list[float] | Failure) -> str:
    """How many there are, and how far they fell."""
    if isinstance(losses, Failure):
        return f"train: {losses.reason}."
    told = f"There are {len(losses):,} losses, and {STEPS} steps are due"
    if len(losses) < 20:
        return f"{told}."
    first, last = (sum(part) / 10 for part in (losses[:10], losses[-10:]))
    return f"{told}; the mean of the first ten is {first:.2f}, of the last ten {last:.2f}."


def picture_of_confusions(logits: Tensor, truth: Tensor, decoys: Tensor, told: tuple[int, int] | Failure) -> Picture:
    """What the trained model takes for what, counted here."""
    guesses = logits.nan_to_num(nan=-1e30).argmax(1)
    counts = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    counts.index_put_((truth, guesses), torch.ones_like(truth), accumulate=True)
    found = confusions_in_words(counts, int((guesses == decoys).sum()), told)
    title = "What the model takes for what, after a short training"
    caption = (
        f"A row for each true digit, a column for each answer, on {TEST_SIZE} images turned by an angle that no "
        f"training file has; right answers are on the diagonal. {found}"
    )
    chart = style.new_figure(330)
    panel = chart.subplots()
    heat_map(panel, counts.tolist(), limits=(0, TEST_SIZE / CLASSES), written=lambda n: f"{n:.0f}" if n else "")
    panel.set(xlabel="answer", ylabel="true digit")
    description = f"A table of {CLASSES} by {CLASSES} counts. {found}"
    return Picture(title, to_svg(chart, "figure-final-confusions", title, description), caption, description)


def confusions_in_words(counts: Tensor, due: int, told: tuple[int, int] | Failure) -> str:
    """How many are right, the most frequent confusion, and what `evaluate` says of labels drawn by chance."""
    right, off = int(counts.diagonal().sum()), counts - counts.diagonal().diag()
    row, column = divmod(int(off.argmax()), CLASSES)
    words = [f"{right} of {TEST_SIZE} answers are right"]
    words += [f"the most frequent error is {row} read as {column}, {int(off.max())}×"] if int(off.max()) else []
    if isinstance(told, Failure):
        return f"{'; '.join(words)}. evaluate: {told.reason}."
    said = f"Given labels drawn by chance, evaluate says {told[0]} of {told[1]}, and {due} of {TEST_SIZE} is due."
    return f"{'; '.join(words)}. {said}"
