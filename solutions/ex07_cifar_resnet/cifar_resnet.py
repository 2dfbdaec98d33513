"""Exercise 7: a ResNet for images of 32×32 pixels, and its training.

Source: K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition (2015), https://arxiv.org/abs/1512.03385
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """relu(f(x) + shortcut(x)), where f is conv3×3 – BN – ReLU – conv3×3 – BN.

    The first convolution has the stride. The shortcut is x itself where it fits: for stride 1 and as many channels out
    as in. Elsewhere it is conv1×1, with the stride, – BN. No convolution has a bias.
    Parameters and buffers are registered in the order conv1, bn1, conv2, bn2, shortcut (its convolution, its BN).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        # BEGIN SOLUTION task 1: the layers of a block
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W] -> [B, out_channels, ⌈H / stride⌉, ⌈W / stride⌉]."""
        # BEGIN SOLUTION task 1: two convolutions and a way around them
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))  # x reaches the sum as it came: that is what makes depth trainable
        # END SOLUTION


class ResNet(nn.Module):
    """A stem, a stage of `BasicBlock`s per entry of `blocks`, global average pooling, a linear layer.

    Stem: conv3×3 (stride 1, no bias) – BN – ReLU, with `width` channels and no max-pool: 32×32 pixels are few enough.
    Stage i (from 0) has blocks[i] blocks of width · 2^i channels. Each stage but the first begins with stride 2.
    Parameters and buffers are registered in the order stem, stages, linear.
    """

    def __init__(self, blocks: Sequence[int], width: int = 64, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        # BEGIN SOLUTION task 2: stem, stages, linear
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
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, in_channels, H, W], of any size -> logits [B, num_classes]."""
        # BEGIN SOLUTION task 2: from images to logits
        x = self.stages(self.stem(x))  # (B, channels, h, w)
        return self.linear(x.mean(dim=(2, 3)))  # the mean over all places makes any image size fit
        # END SOLUTION


def resnet18(num_classes: int = 10) -> ResNet:
    """ResNet-18 for small images: four stages of two blocks, width 64. 11,173,962 parameters for 10 classes."""
    # BEGIN SOLUTION task 3: four stages of two blocks
    return ResNet([2, 2, 2, 2], num_classes=num_classes)
    # END SOLUTION


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
    """Train with SGD, momentum 0.9, a learning rate that peaks at `lr`, and the mean cross-entropy.

    Input: uint8 images [N, 3, 32, 32] and int64 labels [N], on any device; the work is done on `device`.
    Each of the `epochs` passes goes over all images, in an order of its own, in batches of `batch_size`, of which the
    last one may be smaller. The model is fed float32 images in [0, 1]: uint8 / 255. With `augment`, each is a random
    crop of 32×32 from the image with 4 pixels of padding on each side, flipped left to right or not, each time anew.
    `lr=0` leaves the parameters as they are. The same `seed` gives the same weights on a CPU.
    Output: the trained model, the same module or a copy. Images and labels are left unchanged.
    """
    # BEGIN SOLUTION task 4: train
    torch.manual_seed(seed)  # for the orders, the crops, the flips, and dropout in the model, if there is any
    model = model.to(device).train()
    images, labels = images.to(device), labels.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    steps = epochs * math.ceil(len(images) / batch_size)
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
    # END SOLUTION
