"""Exercise 9: look at the data before you train on them.

Source: A. Karpathy, A recipe for training neural networks (2019), https://karpathy.github.io/2019/04/25/recipe/
"""

from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor


def class_counts(labels: Tensor | Sequence[int], num_classes: int) -> Tensor:
    """How many images each class has.

    Input:  labels [N], a tensor of any integer dtype or a list of ints, N may be 0; how many classes there are, C.
    Output: counts [C], int64, on the device of the labels (of a list: the CPU); 0 for a class that nothing belongs to.
    Errors: ValueError that names the label and C, for a label that is not one of 0 … C - 1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.bincount.html
    """
    raise NotImplementedError("task 1: count the labels of each class")


def channel_statistics(loader: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, over all pixels of all images, in one pass.

    Input:  an iterable of batches (images [B, C, H, W], labels); B, H and W may differ from batch to batch. It can be
            gone through once, and may hold more than fits into memory. Images of floats or of uint8, as they are.
    Output: mean [C] and standard deviation [C], float64, on the images' device, in the units of the pixels.
            The mean squared deviation is divided by the number of pixels, not by one less.
    Errors: ValueError where there is no batch.
    """
    raise NotImplementedError("task 2: mean and standard deviation of each channel, in one pass")


def denormalize(images: Tensor, mean: Tensor | Sequence[float], std: Tensor | Sequence[float]) -> Tensor:
    """Undo a normalisation (x - mean) / std of each channel.

    Input:  normalised images [..., C, H, W], of floats; C means and C standard deviations, as numbers or as tensors.
    Output: the images [..., C, H, W] before it, in the dtype and on the device of `images`. Nothing is cut off.
    Errors: ValueError that names C and the number of means or deviations, where these are not C.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html
    """
    raise NotImplementedError("task 3: undo a normalisation")


def to_hwc(images: Tensor) -> Tensor:
    """Put the channels last, as matplotlib and Pillow want them.

    Input:  images [..., C, H, W] of any dtype: one, a batch, or more dimensions before them.
    Output: [..., H, W, C], the same pixels; also with one channel.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.movedim.html
    """
    raise NotImplementedError("task 4: put the channels last")


def plot_samples(
    images: Tensor, labels: Tensor, path: str | Path, class_names: Sequence[str] | None = None, columns: int = 8
) -> None:
    """Draw images in a grid, each with the name of its class, and save it as a PNG at exactly `path`.

    Input: images [N, C, H, W] on the CPU, C = 3 for colours or 1 for grey, N at least 1: floats from 0 to 1 or uint8
           from 0 to 255; labels [N] on the CPU; names of the classes, or None for their numbers; images in a row.
    A file that is at `path` already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.imshow.html
    """
    raise NotImplementedError("task 5: a grid of images with their labels")


def plot_class_histogram(counts: Tensor, path: str | Path, class_names: Sequence[str] | None = None) -> None:
    """Draw counts as a bar chart, with a line where all bars would end if the classes were balanced, and save it.

    Input: counts [C] on the CPU, as from `class_counts`; C names to write beside the bars, or None for 0 to C - 1.
    The file is a PNG at exactly `path`; one that is there already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.bar.html
    """
    raise NotImplementedError("task 6: a bar for each class, and the balanced level")
