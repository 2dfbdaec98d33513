"""The picture of exercise 9: a small set of images as the student's functions see it, beside what is due.

The judge draws the set itself, without two of its classes, and works out what is due from all pixels at once. The
student's own two pictures are decoded in the worker and shown as they are.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture
from grader.generated import colour_images
from grader.remote import on_cpu

MISSING, SHOWN, COLUMNS = (6, 9), 8, 4
CHANNELS = ("red", "green", "blue")
NAMES = ["disc", "ring", "square", "frame", "triangle", "cross", "star", "crescent", "bars", "hourglass"]
CLASSES = len(NAMES)
LARGEST = 600  # pixels of a student's picture, in width or height, when it is shown


# --- what came --------------------------------------------------------------------------------------------------------


def statistics(sub: Any, images: Tensor) -> Any:
    """The student's statistics of images in three batches, the last one smaller."""
    import torch

    return sub.channel_statistics((batch, torch.zeros(len(batch))) for batch in images.split(100))


def looked_at(sub: Any, images: Tensor, mean: Any, std: Any) -> Any:
    """Normalised images as they come back: denormalised, with the channels last."""
    return sub.to_hwc(sub.denormalize(images, mean, std)).contiguous()


def drawn(sub: Any, function: str, tensors: list[Tensor], settings: dict[str, Any], largest: int) -> Any:
    """The pixels of a picture that the student draws, made smaller where it is large."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import numpy as np
    import torch
    from PIL import Image

    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        getattr(sub, function)(*tensors, path, **settings)
        with Image.open(path) as image:
            image = image.convert("RGB")
            image.thumbnail((largest, largest))
            return torch.from_numpy(np.array(image))


def pixels(value: Any) -> Tensor:
    """Checked pixels [height, width, 3] from 0 to 1. Raises Failed."""
    checked = values.tensor(value, most=LARGEST * LARGEST * 3)
    return values.tensor(value, (*checked.shape[:2], 3), most=LARGEST * LARGEST * 3).nan_to_num(0).clamp(0, 255) / 255


def pair(value: Any) -> tuple[list[float], list[float]]:
    """Checked means and deviations of three channels. Raises Failed."""
    mean, std = (values.tensor(each, (3,)).tolist() for each in values.items(value, 2))
    return mean, std


# --- the pictures -----------------------------------------------------------------------------------------------------


def figure(submission: Any, rng: torch.Generator) -> list[Picture]:
    """The numbers, the way back from a normalised image, and the student's own pictures."""
    made = colour_images(9, 300, 10)
    images, labels = torch.from_numpy(made.train_images), torch.from_numpy(made.train_labels)
    kept = torch.tensor([place for place, label in enumerate(labels.tolist()) if label not in MISSING])
    kept = kept[(labels[kept] < 5) | (torch.arange(len(kept)) % 2 == 0)]  # fewer of the later classes
    images, labels = images[kept] / 255, labels[kept]
    return [
        numbers(submission, images, labels),
        way_back(submission, images[:4]),
        *own_pictures(submission, images, labels),
    ]


def numbers(submission: Any, images: Tensor, labels: Tensor) -> Picture:
    """Counts of classes and statistics of channels."""
    due = [int((labels == each).sum()) for each in range(CLASSES)]
    counts = attempt(lambda: values.tensor(submission.class_counts(labels, CLASSES), (CLASSES,)).tolist())
    rows = images.double().transpose(0, 1).flatten(1)
    level, spread = rows.mean(1).tolist(), rows.std(1, correction=0).tolist()
    call = "channel_statistics(loader)"
    came = attempt(lambda: pair(submission.run(statistics, images, call=call)))
    drawing = style.new_figure(430)
    above, below = drawing.subplots(2, 1)
    side_by_side(above, list(range(CLASSES)), due, counts)
    above.axhline(sum(due) / CLASSES, color=style.INK, linewidth=1, linestyle=style.DASHES[1])
    above.set(xticks=range(CLASSES), xlabel="class", ylim=(0, 1.3 * max(due)), title="Images in each class")
    places = torch.arange(3.0)
    for shift, marker, colour, label, means, stds in (
        (-0.12, "D", style.EXPECTED, "due", level, spread),
        *(() if isinstance(came, Failure) else ((0.12, "o", style.GOT, "yours", *came),)),
    ):
        bars = {"yerr": [min(abs(each), 2.0) for each in stds], "fmt": marker, "color": colour, "capsize": 5}
        below.errorbar((places + shift).tolist(), [min(max(each, -0.2), 1.2) for each in means], label=label, **bars)
    below.set(xticks=range(3), xticklabels=CHANNELS, xlim=(-0.5, 2.5), ylim=(-0.2, 1.2))
    below.set_title("Mean and deviation of each channel")
    below.legend(loc="upper right", ncols=2)
    style.grid(below, "y")
    found = f"{of_counts(due, counts)} {of_statistics(level, spread, came)}"
    caption = (
        f"{len(labels)} generated images in batches of 100, none of the classes 6 and 9. Blue is due, orange is yours; "
        f"the dashed line is where all bars would end if the classes were balanced. {found}"
    )
    known = f"Due: counts {due}; means {at_three(level)}, deviations {at_three(spread)}. {found}"
    return to_picture(drawing, "figure-9", title="What is in the set", caption=caption, description=known)


def side_by_side(axes: Axes, places: list[int], due: list[int], came: list[float] | Failure) -> None:
    """Two bars at each place."""
    axes.bar([each - 0.2 for each in places], due, 0.38, color=style.EXPECTED, label="due")
    if not isinstance(came, Failure):
        axes.bar(
            [each + 0.2 for each in places], came, 0.34, fill=False, edgecolor=style.GOT, linewidth=2, label="yours"
        )
    axes.legend(loc="upper right", ncols=2)


def at_three(row: list[float]) -> str:
    return ", ".join(f"{each:.3f}" for each in row)


def of_counts(due: list[int], came: list[float] | Failure) -> str:
    """What is seen of the counts."""
    if isinstance(came, Failure):
        return f"class_counts: {came.reason}."
    right = sum(one == other for one, other in zip(due, came, strict=True))
    return f"Your counts are right for {right} of {CLASSES} classes."


def of_statistics(level: list[float], spread: list[float], came: tuple[list[float], list[float]] | Failure) -> str:
    """How far means and deviations are off."""
    if isinstance(came, Failure):
        return f"channel_statistics: {came.reason}."
    told = []
    for name, due, got in (("means", level, came[0]), ("deviations", spread, came[1])):
        apart = [abs(one - other) for one, other in zip(due, got, strict=True)]
        off = math.nan if any(map(math.isnan, apart)) else max(apart)
        told.append(f"your {name} are {'as due' if off <= 1e-5 else f'off by up to {off:.2g}'}")
    return f"{', '.join(told).capitalize()}."


def way_back(submission: Any, images: Tensor) -> Picture:
    """Four images: as they were, normalised, and as they come back."""
    mean, std = [0.5, 0.4, 0.3], [0.25, 0.3, 0.2]
    normalised = (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    call = "to_hwc(denormalize(images, mean, std))"
    shape = len(images), *images.shape[2:], 3
    came = attempt(lambda: values.tensor(submission.run(looked_at, normalised, mean, std, call=call), shape))
    due = images.double().permute(0, 2, 3, 1)
    strange = normalised.double().permute(0, 2, 3, 1)
    drawing = style.new_figure(360)
    grid = drawing.subplots(3, len(images))
    rows = {"as they were": due, "normalised": strange, "yours": None if isinstance(came, Failure) else came}
    for line, (name, row) in zip(grid, rows.items(), strict=True):
        for place, panel in enumerate(line):
            if row is None:
                style.note(panel, "nothing came")
            else:
                panel.imshow(row[place].nan_to_num(0).clamp(0, 1).numpy(), interpolation="nearest")
                panel.set(xticks=[], yticks=[])
        line[0].set_ylabel(name)
    if isinstance(came, Failure):
        found = f"What came back: {came.reason}."
    else:
        near = ((came - due).abs() < 0.5 / 255).all(-1).double().mean().item()
        found = f"{near:.1%} of the pixels came back as they were."
    caption = f"Four images, what a normalisation makes of them, and to_hwc(denormalize(…)) of that. {found}"
    title, seen = "The way back from a normalised image", f"Three rows of images. {found}"
    return to_picture(drawing, "figure-9-back", title=title, caption=caption, description=seen)


def own_pictures(submission: Any, images: Tensor, labels: Tensor) -> list[Picture]:
    """What plot_samples and plot_class_histogram draw."""
    counts = labels.bincount(minlength=CLASSES)
    expected = ", ".join(NAMES[label] for label in labels[:SHOWN].tolist())
    made = []
    for function, tensors, settings, told in (
        (
            *("plot_samples", [images[:SHOWN], labels[:SHOWN]], {"class_names": NAMES, "columns": COLUMNS}),
            f"Due are {SHOWN} images, {COLUMNS} in a row: {expected}.",
        ),
        (
            *("plot_class_histogram", [counts], {"class_names": NAMES}),
            f"Due are bars of {counts.tolist()}, and a line at {counts.double().mean():g}, the balanced level.",
        ),
    ):
        arguments = drawn, function, [on_cpu(each) for each in tensors], settings, LARGEST
        call = f"{function}(…)"
        came = attempt(lambda arguments=arguments, call=call: pixels(submission.run(*arguments, call=call)))
        drawing = style.new_figure(120 if isinstance(came, Failure) else 400 * min(1.4, came.shape[0] / came.shape[1]))
        panel = drawing.subplots()
        if isinstance(came, Failure):
            style.note(panel, "no picture came")
        else:
            panel.imshow(came.numpy())
            panel.set_axis_off()
        found = f"{function}: {came.reason}." if isinstance(came, Failure) else f"This is what your {function} drew."
        name = function.replace("_", "-")
        title = f"Your {function}"
        made.append(to_picture(drawing, f"figure-9-{name}", title=title, caption=f"{found} {told}", description=told))
    return made
