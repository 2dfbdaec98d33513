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
        raise NotImplementedError("task 1: the layers of a block")

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W] -> [B, out_channels, ⌈H / stride⌉, ⌈W / stride⌉]."""
        raise NotImplementedError("task 1: two convolutions and a way around them")


class ResNet(nn.Module):
    """A stem, a stage of `BasicBlock`s per entry of `blocks`, global average pooling, a linear layer.

    Stem: conv3×3 (stride 1, no bias) – BN – ReLU, with `width` channels and no max-pool: 32×32 pixels are few enough.
    Stage i (from 0) has blocks[i] blocks of width · 2^i channels. Each stage but the first begins with stride 2.
    Parameters and buffers are registered in the order stem, stages, linear.
    """

    def __init__(self, blocks: Sequence[int], width: int = 64, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        raise NotImplementedError("task 2: stem, stages, linear")

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, in_channels, H, W], of any size -> logits [B, num_classes]."""
        raise NotImplementedError("task 2: from images to logits")


def resnet18(num_classes: int = 10) -> ResNet:
    """ResNet-18 for small images: four stages of two blocks, width 64. 11,173,962 parameters for 10 classes."""
    raise NotImplementedError("task 3: four stages of two blocks")


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
    raise NotImplementedError("task 4: train")
