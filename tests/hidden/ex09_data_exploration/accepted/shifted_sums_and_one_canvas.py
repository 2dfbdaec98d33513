"""Right: comparisons that are summed up, sums of what is left of a shift, one large image as grid, bars that lie."""

import io
import math
import os

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt


def class_counts(labels, num_classes):
    labels = torch.as_tensor(labels).long()
    outside = [label for label in labels.unique().tolist() if label not in range(num_classes)]
    if outside:
        raise ValueError(f"labels {outside} with num_classes={num_classes}")
    return (labels[:, None] == torch.arange(num_classes, device=labels.device)).sum(0)


def channel_statistics(loader):
    shift = None
    for images, _ in loader:
        for image in images:
            pixels = image.double().flatten(1)
            if shift is None:
                shift = pixels.mean(1)
                sums = torch.zeros(3, len(shift), dtype=torch.float64, device=pixels.device)
            rest = pixels - shift.unsqueeze(1)
            sums += torch.stack([torch.ones_like(rest).sum(1), rest.sum(1), (rest * rest).sum(1)])
    if shift is None:
        raise ValueError("there is no batch in the loader")
    n, first, second = sums
    variance = second / n - (first / n) ** 2
    return shift + first / n, torch.where(variance > 0, variance, 0.0).sqrt()


def denormalize(images, mean, std):
    c = images.shape[-3]
    mean, std = (torch.as_tensor(numbers).to(images) if isinstance(numbers, torch.Tensor) else images.new_tensor(numbers)
                 for numbers in (mean, std))  # fmt: skip
    if mean.shape != (c,) or std.shape != (c,):
        raise ValueError(f"expected {c} numbers each, got {len(mean)} means and {len(std)} deviations")
    last = images.transpose(-3, -1)
    return torch.addcmul(mean, last, std).transpose(-3, -1).contiguous()


def to_hwc(images):
    leading = list(range(images.dim() - 3))
    return images.permute(*leading, -2, -1, -3).contiguous()


def plot_samples(images, labels, path, class_names=None, columns=8):
    if not images.is_floating_point():
        images = images / 255
    n, _, height, width = images.shape
    rows, gap = math.ceil(n / columns), 12
    tiles = F.pad(images.expand(n, 3, height, width), (gap, gap, 0, 2 * gap), value=1.0)
    tiles = torch.cat([tiles, torch.ones(rows * columns - n, *tiles.shape[1:], dtype=tiles.dtype)])
    canvas = tiles.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    fig, ax = plt.subplots(figsize=(canvas.shape[1] / 20, canvas.shape[0] / 20))
    ax.imshow(canvas.clamp(0, 1).numpy(), interpolation="nearest")
    for i, label in enumerate(labels):
        x = (i % columns + 0.5) * (width + 2 * gap)
        y = (i // columns) * (height + 2 * gap) + height + gap / 2
        text = class_names[label] if class_names else f"class {label.item()}"
        ax.text(x, y, text, ha="center", va="center", fontsize=8)
    ax.axis("off")
    fig.savefig(path, format="png", dpi=60)
    plt.close(fig)


def plot_class_histogram(counts, path, class_names=None):
    fig, ax = plt.subplots(figsize=(5, 4), tight_layout=True)
    names = [str(n) for n in (range(len(counts)) if class_names is None else class_names)]
    bars = ax.barh(range(len(counts)), counts.numpy(), height=0.6, fill=False, edgecolor="navy")
    ax.bar_label(bars)
    ax.set_yticks(range(len(counts)), names)
    ax.axvline(float(counts.float().mean()), color="crimson", linewidth=1, linestyle=":", label="balanced")
    ax.legend(loc="center right")
    buffer = io.BytesIO()
    fig.savefig(buffer, dpi=70)
    plt.close(fig)
    with open(os.fspath(path), "wb") as file:
        file.write(buffer.getvalue())
