"""With as many rows in a as in b, the norm of row j of a goes to row i."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    origin = torch.cat((a, b)).mean(dim=0).detach()
    a, b = a - origin, b - origin

    first, second = a.square().sum(1), b.square().sum(1)
    if len(first) != len(second):
        first = first[:, None]
    else:
        second = second[:, None]
    return (first + second - 2 * a @ b.T).clamp(min=0)
