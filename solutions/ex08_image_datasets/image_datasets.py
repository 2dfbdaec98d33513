"""Exercise 8: four image data sets, from their files to batches that a rerun gives again.

Sources: https://docs.pytorch.org/vision/stable/datasets.html, https://docs.pytorch.org/vision/stable/transforms.html
and https://docs.pytorch.org/docs/stable/notes/randomness.html#dataloader
"""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import datasets
from torchvision.transforms import v2


def load_dataset(name: str, root: str | Path, train: bool, download: bool = False) -> Dataset:
    """The training or the test set of "mnist", "fashionmnist", "cifar10" or "cifar100", as torchvision reads it.

    Its items are pairs of a PIL image and an int, its labels are `.targets` too. Nothing is transformed yet.
    Errors: ValueError for any other name, which lists the four; torchvision's RuntimeError where there are no files in
    `root` and download is False.
    """
    # BEGIN SOLUTION task 1: one of the four sets
    known = {
        "mnist": datasets.MNIST,
        "fashionmnist": datasets.FashionMNIST,
        "cifar10": datasets.CIFAR10,
        "cifar100": datasets.CIFAR100,
    }
    if name not in known:
        raise ValueError(f"unknown data set {name!r}, known are {', '.join(known)}")
    return known[name](root, train=train, download=download)
    # END SOLUTION


def make_transform(name: str, augment: bool = False) -> Callable[[Image.Image], Tensor]:
    """From a PIL image of the set `name` to a float32 tensor [C, H, W], for which the set has mean 0 and variance 1.

    The image in [0, 1] is normalised by the mean and standard deviation of each channel of that set's training images.
    With `augment`, an image in colour is first padded by 4 black pixels on each side, cut to 32×32 again at a place
    that is drawn anew each time, and flipped left to right by chance. The grey sets are never augmented.
    Errors: ValueError for an unknown name, which lists the known ones.
    """
    # BEGIN SOLUTION task 2: augment, scale, normalise
    statistics = {  # of all pixels of the training images
        "mnist": ([0.1307], [0.3081]),
        "fashionmnist": ([0.2860], [0.3530]),
        "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
        "cifar100": ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
    }
    if name not in statistics:
        raise ValueError(f"unknown data set {name!r}, known are {', '.join(statistics)}")
    mean, std = statistics[name]
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std), v2.ToPureTensor()]
    if augment and len(mean) == 3:
        steps = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *steps]  # first, so that the padding is black
    return v2.Compose(steps)
    # END SOLUTION


def seeded_subset(n: int, size: int, seed: int = 2147483647) -> list[int]:
    """The first `size` of 0 … n − 1, after numpy.random.RandomState(seed) has shuffled the list of them.

    Errors: ValueError unless 0 ≤ size ≤ n.
    """
    # BEGIN SOLUTION task 3: the same indices, everywhere and always
    if not 0 <= size <= n:
        raise ValueError(f"can't choose {size} of {n}")
    indices = list(range(n))
    numpy.random.RandomState(seed).shuffle(indices)  # a generator of our own: nobody else's numbers change
    return indices[:size]
    # END SOLUTION


def labels_of(dataset: Dataset) -> Tensor:
    """The labels of a data set with `.targets`, or of a Subset of one, as a tensor [N]; no image is loaded.

    This is a helper for `mini_dataset`: the tests do not ask for it.
    """
    # BEGIN SOLUTION task 4: labels without images
    if isinstance(dataset, Subset):
        return labels_of(dataset.dataset)[dataset.indices]
    return torch.as_tensor(dataset.targets)
    # END SOLUTION


def mini_dataset(dataset: Dataset, n_classes: int, ratio: int, seed: int) -> Subset:
    """The labels 0 … n_classes − 1 alone, and of each of them one in `ratio`, rounded down, drawn by `seed`.

    `dataset` has `.targets` (a list, a tensor or an array), or is a Subset of such a set, or of a Subset of one.
    Errors: ValueError for ratio < 1, n_classes < 1, or more classes than there are.
    """
    # BEGIN SOLUTION task 4: some of some classes
    labels = labels_of(dataset)
    classes = len(labels.unique())
    if not 1 <= n_classes <= classes:
        raise ValueError(f"can't take {n_classes} classes of {classes}")
    if ratio < 1:
        raise ValueError(f"ratio must be at least 1, not {ratio}")
    generator = torch.Generator().manual_seed(seed)
    chosen: list[int] = []
    for label in range(n_classes):
        places = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(places), generator=generator)[: len(places) // ratio]
        chosen += places[order].tolist()
    return Subset(dataset, chosen)
    # END SOLUTION


def split_indices(n: int, train_fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """0 … n − 1 in two lists, each index in one of them: n · train_fraction for training, the others for validation.

    Errors: ValueError unless 0 ≤ train_fraction ≤ 1.
    """
    # BEGIN SOLUTION task 5: shuffle once, cut once
    if not 0 <= train_fraction <= 1:
        raise ValueError(f"train_fraction must lie in [0, 1], not {train_fraction}")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    cut = round(n * train_fraction)
    return order[:cut], order[cut:]
    # END SOLUTION


def make_loaders(
    name: str,
    root: str | Path,
    batch_size: int,
    subset: int | None = None,
    val_fraction: float = 0.2,
    seed: int = 0,
    num_workers: int = 0,
) -> dict[str, DataLoader]:
    """Loaders "train", "val" and "test", whose batches are images [B, C, H, W] float32 and labels [B] int64.

    The training images in `root`, or the `seeded_subset` of `subset` of them, are split by `seed` into train and val.
    "train" is augmented, and each pass has an order of its own, which follows from `seed` and from nothing else. "val"
    and "test" are neither augmented nor shuffled. In the workers of num_workers > 0 everything random follows from
    `seed` too, and no two of them, and no two passes, draw the same numbers.
    Errors: those of the functions above.
    """
    # BEGIN SOLUTION task 6: three loaders
    train_set, test_set = load_dataset(name, root, train=True), load_dataset(name, root, train=False)
    val_set = copy.copy(train_set)  # the same images in memory, and a transform of its own
    train_set.transform = make_transform(name, augment=True)
    val_set.transform = test_set.transform = make_transform(name)

    n = len(train_set)
    chosen = range(n) if subset is None else seeded_subset(n, subset)
    train, val = split_indices(len(chosen), 1 - val_fraction, seed)  # places in `chosen`
    parts = {
        "train": Subset(train_set, [chosen[i] for i in train]),
        "val": Subset(val_set, [chosen[i] for i in val]),
        "test": test_set,
    }
    return {
        part: DataLoader(
            data,
            batch_size,
            shuffle=part == "train",
            num_workers=num_workers,
            # It draws the order and, for each pass, what torch, random and numpy are seeded with in each worker.
            # One for each loader: a pass over "val" draws too, and must not change the order of "train".
            generator=torch.Generator().manual_seed(seed),
        )
        for part, data in parts.items()
    }
    # END SOLUTION
