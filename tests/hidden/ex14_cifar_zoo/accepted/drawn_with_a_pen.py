"""Right: nets put together from small functions and additions, and a chart that is drawn pixel by pixel."""

from math import ceil, floor, log10

import torch
from PIL import Image, ImageDraw
from torch import nn


def count_parameters(model, trainable_only=False):
    total = 0
    for _, parameter in model.named_parameters():
        if trainable_only and not parameter.requires_grad:
            continue
        total += len(parameter.flatten()) if parameter.device.type != "meta" else parameter.numel()
    return total


def conv(inputs, outputs, size=3, stride=1, bias=False):
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=bias)


def activation(channels):
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


def end(channels, num_classes):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def list_of(name):
    """Two convolutions in each of five parts, but for those of the name."""
    first, last = {"VGG11": (1, 2), "VGG13": (2, 2), "VGG16": (2, 3), "VGG19": (2, 4)}.get(name, (0, 0))
    if not first:
        raise ValueError(name)
    counts = [(64, first), (128, first), (256, last), (512, last), (512, last)]
    return [entry for width, count in counts for entry in [width] * count + ["M"]]


def vgg(config, num_classes=10):
    config = list_of(config) if isinstance(config, str) else list(config)
    widths = [3] + [entry for entry in config if not isinstance(entry, str)]
    pairs = iter(zip(widths, widths[1:]))
    layers = []
    for entry in config:
        if entry == "M":
            layers.append(nn.MaxPool2d((2, 2)))
        else:
            inputs, outputs = next(pairs)
            layers.append(nn.Sequential(conv(inputs, outputs, bias=True), activation(outputs)))
    return nn.Sequential(*layers, end(widths[-1], num_classes))


class Sum(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        stride = outputs // inputs
        self.start = activation(inputs)
        self.residual = nn.Sequential(conv(inputs, outputs, 3, stride), activation(outputs), conv(outputs, outputs))
        self.projection = conv(inputs, outputs, 1, stride) if stride == 2 else None

    def forward(self, x):
        active = self.start(x)
        return torch.add(self.residual(active), self.projection(active) if self.projection else x)


def preact_resnet18(num_classes=10):
    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    blocks = [Sum(*pair) for pair in zip(widths, widths[1:])]
    return nn.Sequential(conv(3, 64), nn.Sequential(*blocks), end(512, num_classes))


class Appended(nn.Sequential):
    def forward(self, x):
        new = super().forward(x)
        out = x.new_empty(len(x), x.shape[1] + new.shape[1], *x.shape[2:])
        out[:, : x.shape[1]] = x
        out[:, x.shape[1] :] = new
        return out


def densenet_cifar(growth=12, blocks=(6, 12, 24, 16), num_classes=10):
    net, channels = nn.Sequential(conv(3, 2 * growth)), 2 * growth
    remaining = list(blocks)
    while remaining:
        for _ in range(remaining.pop(0)):
            squeeze = [activation(channels), conv(channels, 4 * growth, 1)]
            net.append(Appended(*squeeze, activation(4 * growth), conv(4 * growth, growth)))
            channels += growth
        net.append(activation(channels))
        if remaining:
            net.append(nn.Sequential(conv(channels, channels // 2, 1), nn.AvgPool2d(2)))
            channels //= 2
    return net.append(end(channels, num_classes))


PUBLISHED = {
    "VGG16": (14728266, 92.64),
    "ResNet18": (11173962, 93.02),
    "DenseNet121": (6956298, 95.04),
    "PreActResNet18": (11171146, 95.11),
}
WIDTH, HEIGHT, EDGE = 500, 300, 60


def plot_accuracy_vs_parameters(rows=None, path="accuracy_vs_parameters.png"):
    if rows is None:
        rows = [{"name": name, "parameters": n, "accuracy": a} for name, (n, a) in PUBLISHED.items()]
    left, right = (f(log10(g(row["parameters"] for row in rows))) for f, g in ((floor, min), (ceil, max)))
    low, high = (g(row["accuracy"] for row in rows) for g in (min, max))
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((EDGE, EDGE, WIDTH - EDGE, HEIGHT - EDGE), outline="gray")
    for tick in range(left, right + 1):
        x = EDGE + (WIDTH - 2 * EDGE) * (tick - left) / max(right - left, 1)
        pen.line((x, HEIGHT - EDGE, x, HEIGHT - EDGE + 5), fill="gray")
        pen.text((x, HEIGHT - EDGE + 8), f"10^{tick}", fill="black")
    pen.text((4, EDGE), f"{high:.2f}", fill="black")
    pen.text((4, HEIGHT - EDGE), f"{low:.2f}", fill="black")
    for row in rows:
        x = EDGE + (WIDTH - 2 * EDGE) * (log10(row["parameters"]) - left) / max(right - left, 1)
        y = HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (row["accuracy"] - low) / max(high - low, 1e-9)
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill="blue")
        pen.text((x + 6, y - 6), row["name"], fill="black")
    image.save(path, "PNG")
