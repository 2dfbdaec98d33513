"""A loop over features: its length is d, whatever the number of rows."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    out = a.new_zeros(a.shape[0], b.shape[0])
    for x, y in zip(a.T, b.T, strict=True):  # [N] and [M]
        difference = x[:, None] - y
        out = torch.addcmul(out, difference, difference)
    return out
