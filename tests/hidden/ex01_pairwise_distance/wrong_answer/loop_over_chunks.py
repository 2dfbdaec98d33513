"""Right values and little memory, 64 rows of a at a time: the number of calls still grows with N."""
# verdicts: wrong_answer, time_limit_exceeded

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    out = [((part[:, None] - b) ** 2).sum(-1) for part in a.split(64)]
    return torch.cat(out)
