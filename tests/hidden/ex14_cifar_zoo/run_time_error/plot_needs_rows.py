"""None is no list of rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

# Channels of the convolutions of each net, and "M" for a max-pool: table 1 of the paper, columns A, B, D and E.
VGG: dict[str, str] = {
    "VGG11": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "VGG13": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "VGG16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "VGG19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}

# Accuracies in percent. DenseNet121 is densenet_cifar(growth=32), ResNet18 that of exercise 7.
PUBLISHED: list[dict[str, Any]] = [
    {"name": "VGG16", "parameters": 14_728_266, "accuracy": 92.64},
    {"name": "ResNet18", "parameters": 11_173_962, "accuracy": 93.02},
    {"name": "DenseNet121", "parameters": 6_956_298, "accuracy": 95.04},
    {"name": "PreActResNet18", "parameters": 11_171_146, "accuracy": 95.11},
]


def count_parameters(model: nn.Module, trainable_only: bool = False) -> int:
    """How many numbers the parameters of `model` hold: a parameter that is used in several places counts once.

    Frozen ones (requires_grad=False) count too, unless `trainable_only`. Buffers are no parameters.
    """
    every = model.parameters()  # those of all submodules; each tensor comes once, however many modules share it
    return sum(parameter.numel() for parameter in every if parameter.requires_grad or not trainable_only)


def vgg(config: str | Sequence[int | str], num_classes: int = 10) -> nn.Module:
    """VGG with batch normalisation. vgg("VGG16") has 14,728,266 parameters.

    Input:  a key of `VGG`, or a list such as [64, "M", 128]: for a number of channels conv3×3 (padding 1, with a bias)
            – BN – ReLU, for "M" a max-pool of 2×2 with stride 2.
    Then:   the mean over all places, and a linear layer.
    Errors: ValueError for a name that is no key of `VGG`, with that name in its message.
    Source: K. Simonyan, A. Zisserman, Very Deep Convolutional Networks (2014), https://arxiv.org/abs/1409.1556
    """
    if isinstance(config, str):
        if config not in VGG:
            raise ValueError(f"config must be a list or one of {', '.join(VGG)}, not '{config}'")
        config = VGG[config].split()
    model, channels = nn.Sequential(), 3
    for entry in config:
        if entry == "M":
            model.append(nn.MaxPool2d(2))
        else:
            inputs, channels = channels, int(entry)
            model.extend([nn.Conv2d(inputs, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()])
    return model.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)])


class PreActBlock(nn.Module):
    """BN1 – ReLU – conv1 – BN2 – ReLU – conv2, and a shortcut. Both are 3×3, without bias; conv1 has the stride.

    Where stride is 1 and the channels agree, the shortcut is x itself, as it came. Elsewhere it is a convolution of
    1×1 with the stride, without bias and without BN, of what conv1 gets too: the activated relu(BN1(x)).
    Nothing comes after the addition. An offer, for `preact_resnet18`: it is not graded by itself.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut = None
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W] -> [B, channels, ⌈H / stride⌉, ⌈W / stride⌉]."""
        out = F.relu(self.bn1(x))
        if self.shortcut is not None:
            x = self.shortcut(out)
        out = self.conv2(F.relu(self.bn2(self.conv1(out))))
        return x + out  # no ReLU: the sum may be negative, and goes on as it is


def preact_resnet18(num_classes: int = 10) -> nn.Module:
    """ResNet-18 with the activation before the convolution. 11,171,146 parameters for 10 classes.

    Stem: conv3×3, 64 channels, without bias, BN or ReLU. Four stages of two blocks with 64, 128, 256 and 512 channels;
    the first block of each stage but the first has stride 2. Then the mean over all places, and a linear layer.
    Source: K. He et al., Identity Mappings in Deep Residual Networks (2016), https://arxiv.org/abs/1603.05027
    """
    model, inputs = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False)), 64
    for channels in (64, 128, 256, 512):
        model.append(PreActBlock(inputs, channels, stride=1 if channels == inputs else 2))
        model.append(PreActBlock(channels, channels))
        inputs = channels
    return model.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, num_classes)])


class DenseLayer(nn.Module):
    """BN1 – ReLU – conv1 – BN2 – ReLU – conv2: from all channels so far to `growth` new ones, put behind them.

    conv1 is 1×1, to 4 · growth channels; conv2 is 3×3. Neither has a bias. An offer: it is not graded by itself.
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)  # many channels cost less in 1×1 than in 3×3
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> [B, channels + growth, H, W]: those of x first."""
        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
        return torch.cat([x, out], dim=1)  # nothing is added up: all that was found so far stays in sight


def densenet_cifar(growth: int = 12, blocks: Sequence[int] = (6, 12, 24, 16), num_classes: int = 10) -> nn.Module:
    """DenseNet-BC for small images. 1,000,618 parameters with the defaults; 6,956,298 with a growth of 32.

    Stem: conv3×3 without bias, 2 · growth channels. Then blocks[0] layers, a transition, blocks[1] layers, and so on;
    a transition stands between two blocks: BN – ReLU – conv1×1 without bias to half of the channels (rounded down) –
    average pool of 2×2. At the end BN – ReLU, the mean over all places, and a linear layer.
    Source: G. Huang et al., Densely Connected Convolutional Networks (2016), https://arxiv.org/abs/1608.06993
    """
    channels = 2 * growth
    model = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False))
    for number, count in enumerate(blocks):
        if number > 0:
            half = channels // 2
            model.extend([nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, half, 1, bias=False)])
            model.append(nn.AvgPool2d(2))
            channels = half
        for _ in range(count):
            model.append(DenseLayer(channels, growth))
            channels += growth
    model.extend([nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()])
    return model.append(nn.Linear(channels, num_classes))


def plot_accuracy_vs_parameters(
    rows: Sequence[Mapping[str, Any]] | None = None, path: str | Path = "accuracy_vs_parameters.png"
) -> None:
    """Draw a point with its name for each model, and save a PNG at exactly `path`.

    Input: rows with "name", "parameters" (1 or more) and "accuracy" (in percent); None means `PUBLISHED`.
    Parameters go from left to right, on a logarithmic axis, accuracies upwards. A file that is at `path` already is
    replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.annotate.html
    """
    figure = Figure()  # not pyplot's, which lasts until it is closed
    axes = figure.add_subplot(xscale="log", xlabel="parameters", ylabel="accuracy (%)")
    axes.margins(0.25)  # room for the names
    for row in rows:
        place = row["parameters"], row["accuracy"]
        axes.plot(*place, "o")
        axes.annotate(row["name"], place, xytext=(5, 5), textcoords="offset points")
    figure.savefig(path, format="png")  # with a format the path is taken as it is; without, ".png" may be added to it
