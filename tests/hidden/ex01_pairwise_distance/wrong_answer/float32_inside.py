"""Calculates float64 data in float32 and converts the result back."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    dtype = a.dtype
    a, b = a.float(), b.float()
    origin = torch.cat((a, b)).mean(dim=0).detach()
    a, b = a - origin, b - origin
    return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T).clamp(min=0).to(dtype)
