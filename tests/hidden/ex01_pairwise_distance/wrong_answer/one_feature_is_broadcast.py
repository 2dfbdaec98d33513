"""Lets an input with one feature pass, because broadcasting does."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or (a.shape[1] != b.shape[1] and 1 not in (a.shape[1], b.shape[1])):
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    d = max(a.shape[1], b.shape[1])
    return torch.cdist(a.expand(-1, d), b.expand(-1, d), compute_mode="donot_use_mm_for_euclid_dist").square()
