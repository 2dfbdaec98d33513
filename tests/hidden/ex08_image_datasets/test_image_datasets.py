"""Hidden suite of exercise 8.

A worker has no data and no network. A driver writes small files there, in torchvision's own layouts, from images that
the judge has drawn, and takes torchvision's checksums of the real files away. Where the order of images matters, an
image's label is its own number, so that the labels alone say which images came.
"""

import random
from collections import Counter
from typing import Any, NamedTuple

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.checks import check, check_equal, check_raises, check_tensor, grading_device, show
from grader.datasets import find_cifar10
from grader.remote import on_cpu

GREY, COLOUR = ["mnist", "fashionmnist"], ["cifar10", "cifar100"]
NAMES = GREY + COLOUR
SIZES = {name: [1, 28, 28] if name in GREY else [3, 32, 32] for name in NAMES}
# Mean and standard deviation of each channel as they are commonly given. Measured on all training images: MNIST 0.13066
# and 0.30811, Fashion-MNIST 0.28604 and 0.35302, CIFAR-10 0.49140, 0.48216, 0.44653 and 0.24703, 0.24349, 0.26159.
STATISTICS = {
    "mnist": ([0.1307], [0.3081]),
    "fashionmnist": ([0.2860], [0.3530]),
    "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    "cifar100": ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
}
CHANNELS = {1: ["grey"], 3: ["red", "green", "blue"]}
ROUNDING = (
    0.001  # of a mean and a deviation: the lesson admits any common rounding, and the nearest other set is 0.004 off
)
# What that makes of a pixel: (0.001 + 2.8 · 0.001) / 0.2435 at most. Another image, or another place in it, is 1 off.
CLOSE = {"rtol": 0.0, "atol": 0.02}


# ---------------------------------------------------------------------------------------------------------------------
# Files, written in the worker
# ---------------------------------------------------------------------------------------------------------------------


def lay_out(sub, name, train, test, when):
    """Writes a set "now", or when torchvision is asked to "download" it, or "never". Returns its root folder."""
    import atexit
    import pickle
    import shutil
    import struct
    import tempfile
    from pathlib import Path

    import torch
    from torchvision import datasets

    tempfile.tempdir = None  # what was found before this process began may be another's
    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    kind = {"mnist": "MNIST", "fashionmnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}[name]

    def write_idx(path, values):  # two zeros, 8 for bytes, the number of dimensions, the sizes, the values
        header = struct.pack(f">4B{values.dim()}I", 0, 0, 8, values.dim(), *values.shape)
        path.write_bytes(header + values.to(torch.uint8).numpy().tobytes())

    def write_grey():
        folder = root / kind / "raw"
        folder.mkdir(parents=True)
        for part, (images, labels) in (("train", train), ("t10k", test)):
            write_idx(folder / f"{part}-images-idx3-ubyte", images)
            write_idx(folder / f"{part}-labels-idx1-ubyte", labels)

    def write_colour():
        fine = "fine_" if name == "cifar100" else ""
        meta, batches = ("meta", ["train"]) if fine else ("batches.meta", [f"data_batch_{n}" for n in range(1, 6)])
        folder = root / ("cifar-100-python" if fine else "cifar-10-batches-py")
        folder.mkdir()
        places = torch.arange(len(train[0])).tensor_split(len(batches))
        files = {batch: (train[0][some], train[1][some]) for batch, some in zip(batches, places, strict=True)}
        files["test" if fine else "test_batch"] = test
        for file, (images, labels) in files.items():
            content = {"data": images.flatten(1).numpy(), f"{fine}labels": labels.tolist()}
            if fine:
                content["coarse_labels"] = [0] * len(labels)
            (folder / file).write_bytes(pickle.dumps(content))
        names = [f"class {number}" for number in range(100 if fine else 10)]
        (folder / meta).write_bytes(pickle.dumps({f"{fine}label_names": names}))

    for each in (datasets.CIFAR10, datasets.CIFAR100):
        each.meta["md5"] = None
        for row in each.train_list + each.test_list:
            row[1] = None
    write = write_grey if "mnist" in name else write_colour
    if when == "now":
        write()
    else:
        for each in (datasets.MNIST, datasets.CIFAR10):
            each.download = lambda self: write()
    return str(root)


class Part(NamedTuple):
    """Images, uint8 [N, 28, 28] or [N, 3, 32, 32], and labels, int64 [N]."""

    images: Tensor
    labels: Tensor

    def normalised(self, name: str) -> Tensor:
        return normalised(self.images, name)


def draw_part(rng: torch.Generator, name: str, size: int, first: int = 0) -> Part:
    """Random images, the label of each being its number, from `first` on."""
    shape = SIZES[name][1:] if name in GREY else SIZES[name]
    images = torch.randint(256, [size, *shape], generator=rng, dtype=torch.uint8)
    return Part(images, torch.arange(first, first + size))


def normalised(images: Tensor, name: str) -> Tensor:
    """[N, 28, 28] or [N, 3, 32, 32], uint8 -> [N, C, H, W], float32."""
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in STATISTICS[name])
    return ((images.double().reshape(-1, *SIZES[name]) / 255 - mean) / std).float()


def put_files(submission, name: str, train: Part, test: Part, when: str = "now") -> str:
    parts = [list(map(on_cpu, part)) for part in (train, test)]
    return submission.run(lay_out, name, *parts, when, call="(the grader writes a few images into a folder)")


def check_cpu_tensor(got: Any, expected: Tensor, **options: Any) -> None:
    """For what is due on the CPU, wherever the grading is done."""
    if type(got) is Tensor:
        got = got.clone()
        got.worker_device = grading_device.get()  # type: ignore[attr-defined]
    check_tensor(got, expected, **options)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: load_dataset
# ---------------------------------------------------------------------------------------------------------------------


def read_items(sub, name, root, train, options, as_path):
    from pathlib import Path

    import numpy
    import torch
    from PIL import Image

    dataset = sub.load_dataset(name, Path(root) if as_path else root, train, **options)
    images, labels = zip(*(dataset[place] for place in range(min(len(dataset), 200))), strict=True)
    return {
        "length": len(dataset),
        "kinds": sorted({"PIL image" if isinstance(image, Image.Image) else type(image).__name__ for image in images}),
        "images": torch.stack([torch.from_numpy(numpy.array(image)) for image in images]),
        "labels": list(labels),
        "targets": torch.as_tensor(dataset.targets).tolist(),
    }


def check_items(got: dict, due: Part, what: str) -> None:
    hint = "Which set is this, and which part of it? Print len() and the first labels of what you return."
    check_equal(got["length"], len(due.labels), what=f"the number of {what} images", hint=hint)
    raw = "load_dataset leaves the images as the files hold them. Who turns them into tensors here, and when is it due?"
    check_equal(got["kinds"], ["PIL image"], what="what the images are", hint=raw)
    check_equal(got["labels"], due.labels.tolist(), what=f"the labels of the {what} images", hint=hint)
    check_equal(got["targets"], due.labels.tolist(), what=".targets", hint=hint)
    stored = due.images.movedim(1, -1) if due.images.dim() == 4 else due.images
    check_cpu_tensor(got["images"], stored, what=f"the pixels of the {what} images", hint=raw)


@pytest.mark.task(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_gives_its_set(submission, rng, name):
    """Each name gives torchvision's data set: training or test images, as PIL images, with their labels."""
    train, test = draw_part(rng, name, 13), draw_part(rng, name, 6, first=70)
    root = put_files(submission, name, train, test)
    for part, flag, due in (("training", True, train), ("test", False, test)):
        call = f'load_dataset("{name}", root, train={flag})'
        got = submission.run(read_items, name, root, flag, {}, flag, call=call)
        check_items(got, due, part)


def refuse(sub, function, name, arguments):
    return getattr(sub, function)(name, *arguments) and None


def check_refused(submission, function: str, *arguments: Any) -> None:
    """Three names that nobody knows."""
    hint = "Follow a name that you do not know through your function. Whoever mistyped one wants to see the right ones."
    for name in ("imagenet", "cifar", ""):
        written = ", ".join([f'"{name}"', *map(str, arguments)])
        check_raises(
            ValueError,
            submission.run,
            refuse,
            function,
            name,
            [*arguments],
            call=f"{function}({written})",
            mentions=NAMES,
            hint=hint,
        )


@pytest.mark.task(1)
def test_an_unknown_name_is_told_the_known_ones(submission):
    """A name that is none of the four is a ValueError, whose message lists the four."""
    check_refused(submission, "load_dataset", "data", True)


@pytest.mark.task(1)
@pytest.mark.parametrize("name", ["fashionmnist", "cifar100"])
def test_nothing_is_downloaded_unasked(submission, rng, name):
    """Where the files are missing, torchvision's RuntimeError says so, unless download=True."""
    root = put_files(submission, name, draw_part(rng, name, 5), draw_part(rng, name, 5), when="download")
    hint = "Hundreds of megabytes are nothing to fetch unasked. What is download when nobody gives it, and who gets it?"
    arguments = read_items, name, root, True, {}, False
    call = f'load_dataset("{name}", "an empty folder", True)'
    check_raises(RuntimeError, submission.run, *arguments, call=call, hint=hint)


@pytest.mark.task(1)
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_download_fetches_the_files(submission, rng, name):
    """download=True is handed on to torchvision, which fetches what is missing."""
    train, test = draw_part(rng, name, 5), draw_part(rng, name, 4, first=50)
    root = put_files(submission, name, train, test, when="download")
    call = f'load_dataset("{name}", "an empty folder", False, download=True)'
    got = submission.run(read_items, name, root, False, {"download": True}, False, call=call)
    check_items(got, test, "test")


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: make_transform
# ---------------------------------------------------------------------------------------------------------------------


def transform_images(sub, name, options, images, times):
    import torch
    from PIL import Image

    transform = sub.make_transform(name, **options)
    pictures = [
        Image.fromarray(image.movedim(0, -1).numpy() if image.dim() == 3 else image.numpy()) for image in images
    ]
    results = [transform(picture) for picture in pictures for _ in range(times)]
    results = [each.as_subclass(torch.Tensor) if isinstance(each, torch.Tensor) else each for each in results]
    alike = all(type(each) is torch.Tensor and each.shape == results[0].shape for each in results)
    return torch.stack(results) if alike else results


def transformed(submission, name: str, images: Tensor, times: int = 1, **options: Any) -> Tensor:
    """What came of each image, `times` times each: float32 [N, C, H, W]."""
    given = "".join(f", {key}={value}" for key, value in options.items())
    call = f'make_transform("{name}"{given})(a PIL image)'
    got = submission.run(transform_images, name, options, on_cpu(images), times, call=call)
    hint = "Print type, dtype, shape and the largest value after each step of the transform."
    if type(got) is list:
        odd = next((each for each in got if type(each) is not Tensor or list(each.shape) != SIZES[name]), got[0])
        check(False, expected=f"a torch.Tensor of shape {SIZES[name]}", got=show(odd), hint=hint)
    due = torch.zeros(len(images) * times, *SIZES[name])
    check_cpu_tensor(got, due, rtol=0.0, atol=1e6, what=f"{len(due)} transformed images", hint=hint)
    return got


@pytest.mark.task(2)
@pytest.mark.parametrize("name", NAMES)
def test_the_statistics_are_those_of_the_set(submission, name):
    """What becomes of a black image and of a white one tells the mean and the deviation that were used."""
    channels = SIZES[name][0]
    image = torch.zeros(2, *SIZES[name], dtype=torch.uint8)
    image[1] = 255
    black, white = transformed(submission, name, image if channels == 3 else image[:, 0], augment=False)
    stds = 1 / (white - black).mean((1, 2)).double()
    means = -black.mean((1, 2)).double() * stds
    hint = (
        "Are these numbers of this set, of these channels, and of pixels in [0, 1]? What was divided by what, and when?"
    )
    for what, found, due in zip(("mean", "standard deviation"), (means, stds), STATISTICS[name], strict=True):
        for place, channel in enumerate(CHANNELS[channels]):
            check(
                abs(found[place].item() - due[place]) <= ROUNDING,
                expected=f"the {what} of {name}, {channel}: {due[place]:.4f}, to within {ROUNDING}",
                got=f"{found[place].item():.4f}, by what became of black and white",
                hint=hint,
            )


@pytest.mark.task(2)
@pytest.mark.parametrize("name", NAMES)
def test_every_pixel_is_scaled_and_normalised(submission, rng, name):
    """From 0 to 255, over [0, 1], to (x − mean) / std, each pixel in its place; by default nothing is augmented."""
    images = draw_part(rng, name, 4).images
    got = transformed(submission, name, images)
    hint = "Work one pixel out by hand, and find it in your result. Is it in its place, and in its channel?"
    check_cpu_tensor(got, normalised(images, name), **CLOSE, what="the images", hint=hint)


class Windows(NamedTuple):
    """Where each of some augmented images was cut from: the first row and column, from 0 to 8, flipped or not."""

    rows: list[int]
    columns: list[int]
    flips: list[int]


def find_windows(got: Tensor, image: Tensor, name: str) -> Windows:
    """Fails where one of `got` [N, 3, 32, 32] is no window of `image` with 4 black pixels around it."""
    mean, std = (torch.tensor(values)[:, None, None] for values in STATISTICS[name])
    padded = (F.pad(image, (4,) * 4) / 255 - mean) / std
    cut = padded.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)  # [81, 3, 32, 32]
    every = torch.cat([cut, cut.flip(-1)])
    nearest = torch.cdist(got.flatten(1), every.flatten(1)).argmin(1)
    hint = (
        "A window of 32×32 out of 40×40, flipped or not. What lies around the image, and is it black before or after?"
    )
    for number, place in enumerate(nearest.tolist()):
        row, column, flip = place % 81 // 9, place % 9, place // 81
        where = f"the window from row {row - 4}, column {column - 4} on{', flipped' if flip else ''}"
        what = f"augmented image {number}, which is most like {where}"
        check_cpu_tensor(got[number], every[place], **CLOSE, what=what, hint=hint)
    places = nearest.tolist()
    return Windows([p % 81 // 9 for p in places], [p % 9 for p in places], [p // 81 for p in places])


@pytest.mark.task(2)
@pytest.mark.parametrize("name", COLOUR)
def test_an_augmented_image_is_a_window_of_the_padded_one(submission, rng, name):
    """Padded by 4 black pixels, cut to 32×32, flipped or not, and only then normalised."""
    images = draw_part(rng, name, 1).images
    got = transformed(submission, name, images, times=40, augment=True)
    find_windows(got, images[0], name)


@pytest.mark.task(2)
def test_every_window_and_both_sides_are_drawn(submission, rng):
    """Each first row and column from −4 to 4 comes, rows regardless of columns, and half of the images are flipped."""
    images = draw_part(rng, "cifar10", 1).images
    got = transformed(submission, "cifar10", images, times=200, augment=True)
    windows = find_windows(got, images[0], "cifar10")
    hint = "In how many places can a window of 32 begin in a row of 40? Is each of them drawn, and anew for each image?"
    # A place is missed in 200 draws once in 2e10 times. 74 pairs are due, give or take 2.4; flips 100, give or take 7.
    for what, firsts in (("row", windows.rows), ("column", windows.columns)):
        seen = sorted({first - 4 for first in firsts})
        check(
            seen == list(range(-4, 5)),
            expected=f"windows that begin in each {what} from -4 to 4",
            got=f"{what}s {seen} in 200 images",
            hint=hint,
        )
    pairs = len(set(zip(windows.rows, windows.columns, strict=True)))
    check(pairs > 50, expected="about 74 of the 81 windows in 200 images", got=f"{pairs} of them", hint=hint)
    mirror = "How often is an image flipped by the default of torchvision's RandomHorizontalFlip?"
    flips = sum(windows.flips)
    check(60 <= flips <= 140, expected="about 100 of 200 images flipped", got=f"{flips} of 200", hint=mirror)


@pytest.mark.task(2)
@pytest.mark.parametrize("name", GREY)
def test_grey_images_are_never_augmented(submission, rng, name):
    """A digit in a mirror is no digit, and a shoe is worn on both feet: augment changes nothing for the grey sets."""
    images = draw_part(rng, name, 2).images
    got = transformed(submission, name, images, times=12, augment=True)
    hint = "augment=True was given, for a set in grey. What does the README say of these?"
    due = normalised(images, name).repeat_interleave(12, 0)
    check_cpu_tensor(got, due, **CLOSE, what="the images", hint=hint)


@pytest.mark.task(2)
def test_a_transform_for_an_unknown_name_is_refused(submission):
    """A set that nobody knows has no statistics: a ValueError lists the sets that have."""
    check_refused(submission, "make_transform")


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: seeded_subset
# ---------------------------------------------------------------------------------------------------------------------

SHUFFLED = "Which generator shuffles, what is shuffled, and when is it cut: before or after?"


@pytest.mark.task(3)
def test_the_four_that_everybody_knows(submission):
    """Of 50,000 images the first four are 24565, 21462, 15021 and 39775: by the seed that holds when none is given."""
    got = submission.seeded_subset(50_000, 4)
    check_equal(got, [24565, 21462, 15021, 39775], hint=SHUFFLED)


@pytest.mark.task(3)
def test_any_seed_gives_what_numpy_shuffles(submission, rng):
    """The first `size` of list(range(n)), shuffled in place by numpy.random.RandomState(seed), as Python ints."""
    for n, size in ((23, 9), (400, 37), (11, 5)):
        seed = random_int(rng, 1 << 31)
        due = list(range(n))
        numpy.random.RandomState(seed).shuffle(due)
        check_equal(submission.seeded_subset(n, size, seed), due[:size], hint=SHUFFLED)
        check_equal(submission.seeded_subset(n, size, seed=seed), due[:size], hint=SHUFFLED)


def random_int(rng: torch.Generator, end: int) -> int:
    return int(torch.randint(end, (), generator=rng))


@pytest.mark.task(3)
def test_all_of_them_or_none(submission, rng):
    """size = n gives every index once, and size = 0 the empty list."""
    seed = random_int(rng, 1 << 31)
    due = list(range(17))
    numpy.random.RandomState(seed).shuffle(due)
    hint = "Both are sizes like any other. What does your code do with the first 0 of a list?"
    check_equal(submission.seeded_subset(17, 17, seed), due, hint=hint)
    check_equal(submission.seeded_subset(17, 0, seed), [], hint=hint)


@pytest.mark.task(3)
def test_more_than_there_are_is_refused(submission):
    """Whoever asks for 11 of 10 images is told so; a slice would give 10 without a word."""
    hint = "A slice of a list never complains. Who finds out, and when, that a subset is smaller than it should be?"
    for size in (11, -1):
        check_raises(ValueError, submission.seeded_subset, 10, size, hint=hint)


def draw_after(sub, function, arguments, seed):
    import random

    import numpy
    import torch

    for seed_all in (random.seed, numpy.random.seed, torch.manual_seed):
        seed_all(seed)
    getattr(sub, function)(*arguments)
    return [random.random(), float(numpy.random.rand()), float(torch.rand(()))]


def next_numbers(seed: int) -> list[float]:
    """What the global generators of random, NumPy and torch give next, once they were seeded."""
    generator = torch.Generator().manual_seed(seed)
    numbers = random.Random(seed).random(), numpy.random.RandomState(seed).rand(), torch.rand((), generator=generator)
    return [float(number) for number in numbers]


def check_next(got: list[float], due: list[float]) -> None:
    hint = (
        "Others draw from the global generators too. Whose numbers change when you seed one of them, or draw from it?"
    )
    for name, number, mine in zip(("random", "NumPy", "torch"), due, got, strict=True):
        check_equal(mine, number, what=f"the next number of the global generator of {name}", hint=hint)


def check_globals(submission, rng, function: str, *arguments: Any, call: str) -> None:
    """What is drawn after the call is what would have been drawn without it."""
    seed = random_int(rng, 1 << 31)
    due = next_numbers(seed)
    check_next(submission.run(draw_after, function, list(arguments), seed, call=call), due)


@pytest.mark.task(3)
def test_a_subset_leaves_the_global_generators_alone(submission, rng):
    """What others draw afterwards does not depend on a subset that was chosen in between."""
    check_globals(submission, rng, "seeded_subset", 30, 5, call="seeded_subset(30, 5)")


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: mini_dataset
# ---------------------------------------------------------------------------------------------------------------------


def choose(sub, labels, kind, within, calls):
    """For each call of mini_dataset: its items, and how many images were loaded to choose them."""
    import numpy
    import torch
    from torch.utils.data import Dataset, Subset

    loaded, found = [], []

    class Numbered(Dataset):
        def __init__(self):
            kinds = {"list": list, "tensor": torch.tensor, "array": numpy.array}
            self.targets = kinds[kind](labels)

        def __len__(self):
            return len(labels)

        def __getitem__(self, place):
            loaded.append(place)
            return torch.tensor([place]), labels[place]  # an image that holds its number

    dataset = Numbered()
    for indices in within:
        dataset = Subset(dataset, indices)
    for arguments in calls:
        loaded.clear()
        chosen = sub.mini_dataset(dataset, *arguments)
        count = len(loaded)
        items = [chosen[place] for place in range(min(len(chosen), len(labels)))]
        found.append({"loaded": count, "items": [[int(image), int(label)] for image, label in items]})
    return found


def draw_labels(rng: torch.Generator, counts: list[int]) -> list[int]:
    """As many of each label as `counts` says, in a random order."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return labels[torch.randperm(len(labels), generator=rng)].tolist()


def chosen_items(
    submission, labels: list[int], *calls: list[int], kind: str = "list", within: Any = (), note: str = ""
) -> list[list[list[int]]]:
    """For each call the [number, label] of what was chosen."""
    call = "; ".join(f"mini_dataset(dataset, {n}, ratio={r}, seed={s})" for n, r, s in calls[:2]) + note
    got = submission.run(choose, labels, kind, list(within), list(calls), call=call)
    return [each["items"] for each in got]


def check_chosen(items: list[list[int]], labels: dict[int, int], n_classes: int, ratio: int) -> None:
    """`labels` gives the label of each image that there is."""
    hint = "Write down how often each label occurs, and how many of them are due. Which label has too many or too few?"
    counts = Counter(labels.values())
    due = {label: counts[label] // ratio for label in range(n_classes) if counts[label] >= ratio}
    found = dict(sorted(Counter(label for _, label in items).items()))
    check_equal(found, due, what="how many of each label", hint=hint)
    numbers = [number for number, _ in items]
    twice = next((number for number, times in Counter(numbers).items() if times > 1), None)
    once = "How can an image be chosen twice when each is drawn out of those that are left?"
    check(twice is None, expected="each image once at most", got=f"image {twice} more than once", hint=once)
    for number, label in items:
        own = "In which list is this place counted, and which one is asked for the image, and which for the label?"
        check_equal(labels.get(number), label, what=f"the label of image {number}", hint=own)


@pytest.mark.task(4)
def test_the_first_labels_and_one_in_ratio_of_each(submission, rng):
    """Of n_classes labels, from 0 on, one image in `ratio` each, rounded down; rare labels stay rare."""
    labels = draw_labels(rng, [9, 14, 6, 11, 7])
    for n_classes, ratio in ((3, 2), (2, 3), (5, 4), (1, 1), (4, 8)):
        (items,) = chosen_items(submission, labels, [n_classes, ratio, random_int(rng, 1000)])
        check_chosen(items, dict(enumerate(labels)), n_classes, ratio)


@pytest.mark.task(4)
def test_no_image_is_loaded_to_choose(submission, rng):
    """Labels are in .targets. To load 60,000 images, only to look at their labels, takes minutes."""
    labels = draw_labels(rng, [9, 14, 6])
    got = submission.run(choose, labels, "list", [], [[2, 2, 3]], call="mini_dataset(dataset, 2, ratio=2, seed=3)")
    hint = "Does your code ask for dataset[i] to get a label? Where are all labels in one place?"
    check_equal(got[0]["loaded"], 0, what="the number of images that were loaded meanwhile", hint=hint)
    check_chosen(got[0]["items"], dict(enumerate(labels)), 2, 2)


@pytest.mark.task(4)
@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_targets_may_be_a_tensor_or_an_array(submission, rng, kind):
    """CIFAR keeps its labels in a list, MNIST in a tensor, and others in a NumPy array."""
    labels = draw_labels(rng, [9, 14, 6, 5])
    note = f", with .targets in {'a tensor' if kind == 'tensor' else 'an array'}"
    (items,) = chosen_items(submission, labels, [3, 2, 5], kind=kind, note=note)
    check_chosen(items, dict(enumerate(labels)), 3, 2)


@pytest.mark.task(4)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_subset_has_labels_too(submission, rng, depth):
    """A Subset has no .targets: its labels are those of its indices, in the set below it, which may be a Subset too."""
    labels, within = draw_labels(rng, [16, 20, 12, 14]), []
    numbers = torch.arange(len(labels))
    for size in (50, 38)[:depth]:
        within.append(torch.randperm(len(numbers), generator=rng)[:size].tolist())
        numbers = numbers[within[-1]]
    inside = {number: labels[number] for number in numbers.tolist()}
    note = f", with dataset = {'Subset(' * depth}…{')' * depth}"
    (items,) = chosen_items(submission, labels, [3, 2, 8], within=within, note=note)
    check_chosen(items, inside, 3, 2)


@pytest.mark.task(4)
def test_the_same_seed_chooses_the_same_images(submission, rng):
    """Nothing but the seed decides: not what was drawn before, nor how often it was called."""
    labels, seed = draw_labels(rng, [30, 25]), random_int(rng, 1000)
    one, other, third = chosen_items(submission, labels, [2, 2, seed], [2, 2, seed], [2, 2, seed + 1])
    check_chosen(one, dict(enumerate(labels)), 2, 2)
    hint = "Called twice with one seed. What draws in your code, and what had it drawn before the second call?"
    check_equal(sorted(other), sorted(one), what="what the same seed chooses again", hint=hint)
    elsewhere = "Does the seed that is given reach what draws?"
    check(sorted(third) != sorted(one), expected="other images by another seed", got="the same", hint=elsewhere)


def choose_after(sub, labels, seed):
    import random

    import numpy
    import torch
    from torch.utils.data import TensorDataset

    dataset = TensorDataset(torch.arange(len(labels)), torch.tensor(labels))
    dataset.targets = labels
    for seed_all in (random.seed, numpy.random.seed, torch.manual_seed):
        seed_all(seed)
    sub.mini_dataset(dataset, 2, 2, 7)
    return [random.random(), float(numpy.random.rand()), float(torch.rand(()))]


@pytest.mark.task(4)
def test_a_choice_leaves_the_global_generators_alone(submission, rng):
    """What others draw afterwards does not depend on a mini_dataset that was made in between."""
    labels, seed = draw_labels(rng, [9, 14, 6]), random_int(rng, 1 << 31)
    due = next_numbers(seed)
    got = submission.run(choose_after, labels, seed, call="mini_dataset(dataset, 2, ratio=2, seed=7)")
    check_next(got, due)


@pytest.mark.task(4)
def test_every_image_has_its_chance(submission, rng):
    """Over many seeds each image is chosen by some of them, whatever its place among those of its label."""
    labels = draw_labels(rng, [12, 9])
    every = chosen_items(submission, labels, *([2, 3, seed] for seed in range(100)), note="; …, for 100 seeds")
    missing = sorted(set(range(len(labels))) - {number for items in every for number, _ in items})
    hint = "The first third of a label's images is no sample of them. What is shuffled before you cut?"
    # The seeds are fixed: a fair choice by any generator misses an image of these 100 times once in 2e16 cases.
    check(not missing, expected="each image chosen by some of 100 seeds", got=f"never images {missing}", hint=hint)


@pytest.mark.task(4)
@pytest.mark.parametrize("name", ["mnist", "cifar100"])
def test_a_set_of_torchvision_is_made_smaller(submission, rng, name):
    """What load_dataset gives is a data set like any other."""
    train, test = draw_part(rng, name, 40), draw_part(rng, name, 5)
    train = Part(train.images, torch.tensor(draw_labels(rng, [12, 8, 11, 9])))
    root = put_files(submission, name, train, test)
    call = f'mini_dataset(load_dataset("{name}", root, True), 3, 2, seed=1)'
    got = submission.run(choose_of_files, name, root, [3, 2, 1], call=call)
    stored = train.images.movedim(1, -1) if name in COLOUR else train.images
    numbers = {tuple(image.flatten()[:16].tolist()): number for number, image in enumerate(stored)}
    items = [[numbers.get(tuple(pixels), -1), label] for pixels, label in got]
    check_chosen(items, dict(enumerate(train.labels.tolist())), 3, 2)


def choose_of_files(sub, name, root, arguments):
    import numpy

    chosen = sub.mini_dataset(sub.load_dataset(name, root, True), *arguments)
    items = [chosen[place] for place in range(min(len(chosen), 200))]
    return [[numpy.array(image).flatten()[:16].tolist(), int(label)] for image, label in items]


@pytest.mark.task(4)
def test_classes_or_ratios_that_can_not_be_are_refused(submission, rng):
    """n_classes < 1, more classes than there are, and ratio < 1 are a ValueError."""
    labels = draw_labels(rng, [5, 6, 7])
    hint = "What would be chosen for these numbers, and would whoever gave them notice?"
    for n_classes, ratio in ((0, 2), (4, 2), (-1, 1), (2, 0), (2, -2)):
        call = f"mini_dataset(dataset of 3 classes, {n_classes}, ratio={ratio}, seed=0)"
        arguments = choose, labels, "list", [], [[n_classes, ratio, 0]]
        check_raises(ValueError, submission.run, *arguments, call=call, hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: split_indices
# ---------------------------------------------------------------------------------------------------------------------


def call_split(sub, n, fraction, seed):
    return sub.split_indices(n, fraction, seed)


def split(submission, n: int, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Both lists, which are checked to be disjoint and complete."""
    got = submission.run(call_split, n, fraction, seed, call=f"split_indices({n}, {fraction}, {seed})")
    hint = "Two lists of Python ints are due: those to train on, and the others."
    pair = type(got) in (tuple, list) and len(got) == 2 and all(type(part) is list for part in got)
    check(pair, expected="a tuple of two lists", got=show(got), hint=hint)
    train, val = got
    ints = all(type(index) is int for index in train + val)
    check(ints, expected="lists of ints", got=f"{show(train)} and {show(val)}", hint=hint)
    both = sorted(set(train) & set(val))
    leak = "A validation image that was trained on proves nothing. How can an index come to be on both sides?"
    check(not both, expected="no index on both sides", got=f"{both[:8]} on both", hint=leak)
    check_complete(train + val, range(n), "an index", "Write both lists down for n = 5, and count.")
    return train, val


def check_complete(got: list[int], due: range, what: str, hint: str) -> None:
    """Each of `due` once, in any order."""
    counts = Counter(got)
    missing = [number for number in due if number not in counts]
    twice = [number for number, times in counts.items() if times > 1]
    strange = [number for number in counts if number not in due]
    told = [
        f"{some[:8]} {words}"
        for some, words in ((missing, "missing"), (twice, "twice or more"), (strange, "too many"))
        if some
    ]
    check(not told, expected=f"{what} for each of {due[0]} to {due[-1]}, once", got=", ".join(told), hint=hint)


@pytest.mark.task(5)
def test_every_index_is_on_one_side(submission, rng):
    """Disjoint and complete, and n · train_fraction of them are trained on, rounded up or down."""
    hint = "How many are n · train_fraction? Which of the two lists has that many?"
    for n, fraction in ((40, 0.75), (37, 0.3), (64, 0.125), (1, 0.5)):
        train, _ = split(submission, n, fraction, random_int(rng, 1000))
        due = n * fraction
        told = f"{due:g}" if due == int(due) else f"{int(due)} or {int(due) + 1}"
        check(abs(len(train) - due) < 1, expected=f"{told} to train on", got=f"{len(train)} of {n}", hint=hint)


@pytest.mark.task(5)
def test_all_or_nothing_to_train_on(submission, rng):
    """train_fraction=1 leaves nothing for validation, and 0 nothing for training; both are allowed."""
    for fraction, count in ((1.0, 9), (0.0, 0)):
        train, _ = split(submission, 9, fraction, random_int(rng, 1000))
        check_equal(len(train), count, what="how many to train on", hint="The ends of the range belong to it.")


@pytest.mark.task(5)
def test_the_seed_alone_decides_the_split(submission, rng):
    """The same seed gives the same two lists, in the same order; another seed gives others."""
    seed = random_int(rng, 1000)
    one, again, other = (split(submission, 50, 0.5, each) for each in (seed, seed, seed + 1))
    hint = "Called twice with one seed. What draws in your code, and what had it drawn before the second call?"
    for what, first, second in zip(("training", "validation"), one, again, strict=True):
        check_equal(second, first, what=f"the {what} indices by the same seed", hint=hint)
    elsewhere = "Does the seed that is given reach what draws?"
    check(set(one[0]) != set(other[0]), expected="another split by another seed", got="the same", hint=elsewhere)


@pytest.mark.task(5)
def test_no_index_has_a_fixed_side(submission):
    """Over many seeds each index is on either side: files are often sorted, and their first images are no sample."""
    splits = [split(submission, 10, 0.5, seed) for seed in range(60)]
    hint = "Where an index stands in 0 … n − 1 must say nothing of its side. What do you cut, and in which order is it?"
    for side, name in enumerate(("training", "validation")):
        missing = sorted(set(range(10)) - {index for each in splits for index in each[side]})
        # The seeds are fixed: a fair split by any generator leaves an index on one side for all 60 once in 6e16 times.
        told = f"indices {missing} in none of 60 {name} lists"
        check(not missing, expected=f"each index in some {name} list", got=told, hint=hint)


@pytest.mark.task(5)
def test_a_fraction_is_a_share(submission):
    """A train_fraction below 0 or above 1 is a ValueError."""
    hint = "What would your slices give for 150 % of the images, without a word?"
    for fraction in (1.25, -0.25, 80.0):
        call = f"split_indices(20, {fraction}, 0)"
        check_raises(ValueError, submission.run, call_split, 20, fraction, 0, call=call, hint=hint)


@pytest.mark.task(5)
def test_a_split_leaves_the_global_generators_alone(submission, rng):
    """What others draw afterwards does not depend on a split in between."""
    check_globals(submission, rng, "split_indices", 30, 0.5, 1, call="split_indices(30, 0.5, seed=1)")


# ---------------------------------------------------------------------------------------------------------------------
# Task 6: make_loaders
# ---------------------------------------------------------------------------------------------------------------------

EVERY = "Count the images that go in, and those that come out in one pass. Which ones are missing, or come twice?"


def go_through(sub, name, root, arguments, steps):
    """A list of batches for each pass; a number among the steps seeds all global generators."""
    import random

    import numpy
    import torch

    loaders, passes = sub.make_loaders(name, root, **arguments), []
    for step in steps:
        if type(step) is int:
            for seed_all in (random.seed, numpy.random.seed, torch.manual_seed):
                seed_all(step)
        else:
            passes.append([list(batch) for batch in loaders[step]])
    return passes


class Pass(NamedTuple):
    """What came in one pass over a loader: the images [N, C, H, W], the labels, and the sizes of the batches."""

    images: Tensor
    labels: list[int]
    sizes: list[int]


def loaded(submission, name: str, root: str, *steps: str | int, **arguments: Any) -> list[Pass]:
    given = "".join(f", {key}={value}" for key, value in arguments.items())
    order = ", ".join(f'["{step}"]' for step in steps if type(step) is str)
    call = f'make_loaders("{name}", root{given}), then all batches of {order}'
    got = submission.run(go_through, name, root, arguments, list(steps), call=call)
    return [read_pass(batches, name) for batches in got]


def read_pass(batches: list[list[Any]], name: str) -> Pass:
    """Fails where a batch is not images and labels."""
    hint = "A batch is what DataLoader makes of (tensor, int) pairs. What are your data set's items?"
    images, labels = [torch.zeros(0, *SIZES[name])], [torch.zeros(0, dtype=torch.int64)]
    for batch in batches:
        check(len(batch) == 2, expected="batches of images and labels", got=f"batches of {len(batch)}", hint=hint)
        count = len(batch[0]) if type(batch[0]) is Tensor and batch[0].dim() else 0
        check_cpu_tensor(batch[0], torch.zeros(count, *SIZES[name]), rtol=0.0, atol=1e6, what="images", hint=hint)
        due = torch.zeros(count, dtype=torch.int64)
        told = f"{show(batch[1])} with {count} images"
        fits = type(batch[1]) is Tensor and batch[1].dtype == due.dtype and batch[1].shape == due.shape
        check(fits, expected="an int64 tensor [B] of labels", got=told, hint=hint)
        images.append(batch[0])
        labels.append(batch[1])
    return Pass(torch.cat(images), torch.cat(labels).tolist(), [len(batch[1]) for batch in batches])


def check_plain(got: Pass, due: Part, name: str, what: str, hint: str) -> None:
    """Each image is that of its label, scaled and normalised, and nothing else."""
    first = int(due.labels[0])
    for image, label in zip(got.images, got.labels, strict=True):
        inside = first <= label < first + len(due.labels)
        check(
            inside, expected=f"{what} images alone, which have labels from {first} on", got=f"label {label}", hint=hint
        )
        plain = normalised(due.images[label - first][None], name)[0]
        check_cpu_tensor(image, plain, **CLOSE, what=f"{what} image {label}", hint=hint)


@pytest.mark.task(6)
@pytest.mark.parametrize("name", NAMES)
def test_validation_and_test_images_are_not_augmented(submission, rng, name):
    """What a model is judged on is scaled and normalised, and otherwise as it is in the files."""
    train, test = draw_part(rng, name, 20), draw_part(rng, name, 7, first=70)
    root = put_files(submission, name, train, test)
    val_pass, test_pass = loaded(submission, name, root, "val", "test", batch_size=4, val_fraction=0.5)
    hint = "Is make_transform right by itself? Then: which transform was at work, and on whose set was it set?"
    check_equal(len(val_pass.labels), 10, what="the number of validation images", hint=hint)
    check_plain(val_pass, train, name, "validation", hint)
    check_equal(
        sorted(test_pass.labels), test.labels.tolist(), what="the labels of all test images, sorted", hint=EVERY
    )
    check_plain(test_pass, test, name, "test", hint)


@pytest.mark.task(6)
@pytest.mark.parametrize("name", COLOUR)
def test_training_images_in_colour_are_augmented(submission, rng, name):
    """Each training image is a window of its own padded image, flipped or not, and seldom the image as it is."""
    train, test = draw_part(rng, name, 18), draw_part(rng, name, 3, first=70)
    root = put_files(submission, name, train, test)
    (got,) = loaded(submission, name, root, "train", batch_size=5, val_fraction=0)
    check_equal(sorted(got.labels), train.labels.tolist(), what="the labels of all training images", hint=EVERY)
    moved = 0
    for image, label in zip(got.images, got.labels, strict=True):
        (row,), (column,), (flip,) = find_windows(image[None], train.images[label], name)
        moved += (row, column, flip) != (4, 4, 0)
    hint = "Which transform was at work here, and was it still in place when the images were loaded?"
    # An image stays as it is once in 162 times; 9 of 18 do in 6e-16 of all runs.
    check(moved > 9, expected="nearly all images cropped or flipped", got=f"{moved} of {len(got.labels)}", hint=hint)


@pytest.mark.task(6)
def test_an_image_is_augmented_anew_in_each_pass(submission, rng):
    """An image seldom comes twice from the same window: that is what makes many images of few."""
    train, test = draw_part(rng, "cifar10", 18), draw_part(rng, "cifar10", 3, first=70)
    root = put_files(submission, "cifar10", train, test)
    passes = loaded(submission, "cifar10", root, "train", "train", batch_size=5, val_fraction=0)
    one, two = (dict(zip(each.labels, each.images, strict=True)) for each in passes)
    check_equal(sorted(two), sorted(one), what="the labels of the second pass", hint=EVERY)
    same = sum(torch.equal(one[label], two[label]) for label in one)
    hint = "When is an image augmented: when the loaders are made, or when it is asked for?"
    # Two windows are one once in 162 times.
    check(same < 9, expected="18 images, nearly all from another window", got=f"{same} as in the first pass", hint=hint)


def numbered(submission, rng, when: str = "now") -> str:
    """A small MNIST: training images 0 to 39, test images 100 to 108. Only order matters, so the images are small."""
    return put_files(submission, "mnist", draw_part(rng, "mnist", 40), draw_part(rng, "mnist", 9, first=100), when)


@pytest.mark.task(6)
def test_grey_training_images_are_not_augmented(submission, rng):
    """Training images of a grey set are shuffled, scaled and normalised, each with its own label."""
    train, test = draw_part(rng, "fashionmnist", 12), draw_part(rng, "fashionmnist", 3, first=70)
    root = put_files(submission, "fashionmnist", train, test)
    (got,) = loaded(submission, "fashionmnist", root, "train", batch_size=5, val_fraction=0)
    check_equal(sorted(got.labels), train.labels.tolist(), what="the labels of all training images", hint=EVERY)
    check_plain(got, train, "fashionmnist", "training", "Is this image its label's own, and has it been moved?")


@pytest.mark.task(6)
@pytest.mark.parametrize("arguments", [{}, {"val_fraction": 0.25}, {"val_fraction": 0.75, "seed": 5}], ids=str)
def test_train_and_val_share_the_training_images(submission, rng, arguments):
    """Each training image is in train or in val, never in both; val has val_fraction of them, a fifth by default."""
    root = numbered(submission, rng)
    train, val, test = loaded(submission, "mnist", root, "train", "val", "test", batch_size=7, **arguments)
    both = sorted(set(train.labels) & set(val.labels))
    leak = "A validation image that was trained on proves nothing. How did it come to be on both sides?"
    check(not both, expected="no image in train and in val", got=f"images {both[:8]} in both", hint=leak)
    check_complete(train.labels + val.labels, range(40), "an image in train or in val", EVERY)
    due = round(40 * arguments.get("val_fraction", 0.2))
    hint = "val_fraction is validation's share. Which share does split_indices ask for?"
    check_equal(len(val.labels), due, what="the number of validation images", hint=hint)
    check_equal(
        test.labels, list(range(100, 109)), what="the test images", hint="Neither chosen, nor shuffled, nor cut."
    )


@pytest.mark.task(6)
def test_batches_are_full_but_the_last(submission, rng):
    """batch_size images each, and what is left over makes a smaller last batch: no image is dropped."""
    root = numbered(submission, rng)
    passes = loaded(submission, "mnist", root, "train", "val", "test", batch_size=6)
    hint = "32, 8 and 9 images in batches of 6: who makes the last batch, and may it be dropped?"
    due = [6, 6, 6, 6, 6, 2], [6, 2], [6, 3]
    for part, got, sizes in zip(("train", "val", "test"), passes, due, strict=True):
        check_equal(got.sizes, sizes, what=f"the sizes of the batches of {part}", hint=hint)


@pytest.mark.task(6)
def test_each_pass_over_train_has_its_own_order(submission, rng):
    """Train is shuffled anew for each pass; val and test come in the same order each time."""
    root = numbered(submission, rng)
    steps = "train", "train", "val", "val", "test", "test"
    one, two, *others = loaded(submission, "mnist", root, *steps, batch_size=6)
    check_equal(sorted(two.labels), sorted(one.labels), what="the images of the second pass, sorted", hint=EVERY)
    hint = "Print the labels of two passes. Who is asked for a new order, and when?"
    check(one.labels != two.labels, expected="another order in each pass over train", got="the same", hint=hint)
    for name, first, second in (("val", *others[:2]), ("test", *others[2:])):
        still = f"Nothing is gained by shuffling {name}. What is its shuffle?"
        check_order(second.labels, first.labels, f"the second pass over {name}", still)


def check_order(got: list[int], due: list[int], what: str, hint: str) -> None:
    """The same images in the same order, or where they first part."""
    check_equal(len(got), len(due), what=f"the number of images of {what}", hint=hint)
    for place, (mine, right) in enumerate(zip(got, due, strict=True), 1):
        check(mine == right, expected=f"{what}: image {right} at place {place}", got=f"image {mine}", hint=hint)


@pytest.mark.task(6)
def test_the_order_follows_from_the_seed_and_from_nothing_else(submission, rng):
    """Made again with one seed, train gives the same passes, whatever was drawn or gone through in between."""
    root, seed = numbered(submission, rng), random_int(rng, 1000)
    arguments = {"batch_size": 6, "seed": seed}
    first, val, second = loaded(submission, "mnist", root, 1, "train", "val", "train", **arguments)
    steps = 2, "train", 3, "test", "val", "val", "train"
    again, _, other_val, _, third = loaded(submission, "mnist", root, *steps, **arguments)
    split_hint = "Who splits, and by which seed?"
    check_order(other_val.labels, val.labels, "val, made again with one seed", split_hint)
    hint = (
        "Between making and using a loader others have drawn random numbers. From which generator does the order come?"
    )
    check_order(again.labels, first.labels, "the first pass over train, made again with one seed", hint)
    shared = "Val and test were gone through more often this time. What has that to do with the order of train?"
    check_order(third.labels, second.labels, "the second pass over train, made again with one seed", shared)


@pytest.mark.task(6)
def test_another_seed_gives_another_split_and_order(submission, rng):
    """The seed decides which images are for validation, and in which order the others come; it is 0 by default."""
    root, seed = numbered(submission, rng), 1 + random_int(rng, 1000)
    vals = [loaded(submission, "mnist", root, "val", batch_size=9, seed=each)[0].labels for each in (seed, seed + 1)]
    hint = "Follow `seed` through your code. Whom does it reach?"
    check(set(vals[0]) != set(vals[1]), expected="another split by another seed", got="the same", hint=hint)
    orders = []
    for options in ({"seed": seed}, {"seed": seed + 1}, {"seed": 0}, {}):
        passes = loaded(submission, "mnist", root, 7, "train", batch_size=9, val_fraction=0, **options)
        orders.append(passes[0].labels)
    # The split may list its images in an order of its own: both orders count.
    check(orders[0] != orders[1], expected="another order by another seed", got="the same", hint=hint)
    check_order(orders[3], orders[2], "train without seed=…, which is seed=0", hint)


@pytest.mark.task(6)
def test_a_subset_is_chosen_once_for_all_seeds(submission, rng):
    """subset=12 means seeded_subset(n, 12): the same images for every seed, which only splits and shuffles them."""
    root = numbered(submission, rng)
    due = list(range(40))
    numpy.random.RandomState(2147483647).shuffle(due)
    for seed in (0, 1 + random_int(rng, 1000)):
        passes = loaded(submission, "mnist", root, "train", "val", "test", batch_size=5, subset=12, seed=seed)
        train, val, test = (each.labels for each in passes)
        hint = "Place 3 of the subset is which image of the whole set? Which of the two does your split give?"
        check_equal(sorted(train + val), sorted(due[:12]), what="the images of train and val, sorted", hint=hint)
        check(len(val) in (2, 3), expected="2 or 3 of 12 images in val", got=f"{len(val)}", hint=hint)
        check_equal(test, list(range(100, 109)), what="the test images", hint="subset is of the training images alone.")


@pytest.mark.task(6)
def test_without_validation_all_is_trained_on(submission, rng):
    """val_fraction=0 gives every image to train, and a val without a batch."""
    root = numbered(submission, rng)
    train, val = loaded(submission, "mnist", root, "train", "val", batch_size=16, val_fraction=0)
    hint = "An empty list of indices is a list too. Which line of yours minds?"
    check_complete(train.labels, range(40), "an image in train", hint)
    check_equal(val.sizes, [], what="the batches of val", hint=hint)


def look_at_loaders(sub, name, root, arguments):
    from torch.utils.data import DataLoader

    loaders = sub.make_loaders(name, root, **arguments)
    return {
        key: "DataLoader" if isinstance(value, DataLoader) else type(value).__name__ for key, value in loaders.items()
    }


@pytest.mark.task(6)
def test_three_loaders_by_name(submission, rng):
    """A dict of three DataLoaders: train, val and test."""
    root = numbered(submission, rng)
    call = 'make_loaders("mnist", root, batch_size=4)'
    got = submission.run(look_at_loaders, "mnist", root, {"batch_size": 4}, call=call)
    due = dict.fromkeys(("train", "val", "test"), "DataLoader")
    check_equal(got, due, hint="The keys are fixed, and so is the class of what they lead to.")


@pytest.mark.task(6)
def test_loaders_that_can_not_be_are_refused(submission, rng):
    """An unknown name, a subset larger than the set and a share above 1 are a ValueError."""
    check_refused(submission, "make_loaders", "data", 4)
    root = numbered(submission, rng)
    hint = "The functions that you have refuse such numbers already. Do they get to see them?"
    for options in ({"subset": 41}, {"val_fraction": 1.5}, {"val_fraction": -0.5}):
        ((key, value),) = options.items()
        call = f'make_loaders("mnist", root of 40 images, 4, {key}={value})'
        arguments = look_at_loaders, "mnist", root, {"batch_size": 4} | options
        check_raises(ValueError, submission.run, *arguments, call=call, hint=hint)


@pytest.mark.task(6)
def test_loaders_download_nothing(submission, rng):
    """Where the files are missing, make_loaders says so, by torchvision's RuntimeError, and fetches nothing."""
    root = numbered(submission, rng, when="download")
    arguments = look_at_loaders, "mnist", root, {"batch_size": 4}
    hint = "Nobody has asked for a download. Who has?"
    check_raises(
        RuntimeError, submission.run, *arguments, call='make_loaders("mnist", "an empty folder", 4)', hint=hint
    )


@pytest.mark.task(6)
def test_loaders_leave_the_global_generators_alone(submission, rng):
    """Whoever makes loaders does not change what a model is initialised with."""
    root = numbered(submission, rng)
    check_globals(submission, rng, "make_loaders", "mnist", root, 4, call='make_loaders("mnist", root, batch_size=4)')


# --- with workers -----------------------------------------------------------------------------------------------------


def watch_workers(sub, root, arguments, before, passes):
    """For each batch of each pass: who made it, what its crops show, and what the worker draws after it."""
    import random

    import numpy
    import torch
    from torch.utils.data import get_worker_info

    for seed_all in (random.seed, numpy.random.seed, torch.manual_seed):
        seed_all(before)
    loader = sub.make_loaders("cifar10", root, **arguments)["train"]

    def look(batch):  # in the place of collate_fn, so it runs where the images are loaded
        worker = get_worker_info()
        return {
            "worker": None if worker is None else worker.id,
            "labels": [int(label) for _, label in batch],
            "crops": [image[:, 16, 16].tolist() for image, _ in batch],
            "torch": float(torch.rand((), dtype=torch.float64)),
            "random": random.random(),
            "NumPy": float(numpy.random.rand()),
        }

    loader.collate_fn = look
    if loader.num_workers > 0:
        loader.multiprocessing_context = "fork"
    return [list(loader) for _ in range(passes)]


def small_cifar(submission, rng) -> str:
    """One image 16 times: where its crops were taken can be seen from one pixel of theirs."""
    image = draw_part(rng, "cifar10", 1).images
    train = Part(image.expand(16, -1, -1, -1), torch.arange(16))
    return put_files(submission, "cifar10", train, draw_part(rng, "cifar10", 2))


DRAWN = {
    "crops": "crops and flips",
    "torch": "torch's random numbers",
    "random": "the module random's numbers",
    "NumPy": "NumPy's random numbers",
}
WORKERS = {"batch_size": 4, "val_fraction": 0, "num_workers": 2}
WITH_WORKERS = 'make_loaders("cifar10", root, 4, val_fraction=0, num_workers=2)["train"]'


@pytest.mark.task(6)
def test_no_two_workers_and_no_two_passes_draw_the_same(submission, rng):
    """With num_workers=2, no batch has the numbers of another: not in the other worker, and not in the next pass."""
    root = small_cifar(submission, rng)
    call = f"{WITH_WORKERS}, two passes"
    passes = submission.run(watch_workers, root, WORKERS, random_int(rng, 1000), 2, call=call)
    makers = sorted({str(batch["worker"]) for batch in passes[0]})
    asked = "num_workers was 2. Does it reach the loader?"
    check(makers == ["0", "1"], expected="batches by workers 0 and 1", got=f"by {' and '.join(makers)}", hint=asked)
    hint = "What is a worker's generator seeded with, and when? What is the same in both workers, and in each pass?"
    for key, name in DRAWN.items():
        places: dict[str, str] = {}
        for number, batches in enumerate(passes, 1):
            for place, batch in enumerate(batches, 1):
                here = f"batch {place} of pass {number} (worker {batch['worker']})"
                there = places.setdefault(repr(batch[key]), here)
                told = f"the same in {there} and in {here}"
                check(there == here, expected=f"{name} that are new in each batch", got=told, hint=hint)


@pytest.mark.task(6)
def test_with_workers_a_rerun_gives_the_same_batches(submission, rng):
    """One seed, two workers: the same images, crops and numbers again, whatever the process itself has drawn before."""
    root, seed = small_cifar(submission, rng), random_int(rng, 1000)
    call = f"{WITH_WORKERS}, made again with the same seed"
    one, again, other = (
        submission.run(watch_workers, root, WORKERS | {"seed": each}, before, 1, call=call)[0]
        for each, before in ((seed, 5), (seed, 6), (seed + 1, 5))
    )
    check_equal([len(one), len(again), len(other)], [4, 4, 4], what="the number of batches, three times", hint=EVERY)
    hint = "The seeds of the workers are drawn, too. By which generator, and who has seeded it?"
    for number, (batch, second) in enumerate(zip(one, again, strict=True), 1):
        for key, name in {"labels": "the labels", **DRAWN}.items():
            check_equal(second[key], batch[key], what=f"{name} of batch {number}, in a rerun", hint=hint)
    elsewhere = "Follow `seed` through your code. Does it reach the workers?"
    for key, name in DRAWN.items():
        pairs = zip(one, other, strict=True)
        apart = all(batch[key] != second[key] for batch, second in pairs)
        check(apart, expected=f"other numbers by another seed: {name}", got="the same", hint=elsewhere)


@pytest.mark.task(6)
def test_without_workers_the_process_itself_loads(submission, rng):
    """By default there is no worker; who gives the same seed, and seeds the global generators, gets the same crops."""
    root = small_cifar(submission, rng)
    call = 'make_loaders("cifar10", root, 4, val_fraction=0)["train"], twice, each time after torch.manual_seed(5) …'
    arguments = {"batch_size": 4, "val_fraction": 0}
    one, again = (submission.run(watch_workers, root, arguments, 5, 1, call=call)[0] for _ in range(2))
    check_equal([len(one), len(again)], [4, 4], what="the number of batches, twice", hint=EVERY)
    hint = "What is num_workers by default, and which generators do your crops and flips come from?"
    for batch, second in zip(one, again, strict=True):
        check_equal(batch["worker"], None, what="the worker that loaded", hint=hint)
        check_equal(second["crops"], batch["crops"], what="crops after the same seed", hint=hint)


# --- real images ------------------------------------------------------------------------------------------------------


@pytest.mark.task(6)
def test_real_images_come_out_with_mean_0_and_deviation_1(submission, rng, secret_seed, remark):
    """CIFAR-10 where it is found, else drawn images: out of the loader they are those of the files, normalised."""
    found = find_cifar10(seed=secret_seed("images"), train_size=20, test_size=60)
    remark(f"exercise 8 read {found.source}")
    places = torch.randperm(len(found.test.targets), generator=rng)[:400]
    test = Part(found.test.images[places], found.test.targets[places])
    root = put_files(submission, "cifar10", Part(found.train.images[:20], found.train.targets[:20]), test)
    (got,) = loaded(submission, "cifar10", root, "test", batch_size=64)
    hint = "Follow one image from its file to its batch. Where does it change?"
    check_equal(got.labels, test.labels.tolist(), what="the labels of the test images", hint=hint)
    check_cpu_tensor(got.images, test.normalised("cifar10"), **CLOSE, what="the test images", hint=hint)
    if found.name == "cifar10":
        # Over 1,000 samples of 400 test images the means were within 0.13 of 0, the deviations within 0.06 of 1.
        for values, due in ((got.images.mean((0, 2, 3)), torch.zeros(3)), (got.images.std((0, 2, 3)), torch.ones(3))):
            check_cpu_tensor(values, due, rtol=0.0, atol=0.2, what="mean, then deviation, of the channels", hint=hint)
