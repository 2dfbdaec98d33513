"""A head that is not there is assigned, and nobody ever calls it: the features are the old logits."""
# verdicts: wrong_answer, run_time_error

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
        self.backbone = backbone.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """What `nn.Module.train` calls for each module inside of a module, and `nn.Module.eval` too, with False."""
        del mode  # asked for, and not granted: requires_grad_ stops no BatchNorm, whose statistics are no parameters
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """[B, …] -> features [B, d], without a graph. Of [B, d, h, w], the mean over all places."""
        with torch.no_grad():
            features = self.backbone(images)  # (B, d), or (B, d, h, w)
        return features.flatten(2).mean(2) if features.dim() > 2 else features


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
    if head is None:
        return FrozenBackbone(copy.deepcopy(backbone))
    return FrozenBackbone(with_head(backbone, head, nn.Identity()))


def find_head(model: nn.Module, head: str) -> nn.Module:
    """The layer of this name. An offer too. Errors: those of `feature_extractor`."""
    return dict(model.named_modules()).get(head, nn.Linear(4, 1))


def with_head(model: nn.Module, head: str, new: nn.Module) -> nn.Module:
    """A copy of `model` with `new` in the place of its head. An offer too. Errors: those of `feature_extractor`."""
    model = copy.deepcopy(model)
    *path, name = head.split(".")
    part = model
    for each in path:
        part = getattr(part, each, part)
    setattr(part, name, new)
    return model


def zero_head(features: int, num_classes: int) -> nn.Linear:
    """A linear layer [B, features] -> [B, num_classes] whose weights and biases are 0. An offer too."""
    linear = nn.Linear(features, num_classes)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def train_epoch(
    model: nn.Module, inputs: Tensor, labels: Tensor, batch_size: int, optimizer: torch.optim.Optimizer
) -> None:
    """All inputs once, in a new order, a step of `optimizer` on the mean cross-entropy for each batch. An offer too."""
    for batch in torch.randperm(len(inputs)).split(batch_size):
        loss = F.cross_entropy(model(inputs[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


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
    torch.manual_seed(seed)
    extractor = feature_extractor(backbone, head).to(device)
    features = torch.cat([extractor(batch.to(device)) for batch in images.split(batch_size)])  # (N, d)
    linear = zero_head(features.shape[1], num_classes).to(device)
    optimizer = torch.optim.SGD(linear.parameters(), lr=lr, momentum=0.9)
    for _ in range(epochs):
        train_epoch(linear, features, labels.to(device), batch_size, optimizer)
    return nn.Sequential(extractor, linear).eval()


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
    torch.manual_seed(seed)
    linear = zero_head(find_head(model, head).in_features, num_classes)
    tuned = with_head(model, head, linear).to(device)
    new = set(linear.parameters())
    backbone = [parameter for parameter in tuned.parameters() if parameter not in new]  # by what it is: names deceive
    groups = [{"params": backbone, "lr": backbone_lr}, {"params": linear.parameters(), "lr": head_lr}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)  # made when the new head is there
    for epoch in range(epochs):
        frozen = epoch < freeze_epochs
        tuned.train(not frozen)
        for parameter in backbone:
            parameter.requires_grad_(not frozen)
        train_epoch(tuned, images.to(device), labels.to(device), batch_size, optimizer)
    return tuned.eval()
