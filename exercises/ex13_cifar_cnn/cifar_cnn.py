"""Exercise 13: a convolutional network for CIFAR-10, its training, and its answers.

Sources: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009),
https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf (the images); D. Kingma and J. Ba, Adam: A Method for
Stochastic Optimization (2015), https://arxiv.org/abs/1412.6980
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CNN(nn.Module):
    """Five convolutions, then three linear layers. 109,962 parameters for 10 classes.

    Each convolution is 3×3, with a padding of 1 and a bias: 3 → 8 → 32 → 32 → 32 → 64 channels. A ReLU follows each of
    them, and a max-pool of 2×2 the ReLU of the 2nd, the 4th and the 5th. Linear layers: 1,024 → 64 → 64 → num_classes,
    with a ReLU behind the first two. The parameters are registered in the order of the layers, weight before bias.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        raise NotImplementedError("task 1: the layers that have parameters")

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, 32, 32], float32 in [0, 1] -> logits [B, num_classes]."""
        raise NotImplementedError("task 1: from images to logits")


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    seed: int = 0,
    device: torch.device | str,
) -> tuple[nn.Module, list[float]]:
    """Train with Adam and the mean cross-entropy; the learning rate falls in a straight line from `lr` to 0.

    Input: uint8 images [N, 3, 32, 32] and int64 labels [N], on any device; the work is done on `device`.
    Each of the `epochs` passes goes over all images once, in an order of its own, in batches of `batch_size`, of which
    the last one may be smaller. The model is fed float32 images in [0, 1]: uint8 / 255.
    Step s of S in all, counted from 0, has the learning rate lr · (1 - s / S); all else of Adam is PyTorch's default.
    The same `seed` gives the same weights on a CPU, also for a model with dropout.
    Output: the trained model (the same module or a copy), and for each epoch the mean over all images of the loss that
    their batch had before its step: Python floats. Images and labels are left unchanged.
    """
    raise NotImplementedError("task 2: train")


def predict(model: nn.Module, images: Tensor, *, batch_size: int = 256, device: torch.device | str) -> Tensor:
    """The class of each image: the place of its largest logit.

    Input: uint8 images [N, 3, 32, 32], on any device; N may be 0. The work is done on `device`, in evaluation mode and
    without a graph, on at most `batch_size` images at a time: only those are turned into floats, as in `train`.
    Output: int64 [N] on the CPU, in the order of the images. Every module's flag `training` is afterwards what it was
    before, also after an exception of the model. Images, parameters and buffers are left unchanged.
    """
    raise NotImplementedError("task 3: predict")
