"""Right: a loop that counts, moments merged batch by batch as Chan and others do, and pictures drawn with Pillow."""

import torch
from PIL import Image, ImageDraw


def class_counts(labels, num_classes):
    counts = [0] * num_classes
    for label in labels.tolist() if isinstance(labels, torch.Tensor) else labels:
        if not 0 <= label < num_classes:
            raise ValueError(f"{label} is no label of {num_classes} classes")
        counts[label] += 1
    device = labels.device if isinstance(labels, torch.Tensor) else "cpu"
    return torch.tensor(counts, dtype=torch.int64, device=device)


def channel_statistics(loader):
    n = 0
    for images, _ in loader:
        pixels = images.to(torch.float64)
        m = images.shape[0] * images.shape[2] * images.shape[3]
        variance, mean = torch.var_mean(pixels, dim=(0, 2, 3), correction=0)
        if n == 0:
            n, center, spread = m, mean, variance * m
            continue
        delta = mean - center
        spread = spread + variance * m + delta**2 * n * m / (n + m)
        center = center + delta * m / (n + m)
        n += m
    if n == 0:
        raise ValueError("the loader is empty")
    return center, (spread / n) ** 0.5


def denormalize(images, mean, std):
    channels = images.size(-3)
    if len(mean) != channels or len(std) != channels:
        raise ValueError(f"{channels} channels, {len(mean)} means, {len(std)} deviations")
    planes = [images.select(-3, c) * float(std[c]) + float(mean[c]) for c in range(channels)]
    return torch.stack(planes, dim=-3)


def to_hwc(images):
    return torch.stack(images.unbind(-3), -1)


def plot_samples(images, labels, path, class_names=None, columns=8):
    n, channels, height, width = images.shape
    cell_width, cell_height = width + 24, height + 20
    rows = (n + columns - 1) // columns
    sheet = Image.new("RGB", (cell_width * columns, cell_height * rows), "white")
    pen = ImageDraw.Draw(sheet)
    for i in range(n):
        left, top = i % columns * cell_width, i // columns * cell_height
        pixels = images[i]
        if pixels.is_floating_point():
            pixels = (pixels * 255).round().clip(0, 255).to(torch.uint8)
        pixels = to_hwc(pixels.expand(3, height, width)).contiguous()
        sheet.paste(Image.fromarray(pixels.numpy()), (left + 12, top))
        label = int(labels[i])
        pen.text((left + 2, top + height + 4), class_names[label] if class_names else str(label), fill="black")
    with open(path, "wb") as file:
        sheet.save(file, "PNG")


def plot_class_histogram(counts, path, class_names=None):
    counts = [int(count) for count in counts]
    names = class_names if class_names is not None else [f"{number}" for number in range(len(counts))]
    step = max(60, 8 * max(map(len, names)))
    sheet = Image.new("L", (step * len(counts) + 20, 240), color=255)
    pen = ImageDraw.Draw(sheet)
    scale = 200 / max(1, *counts)
    for number, (count, name) in enumerate(zip(counts, names, strict=True)):
        left, height = 20 + step * number, round(scale * count)
        pen.rectangle((left, 220 - height, left + step - 20, 220), fill=80)
        pen.text((left, 224), name, fill=0)
        pen.text((left, 208 - height), str(count), fill=0)
    level = 220 - round(scale * sum(counts) / len(counts))
    pen.line((0, level, sheet.width, level), fill=160, width=2)
    with open(path, "wb") as file:
        sheet.save(file, "PNG")
