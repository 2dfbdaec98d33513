"""Doubles the number of rows taken until all are taken, from 0 rows on for ever."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    parts, start, size = [], 0, min(1, a.shape[0])
    while not parts or start < a.shape[0]:
        part = a[start : start + size]
        if size:
            parts.append(torch.cdist(part, b, compute_mode="donot_use_mm_for_euclid_dist").square())
        start, size = start + size, 2 * size
    return torch.cat(parts)
