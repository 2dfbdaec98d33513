"""The block [N, M, d] once only, as the norm squares without a copy: still 1.1 GB."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    return torch.linalg.vector_norm(a[:, None, :] - b[None, :, :], dim=-1).square()
