"""The schedule is told of whole batches only, and runs out before the last epoch."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))  # x reaches the sum as it came: that is what makes depth trainable


class ResNet(nn.Module):
    def __init__(self, blocks: Sequence[int], width: int = 64, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stages = nn.Sequential()
        channels = width
        for i, count in enumerate(blocks):
            for j in range(count):
                stride = 2 if i > 0 and j == 0 else 1
                self.stages.append(BasicBlock(channels, width * 2**i, stride))
                channels = width * 2**i
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))  # (B, channels, h, w)
        return self.linear(x.mean(dim=(2, 3)))  # the mean over all places makes any image size fit


def resnet18(num_classes: int = 10) -> ResNet:
    return ResNet([2, 2, 2, 2], num_classes=num_classes)


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    augment: bool = True,
    seed: int = 0,
    device: torch.device | str,
) -> nn.Module:
    torch.manual_seed(seed)  # for the orders, the crops, the flips, and dropout in the model, if there is any
    model = model.to(device).train()
    images, labels = images.to(device), labels.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    steps = epochs * max(1, len(images) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, cycle_momentum=False)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(batch_size):
            x = images[batch] / 255  # (B, 3, 32, 32), float32
            if augment:
                # A crop is 32 of 40 rows and 32 of 40 columns. A flipped one takes its columns backwards.
                rows, columns = torch.randint(9, (2, len(x), 1)) + torch.arange(32)  # (B, 32) each
                flip = torch.randint(2, (len(x),)).bool()
                columns[flip] = columns[flip].flip(1)
                each = torch.arange(len(x))[:, None, None]
                x = F.pad(x, (4,) * 4)[each, :, rows[:, :, None], columns[:, None]]  # (B, 32, 32, 3)
                x = x.permute(0, 3, 1, 2)
            loss = F.cross_entropy(model(x), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model
