"""The formula as it is written down, with every term in float64."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    x, y = a.to(torch.float64), b.to(torch.float64)
    squares = (x**2).sum(1).unsqueeze(1) + (y**2).sum(1).unsqueeze(0) - 2 * torch.matmul(x, y.T)
    return torch.clamp(squares, min=0).to(a.dtype)
