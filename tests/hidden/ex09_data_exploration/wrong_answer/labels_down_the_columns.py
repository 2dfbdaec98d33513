"""The images go along the rows, their labels down the columns."""

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
    labels = torch.as_tensor(labels, dtype=torch.int64)  # an empty list would become float32 by itself
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if len(wrong) > 0:
        raise ValueError(f"label {wrong[0].item()} is none of 0 … {num_classes - 1}: there are {num_classes} classes")
    return labels.bincount(minlength=num_classes)


def channel_statistics(loader: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, over all pixels of all images, in one pass.

    Input:  an iterable of batches (images [B, C, H, W], labels); B, H and W may differ from batch to batch. It can be
            gone through once, and may hold more than fits into memory. Images of floats or of uint8, as they are.
    Output: mean [C] and standard deviation [C], float64, on the images' device, in the units of the pixels.
            The mean squared deviation is divided by the number of pixels, not by one less.
    Errors: ValueError where there is no batch.
    """
    count, total, squares = 0, 0.0, 0.0
    for images, _ in loader:
        pixels = images.transpose(0, 1).flatten(1).double()  # (B, C, H, W) -> (C, B * H * W)
        count += pixels.shape[1]
        total += pixels.sum(1)  # (C)
        squares += pixels.square().sum(1)  # (C)
    if count == 0:
        raise ValueError("no batch, so there is no mean")
    mean = total / count
    variance = squares / count - mean.square()  # E[x²] - E[x]²: the difference of large numbers, hence in float64
    return mean, variance.clamp(min=0).sqrt()  # of a constant channel it is 0, and rounding may leave it just below


def denormalize(images: Tensor, mean: Tensor | Sequence[float], std: Tensor | Sequence[float]) -> Tensor:
    """Undo a normalisation (x - mean) / std of each channel.

    Input:  normalised images [..., C, H, W], of floats; C means and C standard deviations, as numbers or as tensors.
    Output: the images [..., C, H, W] before it, in the dtype and on the device of `images`. Nothing is cut off.
    Errors: ValueError that names C and the number of means or deviations, where these are not C.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html
    """
    channels = images.shape[-3]
    for numbers in (mean, std):
        if len(numbers) != channels:  # one number would be broadcast to all channels, and nobody would notice
            raise ValueError(f"the images have {channels} channels, and there are {len(numbers)} numbers for them")
    mean, std = (torch.as_tensor(numbers, dtype=torch.float64).to(images).view(-1, 1, 1) for numbers in (mean, std))
    return images * std + mean


def to_hwc(images: Tensor) -> Tensor:
    """Put the channels last, as matplotlib and Pillow want them.

    Input:  images [..., C, H, W] of any dtype: one, a batch, or more dimensions before them.
    Output: [..., H, W, C], the same pixels; also with one channel.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.movedim.html
    """
    return images.movedim(-3, -1)  # the dimensions change places; reshape would read the numbers in another order


def plot_samples(
    images: Tensor, labels: Tensor, path: str | Path, class_names: Sequence[str] | None = None, columns: int = 8
) -> None:
    """Draw images in a grid, each with the name of its class, and save it as a PNG at exactly `path`.

    Input: images [N, C, H, W] on the CPU, C = 3 for colours or 1 for grey, N at least 1: floats from 0 to 1 or uint8
           from 0 to 255; labels [N] on the CPU; names of the classes, or None for their numbers; images in a row.
    A file that is at `path` already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.imshow.html
    """
    rows = ceil(len(images) / columns)
    white = 1 if images.is_floating_point() else 255
    figure = Figure(figsize=(columns, 1.4 * rows))  # inches; not pyplot's, which would have to be closed
    for place, label in enumerate(labels):
        panel = figure.add_subplot(rows, columns, place + 1)
        panel.imshow(to_hwc(images[place]), cmap="gray", vmin=0, vmax=white)  # or grey is stretched to what is in it
        across = place % columns * rows + place // columns
        label = labels[across] if across < len(labels) else label
        panel.set_title(class_names[label] if class_names else f"{label}")
        panel.set_axis_off()
    figure.savefig(path, format="png")  # with a format the path is taken as it is; without, ".png" may be added to it


def plot_class_histogram(counts: Tensor, path: str | Path, class_names: Sequence[str] | None = None) -> None:
    """Draw counts as a bar chart, with a line where all bars would end if the classes were balanced, and save it.

    Input: counts [C] on the CPU, as from `class_counts`; C names to write beside the bars, or None for 0 to C - 1.
    The file is a PNG at exactly `path`; one that is there already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.bar.html
    """
    classes = range(len(counts))
    figure = Figure(layout="constrained")  # makes room for the names
    axes = figure.add_subplot()
    axes.barh(classes, counts)
    axes.axvline(counts.sum() / len(counts), color="black")  # also over the classes that have no image
    axes.set_yticks(classes, class_names or classes)
    figure.savefig(path, format="png")
