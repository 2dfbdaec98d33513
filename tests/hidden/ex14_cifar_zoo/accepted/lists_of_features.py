"""Right: weights used by functions, features kept in lists, transitions that pool first, and an axis of logarithms."""

import math

import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

POOL = "M"
PARTS = {"VGG11": (1, 1, 2, 2, 2), "VGG13": (2, 2, 2, 2, 2), "VGG16": (2, 2, 3, 3, 3), "VGG19": (2, 2, 4, 4, 4)}
MODELS = (
    ("VGG16", 14_728_266, 92.64),
    ("ResNet18", 11_173_962, 93.02),
    ("DenseNet121", 6_956_298, 95.04),
    ("PreActResNet18", 11_171_146, 95.11),
)


def count_parameters(model, trainable_only=False):
    parameters = set(model.parameters())
    if trainable_only:
        parameters = {parameter for parameter in parameters if parameter.requires_grad}
    return sum(math.prod(parameter.shape) for parameter in parameters)


class Vgg(nn.Module):
    def __init__(self, config, num_classes):
        super().__init__()
        self.config = tuple(config)
        widths = [3] + [entry for entry in self.config if entry != POOL]
        for place, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            layer = nn.Module()
            layer.weight = nn.Parameter(nn.init.kaiming_normal_(torch.empty(outputs, inputs, 3, 3)))
            layer.bias = nn.Parameter(torch.zeros(outputs))
            self.add_module(f"conv{place}", layer)
            self.add_module(f"norm{place}", nn.BatchNorm2d(outputs))
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x):
        place = 0
        for entry in self.config:
            if entry == POOL:
                x = F.max_pool2d(x, 2)
                continue
            layer = getattr(self, f"conv{place}")
            x = F.conv2d(x, layer.weight, layer.bias, padding=1)
            x = torch.clamp(getattr(self, f"norm{place}")(x), min=0)
            place += 1
        return self.head(F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0])


def vgg(config, num_classes=10):
    if isinstance(config, str) and config not in PARTS:
        raise ValueError(f"unknown config {config!r}; there are {', '.join(PARTS)}")
    if isinstance(config, str):
        widths = (64, 128, 256, 512, 512)
        config = sum(([width] * count + [POOL] for width, count in zip(widths, PARTS[config])), [])
    return Vgg(config, num_classes)


class PreAct(nn.Module):
    """All of the net at once: norms, convolutions and shortcuts in one list, in their order."""

    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Parameter(nn.init.kaiming_normal_(torch.empty(64, 3, 3, 3)))
        self.layers = nn.ModuleList()
        inputs = 64
        for outputs in (64, 64, 128, 128, 256, 256, 512, 512):
            step = 1 + (outputs > inputs)
            layers = [nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, step, 1, bias=False)]
            layers += [nn.BatchNorm2d(outputs), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)]
            layers += [nn.Conv2d(inputs, outputs, 1, step, bias=False)] if step == 2 else []
            self.layers.append(nn.ModuleList(layers))
            inputs = outputs
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x):
        x = F.conv2d(x, self.stem, padding=1)
        for bn1, conv1, bn2, conv2, *shortcut in self.layers:
            active = bn1(x).relu()
            around = shortcut[0](active) if shortcut else x
            x = around + conv2(bn2(conv1(active)).relu())
        return self.head(x.mean(-1).mean(-1))


def preact_resnet18(num_classes=10):
    return PreAct(num_classes)


class DenseBlock(nn.Module):
    def __init__(self, count, inputs, growth):
        super().__init__()
        self.norms, self.count = nn.ModuleDict(), count
        for place in range(count):
            width = inputs + place * growth
            self.norms[f"{place} norm 1"] = nn.BatchNorm2d(width)
            self.norms[f"{place} squeeze"] = nn.Conv2d(width, 4 * growth, 1, bias=False)
            self.norms[f"{place} norm 2"] = nn.BatchNorm2d(4 * growth)
            self.norms[f"{place} grow"] = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        features = [x]  # put together anew for each layer
        for place in range(self.count):
            out = torch.cat(features, 1)
            for name in ("1 squeeze", "2 grow"):
                number, layer = name.split()
                out = self.norms[f"{place} {layer}"](self.norms[f"{place} norm {number}"](out).relu())
            features.append(out)
        return torch.cat(features, 1)


class Transition(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, inputs // 2, 1, bias=False)

    def forward(self, x):
        return self.conv(
            F.avg_pool2d(self.bn(x).relu(), 2)
        )  # the mean first: the same numbers, with a fourth of the work


def densenet_cifar(growth=12, blocks=(6, 12, 24, 16), num_classes=10):
    width, layers = 2 * growth, [nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False)]
    for place, count in enumerate(blocks, 1):
        layers.append(DenseBlock(count, width, growth))
        width += count * growth
        if place < len(blocks):
            layers.append(Transition(width))
            width = width // 2
    end = [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(width, num_classes)]
    return nn.Sequential(*layers, *end)


def plot_accuracy_vs_parameters(rows=None, path="accuracy_vs_parameters.png"):
    models = MODELS if rows is None else [(row["name"], row["parameters"], row["accuracy"]) for row in rows]
    names, counts, accuracies = zip(*models)
    figure = Figure(figsize=(7, 4), dpi=80)
    axes = figure.add_axes((0.1, 0.12, 0.85, 0.83))
    exponents = [math.log10(count) for count in counts]
    axes.plot(exponents, accuracies, "k^", markersize=7)
    for name, x, y in zip(names, exponents, accuracies):
        axes.text(x, y, f" {name}", va="bottom")
    ticks = range(math.floor(min(exponents)), math.ceil(max(exponents)) + 1)
    axes.set_xticks(list(ticks), [f"1e{tick}" for tick in ticks])
    FigureCanvasAgg(figure).print_png(str(path))
