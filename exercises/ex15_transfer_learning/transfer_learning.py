"""Exercise 15: what a pretrained net knows, used for a task with few images.

A net is a backbone, which turns an image into d features, and a head, its last layer, which turns them into logits.
`head` is the head's name in the net, as in `named_modules()`: "fc" in torchvision's ResNets, "classifier.6" in a VGG.
Images are float32, prepared as the net wants them: nothing here scales or normalises them.

Sources: J. Yosinski et al., How Transferable are Features in Deep Neural Networks? (2014), arXiv:1411.1792,
A. Kolesnikov et al., Big Transfer (2020), arXiv:1912.11370, for the head that begins with zeros,
A. Kumar et al., Fine-Tuning can Distort Pretrained Features (2022), arXiv:2202.10054, for training the head first.
"""

import copy
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FrozenBackbone(nn.Module):
    """Gives features, and never changes. An offer, for `feature_extractor`: it is not graded by itself.

    Owns `backbone`, a net without its head, of whose parameters none requires gradients from now on.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        raise NotImplementedError("task 1: nothing in here is to be trained")

    def train(self, mode: bool = True) -> Self:
        """What `nn.Module.train` calls for each module inside of a module, and `nn.Module.eval` too, with False."""
        raise NotImplementedError("task 1: stay in evaluation mode, whoever asks for another one")

    def forward(self, images: Tensor) -> Tensor:
        """[B, …] -> features [B, d], without a graph. Of [B, d, h, w], the mean over all places."""
        raise NotImplementedError("task 1: features, without a graph")


def feature_extractor(backbone: nn.Module, head: str | None = "fc") -> nn.Module:
    """A frozen copy of `backbone` without its head: a module that turns images [B, …] into features [B, d].

    Frozen:  no parameter requires gradients, and a pass builds no graph, also where the images require gradients. It
             stays in evaluation mode: after `train()`, of itself or of a module that contains it, dropout drops
             nothing, and BatchNorm normalises by its running statistics, and does not change them.
    Copy:    `backbone` is left as it is, its modes and flags too. The copy lies on the same device, in the same dtype.
    d:       what reached the head; where that is [B, d, h, w], or has any places after d, the mean over them.
             With `head=None` there is no head to take away, and what `backbone` gives is what counts.
    Errors:  ValueError for a head that is not in `backbone`, with its name in the message.
    """
    raise NotImplementedError("task 1: a copy, without the head, that stays as it is")


def find_head(model: nn.Module, head: str) -> nn.Module:
    """The layer of this name. An offer too. Errors: those of `feature_extractor`."""
    raise NotImplementedError("task 1: the layer of this name")


def with_head(model: nn.Module, head: str, new: nn.Module) -> nn.Module:
    """A copy of `model` with `new` in the place of its head. An offer too. Errors: those of `feature_extractor`."""
    raise NotImplementedError("task 1: a copy with another head")


def zero_head(features: int, num_classes: int) -> nn.Linear:
    """A linear layer [B, features] -> [B, num_classes] whose weights and biases are 0. An offer too."""
    raise NotImplementedError("task 2: a head that knows nothing yet")


def train_epoch(
    model: nn.Module, inputs: Tensor, labels: Tensor, batch_size: int, optimizer: torch.optim.Optimizer
) -> None:
    """All inputs once, in a new order, a step of `optimizer` on the mean cross-entropy for each batch. An offer too."""
    raise NotImplementedError("task 2: an epoch")


def linear_probe(
    backbone: nn.Module,
    images: Tensor,
    labels: Tensor,
    num_classes: int,
    *,
    head: str | None = "fc",
    epochs: int,
    lr: float,
    batch_size: int,
    seed: int = 0,
    device: torch.device | str,
) -> nn.Module:
    """Trains a linear layer on the features of a frozen backbone.

    Input:    images [N, …] and int64 labels [N], on any device; the work is done on `device`.
    Features: each image goes through the backbone once, in evaluation mode and without a graph, before the first step;
              at most `batch_size` images at a time.
    Training: a linear layer that begins with zeros; SGD with momentum 0.9 and a constant `lr` on the mean
              cross-entropy. Each of the `epochs` goes over all features once, in a new order, in batches of
              `batch_size`, of which the last may be smaller. The same `seed` gives the same weights on a CPU.
    Output:   a module on `device`, in evaluation mode: images [B, …] -> logits [B, num_classes]. Its backbone is a
              `feature_extractor`; the linear layer's weight and bias are its only parameters that require gradients.
    Unchanged: `backbone`, bit for bit, and its modes and flags; images and labels.
    """
    raise NotImplementedError("task 2: features once, then a linear layer")


def fine_tune(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    num_classes: int,
    *,
    head: str = "fc",
    epochs: int,
    backbone_lr: float,
    head_lr: float,
    batch_size: int,
    freeze_epochs: int = 0,
    seed: int = 0,
    device: torch.device | str,
) -> nn.Module:
    """Trains a copy of a pretrained model with a new head, and a learning rate each for backbone and head.

    Input:    as for `linear_probe`; `head` names a linear layer.
    Head:     a new linear layer for `num_classes`, which begins with zeros, in the place of the old one.
    Training: one SGD with momentum 0.9 and constant learning rates, on the mean cross-entropy: `head_lr` for the head's
              parameters, `backbone_lr` for all others. Epochs and batches as in `linear_probe`. A rate of 0 leaves its
              parameters as they are. The same `seed` gives the same weights on a CPU.
    Frozen:   in the first `freeze_epochs` of the `epochs` the head alone is trained. The backbone is in evaluation
              mode, so that its running statistics stay too, and gets no gradients. Afterwards everything is in
              training mode, and every parameter is trained, also one that came with requires_grad=False.
    Output:   the trained copy, on `device`, in evaluation mode, its layers named as in `model`.
    Unchanged: `model`, bit for bit, its old head, its modes, flags and gradients; images and labels.
    Errors:   ValueError for a head that is not in `model`, with its name in the message.
    """
    raise NotImplementedError("task 3: a new head, two groups, first the head alone")
