"""Right: NumPy for the numbers, bytes counted by their value, and pictures on a dark ground with names below."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def as_numpy(x):
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)


def class_counts(labels, num_classes):
    device = getattr(labels, "device", "cpu")
    numbers = as_numpy(labels).astype(np.int64)
    for label in numbers:
        if label < 0 or label > num_classes - 1:
            raise ValueError(f"there are {num_classes} classes, and {label} is not one of them")
    return torch.from_numpy(np.bincount(numbers, minlength=num_classes)).to(device, torch.int64)


def channel_statistics(loader):
    tables = {}  # for bytes: how often each value occurs
    n, means, squares, device = 0, 0, 0, None
    for images, _ in loader:
        device = images.device
        x = as_numpy(images)
        x = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
        if x.dtype == np.uint8:
            for c, row in enumerate(x):
                tables[c] = tables.get(c, 0) + np.bincount(row, minlength=256)
            continue
        for block in np.array_split(x.astype(np.float64), 4, axis=1):  # Welford's update, a block at a time
            if block.shape[1] == 0:
                continue
            before, n = n, n + block.shape[1]
            center = block.mean(1)
            delta = center - means
            means = means + delta * block.shape[1] / n
            squares = squares + ((block - center[:, None]) ** 2).sum(1) + delta**2 * before * block.shape[1] / n
    if device is None:
        raise ValueError("nothing to average over")
    if tables:
        table, values = np.stack(list(tables.values())).astype(np.float64), np.arange(256)
        n = table[0].sum()
        means = (table * values).sum(1) / n
        squares = (table * (values - means[:, None]) ** 2).sum(1)
    return tuple(torch.tensor(row, dtype=torch.float64, device=device) for row in (means, np.sqrt(squares / n)))


def denormalize(images, mean, std):
    x = as_numpy(images)
    mean, std = (as_numpy(each).astype(np.float64).reshape(-1, 1, 1) for each in (mean, std))
    for numbers in (mean, std):
        if len(numbers) != x.shape[-3]:
            raise ValueError(f"{x.shape[-3]} channels and {len(numbers)} numbers")
    return torch.from_numpy((x * std + mean).astype(x.dtype)).to(images.device)


def to_hwc(images):
    return torch.from_numpy(np.moveaxis(as_numpy(images), -3, -1).copy()).to(images.device)


def plot_samples(images, labels, path, class_names=None, columns=8):
    figure = Figure(facecolor="black", dpi=80)
    FigureCanvasAgg(figure)
    rows = -(-len(images) // columns)
    figure.set_size_inches(0.9 * columns, 1.2 * rows)
    scale = 1 if images.dtype.is_floating_point else 255
    for place in range(len(images)):
        axes = figure.add_subplot(rows, columns, place + 1, xticks=[], yticks=[])
        image = np.clip(as_numpy(images[place]) / scale, 0, 1)
        axes.imshow(np.repeat(image.transpose(1, 2, 0), 3 // len(image), axis=2))
        label = labels[place].item()
        axes.set_xlabel(label if class_names is None else class_names[label], color="white", fontsize=7)
    Path(path).unlink(missing_ok=True)
    with Path(path).open("wb") as file:
        figure.canvas.print_png(file)


def plot_class_histogram(counts, path, class_names=None):
    figure = Figure(figsize=(7, 3.5), facecolor="black", dpi=80)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.2, 0.85, 0.75), facecolor="black")
    shares = as_numpy(counts) / as_numpy(counts).sum()
    axes.vlines(range(len(shares)), 0, shares, linewidth=9, color="white")
    axes.fill_between([-0.5, len(shares) - 0.5], 0, 1 / len(shares), color="tab:orange", alpha=0.4)
    names = class_names or [f"class {c}" for c in range(len(shares))]
    axes.set_xticks(range(len(shares)), [f"{name}: {share:.0%}" for name, share in zip(names, shares)], rotation=20)
    axes.set_ylim(0)
    axes.tick_params(colors="white")
    with Path(path).open("wb") as file:
        figure.canvas.print_png(file)
