"""Goes through NumPy, which a tensor that needs its gradient refuses."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    x, y = a.numpy(), b.numpy()
    out = sum((x[:, k, None] - y[:, k]) ** 2 for k in range(x.shape[1]))
    return torch.from_numpy(out)
