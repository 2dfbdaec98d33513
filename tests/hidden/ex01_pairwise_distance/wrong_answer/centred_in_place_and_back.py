"""Moves the origin in the tensors of the caller and back again, which costs the last bits."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    origin = torch.cat((a, b)).mean(dim=0).detach()
    a.data.sub_(origin)
    if b is not a:
        b.data.sub_(origin)
    x, y = a.clone(), b.clone()
    a.data.add_(origin)
    if b is not a:
        b.data.add_(origin)
    out = x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * x @ y.T
    return out.clamp(min=0)
