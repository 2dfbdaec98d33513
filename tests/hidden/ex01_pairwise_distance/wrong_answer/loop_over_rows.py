"""Right values, one row of a at a time: N times as many torch calls."""
# verdicts: wrong_answer, time_limit_exceeded

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    rows = [(row - b).square().sum(dim=1) for row in a]
    return torch.stack(rows) if rows else a @ b.T
