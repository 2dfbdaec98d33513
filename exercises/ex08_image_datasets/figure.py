"""The pictures of exercise 8: the statistics of the transforms, the images that the loaders give, and their order.

What a transform makes of a black and of a white image tells the mean and the deviation that it was made with. The
loaders read images that were drawn and written as CIFAR-10's own files are, and each is labelled by its number.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from grader.figures import style, values
from grader.figures.heat import heat_map
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture
from grader.generated import colour_images
from grader.remote import on_cpu

SECONDS = 5.0  # for one call
CLOSE = 0.001  # of a mean or a deviation
STATISTICS = {  # the README's
    "mnist": ([0.1307], [0.3081]),
    "fashionmnist": ([0.2860], [0.3530]),
    "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    "cifar100": ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
}
SHORT = {
    "mnist": "mnist",
    "fashionmnist": "fashion\nmnist",
    "cifar10": "cifar10\n(red, green, blue)",
    "cifar100": "cifar100\n(r, g, b)",
}


# --- the statistics ---------------------------------------------------------------------------------------------------


def black_and_white(sub: Any, name: str, channels: int) -> Any:
    """What each channel of a black image and of a white one becomes, on average."""
    import torch
    from PIL import Image

    mode, side = ("L", 28) if channels == 1 else ("RGB", 32)
    transform = sub.make_transform(name)
    images = [transform(Image.new(mode, (side, side), colour)) for colour in ("black", "white")]
    return [torch.as_tensor(image).double().mean((1, 2)).tolist() for image in images]


def statistics_of(submission: Any, name: str) -> tuple[list[float], list[float]]:
    """The means and deviations that were used; NaN where they can't be told. Raises Failed."""
    channels = len(STATISTICS[name][0])
    call = f'make_transform("{name}"), of a black image and of a white one'
    rows = values.items(submission.run(black_and_white, name, channels, call=call, timeout=SECONDS), 2)
    black, white = (values.numbers(row, channels) for row in rows)
    stds = [1 / (end - start) if end > start else math.nan for start, end in zip(black, white, strict=True)]
    return [-start * std for start, std in zip(black, stds, strict=True)], stds


def picture_of_statistics(submission: Any) -> Picture:
    """Means and deviations of all channels, those that were used over those that are due."""
    found = {name: attempt(lambda name=name: statistics_of(submission, name)) for name in STATISTICS}
    told: dict[str, list[str]] = {}  # the sets of which the same is to be said
    for name, got in found.items():
        told.setdefault(told_of(name, got), []).append(name)
    wrong = [f"{', '.join(names)}: {what}." for what, names in told.items() if what]
    sentence = " ".join(wrong) or "All 16 numbers are as due."
    chart = style.new_figure(250)
    panel, place, middles = chart.subplots(), 0.0, []
    for name, got in found.items():
        count = len(STATISTICS[name][0])
        spots = [place + channel for channel in range(count)]
        for kind, marker in enumerate(("o", "s")):
            label = ("mean", "standard deviation")[kind]
            ring = {"marker": marker, "markersize": 10, "fillstyle": "none", "linestyle": "none"}
            panel.plot(
                spots,
                STATISTICS[name][kind],
                color=style.EXPECTED,
                label=f"{label}, due" if place == 0 else None,
                **ring,
            )
            mine = [math.nan] * count if isinstance(got, Failure) else [min(max(each, 0.0), 0.62) for each in got[kind]]
            dot = {"marker": marker, "markersize": 4.5, "linestyle": "none"}
            panel.plot(spots, mine, color=style.GOT, label=f"{label}, yours" if place == 0 else None, **dot)
        middles.append(place + (count - 1) / 2)
        place += count + 0.6
    panel.set(xticks=middles, ylim=(-0.03, 0.65), xlim=(-0.7, place - 0.9), ylabel="of pixels in [0, 1]")
    panel.set_xticklabels(SHORT.values())
    chart.legend(*panel.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    style.grid(panel, "y")
    title = "The mean and the deviation that each transform uses"
    caption = f"Worked out from what becomes of black and of white: rings are due, dots are yours. {sentence}"
    due = "; ".join(f"{name}: means {means}, deviations {stds}" for name, (means, stds) in STATISTICS.items())
    return to_picture(chart, "figure-8-statistics", title=title, caption=caption, description=f"Due: {due}. {sentence}")


def told_of(name: str, got: tuple[list[float], list[float]] | Failure) -> str:
    """What is off in the statistics of one set; nothing where all is as due."""
    if isinstance(got, Failure):
        return got.reason
    for what, mine, due in zip(("mean", "deviation"), got, STATISTICS[name], strict=True):
        for channel, (number, right) in enumerate(zip(mine, due, strict=True)):
            if not abs(number - right) <= CLOSE:
                return f"the {what} of channel {channel} is {number:.4f} where {right:.4f} is due"
    return ""


# --- the loaders ------------------------------------------------------------------------------------------------------

IMAGES, TESTS, VAL = 16, 4, 0.25
PARTS = ["train", "train", "train", "val", "val", "test"]
TRACKS = {"train, pass 1": 0, "train, pass 2": 1, "val, pass 1": 3, "val, pass 2": 4}


def lay_out(sub: Any, train: Any, test: Any) -> Any:
    """CIFAR-10's files, with these images; the label of each is its number. Returns their root."""
    import atexit
    import pickle
    import shutil
    import tempfile
    from pathlib import Path

    import torch
    from torchvision.datasets import CIFAR10

    tempfile.tempdir = None  # what was found before this process began may be another's
    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    numbers = torch.arange(len(train)).tensor_split(5)
    files = {f"data_batch_{n}": (train[some], some.tolist()) for n, some in enumerate(numbers, 1)}
    files["test_batch"] = test, list(range(len(train), len(train) + len(test)))
    for name, (images, labels) in files.items():
        (folder / name).write_bytes(pickle.dumps({"data": images.flatten(1).numpy(), "labels": labels}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(n) for n in range(10)]}))
    CIFAR10.meta["md5"] = None  # the checksums of the real files
    for row in CIFAR10.train_list + CIFAR10.test_list:
        row[1] = None
    return str(root)


def go_through(sub: Any, root: str, fraction: float, parts: list[str]) -> Any:
    """The images and the labels of a pass over each of `parts`."""
    import torch

    loaders, passes = sub.make_loaders("cifar10", root, 4, val_fraction=fraction), []
    for part in parts:
        batches = list(loaders[part])
        images = torch.cat([torch.as_tensor(images) for images, _ in batches]) if batches else torch.zeros(0, 3, 32, 32)
        passes.append([images, [int(label) for _, labels in batches for label in labels]])
    return passes


@dataclass(frozen=True)
class Pass:
    """Images in [0, 1], as far as the README's statistics bring them back there, and their numbers."""

    images: Tensor
    numbers: list[int]

    @classmethod
    def checked(cls, got: Any) -> "Pass":
        """Raises Failed."""
        images, labels = values.items(got, 2)
        numbers = [values.whole(each, 0, IMAGES + TESTS - 1) for each in values.items(labels, most=IMAGES + TESTS)]
        mean, std = (torch.tensor(each, dtype=torch.float64)[:, None, None] for each in STATISTICS["cifar10"])
        return cls(values.tensor(images, (len(numbers), 3, 32, 32)) * std + mean, numbers)

    def of(self, number: int) -> Tensor | None:
        return self.images[self.numbers.index(number)] if number in self.numbers else None


def pictures_of_loaders(submission: Any) -> list[Picture]:
    """The images that come out, and where each of them went."""
    drawn = colour_images(11, IMAGES, TESTS)
    train, test = torch.from_numpy(drawn.train_images), torch.from_numpy(drawn.test_images)
    call = f'make_loaders("cifar10", root, 4, val_fraction={VAL})'

    def passes() -> list[Pass]:
        root = values.text(submission.run(lay_out, on_cpu(train), on_cpu(test), call="(files are written)"), 200)
        got = submission.run(go_through, root, VAL, PARTS, call=call, timeout=SECONDS)
        return [Pass.checked(each) for each in values.items(got, len(PARTS))]

    found = attempt(passes)
    return [picture_of_images(found, torch.cat([train, test]).double() / 255), picture_of_order(found)]


def picture_of_images(found: list[Pass] | Failure, stored: Tensor) -> Picture:
    """Some images of each part as they are in the files, and as they came."""
    title = "What your loaders give"
    if isinstance(found, Failure):
        rows, sentence = [], f"The loaders: {found.reason}."
    else:
        trained = found[0].numbers[:2]
        rows = [("train", n, [each.of(n) for each in found[:3]]) for n in trained]
        rows += [("val", n, [each.of(n) for each in found[3:5]]) for n in found[3].numbers[:1]]
        rows += [("test", n, [found[5].of(n)]) for n in found[5].numbers[:1]]
        sentence = " ".join(moved(found[place], stored, PARTS[place]) for place in (0, 3, 5))
    chart = style.new_figure(105 * len(rows) if rows else 105)
    panels = chart.subplots(max(len(rows), 1), 4, squeeze=False)
    for row in panels[len(rows) :]:
        for panel in row:
            panel.set_axis_off()
        style.note(row[0], "no images came")
    for panel_row, (part, number, shown) in zip(panels, rows, strict=False):
        show(panel_row[0], stored[number], f"{part} {number}: the file")
        for place, panel in enumerate(panel_row[1:]):
            show(panel, shown[place] if place < len(shown) else None, f"pass {place + 1}")
    caption = (
        "Images of each part: as they are in the files, and as they came, with the README's normalisation undone. "
        f"Train is to be cropped and flipped, with black around it, and val and test as in the file. {sentence}"
    )
    return to_picture(chart, "figure-8-images", title=title, caption=caption, description=sentence)


def moved(one: Pass, stored: Tensor, part: str) -> str:
    """How many images of a pass are those of the files, and how many are not."""
    off = sum(
        not (image - stored[number]).abs().nan_to_num(1.0).max() < 0.02
        for image, number in zip(one.images, one.numbers, strict=True)
    )
    return f"Of {len(one.numbers)} images of {part}, {off} are not as in the file."


def show(panel: Axes, image: Tensor | None, title: str) -> None:
    """One image, or an empty place."""
    panel.set_axis_off()
    if image is not None:
        panel.imshow(image.nan_to_num(0.0).clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="nearest")
        panel.set_title(title, fontsize=style.SMALL)


def picture_of_order(found: list[Pass] | Failure) -> Picture:
    """For each training image, at which place of which pass it came."""
    table = torch.full((len(TRACKS), IMAGES), math.nan)
    if not isinstance(found, Failure):
        for row, place in enumerate(TRACKS.values()):
            for position, number in enumerate(found[place].numbers):
                if number < IMAGES:
                    table[row, number] = position + 1
    sentence = f"The loaders: {found.reason}." if isinstance(found, Failure) else in_words(table)
    chart = style.new_figure(150)
    panel = chart.subplots()
    heat_map(panel, table.tolist(), limits=(1, IMAGES), written=lambda each: "" if math.isnan(each) else f"{each:.0f}")
    panel.set_yticklabels(TRACKS)
    panel.set(xlabel=f"training image, 0 to {IMAGES - 1}")
    title = "Where each training image goes"
    caption = (
        f"Its place in the pass, from 1 on; grey where it does not come. Each image is due in train or in val, train "
        f"in another order in each pass, val in the same. {sentence}"
    )
    return to_picture(chart, "figure-8-order", title=title, caption=caption, description=sentence)


def in_words(table: Tensor) -> str:
    """What is seen in the table of places."""
    one, two, val, again = table
    train, held = ~one.isnan(), ~val.isnan()
    told = [f"{int(train.sum())} images are in train and {int(held.sum())} in val"]
    told.append(f"{int((train & held).sum())} in both, {int((~train & ~held).sum())} in none")
    told.append(
        "train comes in " + ("one order" if torch.equal(one.nan_to_num(0), two.nan_to_num(0)) else "two orders")
    )
    told.append("val in " + ("one" if torch.equal(val.nan_to_num(0), again.nan_to_num(0)) else "two"))
    return ", ".join(told) + "."


def figure(submission: Any, rng: torch.Generator) -> list[Picture]:
    """The statistics, the images, their order."""
    return [picture_of_statistics(submission), *pictures_of_loaders(submission)]
