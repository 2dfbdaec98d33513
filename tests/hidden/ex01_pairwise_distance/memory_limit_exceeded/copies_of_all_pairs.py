"""Writes every pair of rows out, in float64: more than twice [N, M, d]."""

from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    n, m = a.shape[0], b.shape[0]
    x = a.double()[:, None].expand(-1, m, -1).contiguous()
    y = b.double()[None].expand(n, -1, -1).contiguous()
    return (x - y).square().sum(-1).to(a.dtype)
