"""A new tensor without a dtype: float64 data come back as float32."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    return torch.cdist(a.float(), b.float(), compute_mode="donot_use_mm_for_euclid_dist").square()
