"""Checks the shapes with assert, which raises another exception and is gone under python -O."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    assert a.dim() == b.dim() == 2 and a.shape[1] == b.shape[1], f"{tuple(a.shape)} and {tuple(b.shape)}"
    origin = torch.cat((a, b)).mean(dim=0).detach()
    a, b = a - origin, b - origin
    return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)
