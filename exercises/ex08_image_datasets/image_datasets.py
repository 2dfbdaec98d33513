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
    raise NotImplementedError("task 1: one of the four sets")


def make_transform(name: str, augment: bool = False) -> Callable[[Image.Image], Tensor]:
    """From a PIL image of the set `name` to a float32 tensor [C, H, W], for which the set has mean 0 and variance 1.

    The image in [0, 1] is normalised by the mean and standard deviation of each channel of that set's training images.
    With `augment`, an image in colour is first padded by 4 black pixels on each side, cut to 32×32 again at a place
    that is drawn anew each time, and flipped left to right by chance. The grey sets are never augmented.
    Errors: ValueError for an unknown name, which lists the known ones.
    """
    raise NotImplementedError("task 2: augment, scale, normalise")


def seeded_subset(n: int, size: int, seed: int = 2147483647) -> list[int]:
    """The first `size` of 0 … n − 1, after numpy.random.RandomState(seed) has shuffled the list of them.

    Errors: ValueError unless 0 ≤ size ≤ n.
    """
    raise NotImplementedError("task 3: the same indices, everywhere and always")


def labels_of(dataset: Dataset) -> Tensor:
    """The labels of a data set with `.targets`, or of a Subset of one, as a tensor [N]; no image is loaded.

    This is a helper for `mini_dataset`: the tests do not ask for it.
    """
    raise NotImplementedError("task 4: labels without images")


def mini_dataset(dataset: Dataset, n_classes: int, ratio: int, seed: int) -> Subset:
    """The labels 0 … n_classes − 1 alone, and of each of them one in `ratio`, rounded down, drawn by `seed`.

    `dataset` has `.targets` (a list, a tensor or an array), or is a Subset of such a set, or of a Subset of one.
    Errors: ValueError for ratio < 1, n_classes < 1, or more classes than there are.
    """
    raise NotImplementedError("task 4: some of some classes")


def split_indices(n: int, train_fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """0 … n − 1 in two lists, each index in one of them: n · train_fraction for training, the others for validation.

    Errors: ValueError unless 0 ≤ train_fraction ≤ 1.
    """
    raise NotImplementedError("task 5: shuffle once, cut once")


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
    raise NotImplementedError("task 6: three loaders")
