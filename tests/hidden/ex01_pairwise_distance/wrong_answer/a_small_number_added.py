"""Adds 1e-6 to each difference, as F.pairwise_distance does: wrong in small units."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    return torch.cdist(a + 1e-6, b, compute_mode="donot_use_mm_for_euclid_dist").square()
