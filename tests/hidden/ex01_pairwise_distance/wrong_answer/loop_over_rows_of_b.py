"""Right values, one column of the result at a time: the number of calls grows with M."""
# verdicts: wrong_answer, time_limit_exceeded

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    out = a @ b.T
    for j in range(b.shape[0]):
        out = out.index_copy(1, torch.tensor([j], device=a.device), (a - b[j]).square().sum(1, keepdim=True))
    return out
