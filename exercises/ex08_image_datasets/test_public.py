"""Sample tests of exercise 8. Run them with `make grade EX=8` or, in your own process, with `pytest`."""

import pytest

from grader.checks import check_close, check_equal, check_raises


def small_mnist(sub):
    """Ten training images and four test images, in the files that torchvision reads. Image n is of label n."""
    import atexit
    import shutil
    import struct
    import tempfile
    from pathlib import Path

    tempfile.tempdir = None  # what was found before this process began may be another's
    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", 10), ("t10k", 4)):
        pixels = bytes(20 * number for number in range(count) for _ in range(28 * 28))
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, count, 28, 28) + pixels)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + bytes(range(count)))
    return str(root)


def labels_of_set(sub, root, train):
    dataset = sub.load_dataset("mnist", root, train)
    return [dataset[place][1] for place in range(len(dataset))]


@pytest.mark.task(1)
def test_a_small_mnist(submission):
    """load_dataset("mnist", root, train) reads ten training images, or four test images."""
    root = submission.run(small_mnist, call="(the grader writes a few images into a folder)")
    for train, count in ((True, 10), (False, 4)):
        got = submission.run(labels_of_set, root, train, call=f'load_dataset("mnist", root, {train})')
        check_equal(got, list(range(count)), what="the labels", hint="Is this the training set or the test set?")


@pytest.mark.task(1)
def test_an_unknown_name(submission):
    """Whoever mistypes a name is told the four that there are."""
    names = ("mnist", "fashionmnist", "cifar10", "cifar100")
    hint = "Follow a name that you do not know through your function, line by line."
    check_raises(ValueError, submission.load_dataset, "minst", "data", True, mentions=names, hint=hint)


def transform_white(sub, name, mode):
    import torch
    from PIL import Image

    side = 28 if mode == "L" else 32
    white = Image.new(mode, (side, side), "white")
    return torch.as_tensor(sub.make_transform(name)(white))[:, 0, 0].tolist()


@pytest.mark.task(2)
def test_a_white_image(submission):
    """White is 1, and becomes (1 - mean) / std in each channel."""
    hint = "Print the largest value after each step of your transform."
    for name, mode, due in (("mnist", "L", [2.8215]), ("cifar10", "RGB", [2.0591, 2.1265, 2.1158])):
        got = submission.run(transform_white, name, mode, call=f'make_transform("{name}")(a white image)')
        check_equal(len(got), len(due), what="the number of channels", hint=hint)
        for channel, (value, right) in enumerate(zip(got, due, strict=True)):
            check_close(value, right, abs=0.02, what=f"white in channel {channel}", hint=hint)


@pytest.mark.task(3)
def test_the_first_four(submission):
    """The numbers that anybody gets for 50,000 images and no seed."""
    got = submission.seeded_subset(50_000, 4)
    check_equal(got, [24565, 21462, 15021, 39775], hint="Which generator, which list, which call?")


def choose(sub, labels, arguments):
    import torch
    from torch.utils.data import TensorDataset

    dataset = TensorDataset(torch.arange(len(labels)), torch.tensor(labels))
    dataset.targets = labels
    chosen = sub.mini_dataset(dataset, *arguments)
    return [chosen[place][1].item() for place in range(len(chosen))]


@pytest.mark.task(4)
def test_half_of_two_classes(submission):
    """Of the labels 0 and 1, every second image; label 2 is left out."""
    got = submission.run(
        choose, [0, 1, 2, 0, 1, 0, 0, 2, 1], [2, 2, 7], call="mini_dataset(dataset, 2, ratio=2, seed=7)"
    )
    check_equal(sorted(got), [0, 0, 1], what="the labels", hint="There are four of label 0, and three of label 1.")


@pytest.mark.task(5)
def test_ten_in_two_parts(submission):
    """Seven of ten to train on, three for validation, and each index once."""
    train, val = submission.split_indices(10, 0.7, 3)
    hint = "Write both lists down. Which index is missing, or comes twice?"
    check_equal(sorted(train + val), list(range(10)), what="both lists together, in order", hint=hint)
    check_equal(len(train), 7, what="how many to train on", hint="Which of the two lists has the share that was given?")


def labels_of_loaders(sub, root):
    loaders = sub.make_loaders("mnist", root, batch_size=3)
    return {name: [labels.tolist() for _, labels in loader] for name, loader in loaders.items()}


@pytest.mark.task(6)
def test_three_loaders(submission):
    """Eight images to train on, two for validation, four to test."""
    root = submission.run(small_mnist, call="(the grader writes a few images into a folder)")
    got = submission.run(labels_of_loaders, root, call='make_loaders("mnist", root, batch_size=3)')
    sizes = {name: [len(batch) for batch in batches] for name, batches in got.items()}
    hint = "Count the images that go in, and those that come out."
    check_equal(sizes, {"train": [3, 3, 2], "val": [2], "test": [3, 1]}, what="the sizes of the batches", hint=hint)
    together = sorted(label for part in ("train", "val") for batch in got[part] for label in batch)
    check_equal(together, list(range(10)), what="the images of train and val together", hint=hint)
