"""A function of its own for autograd: differences forward, the formula of the gradient backward."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class SquaredDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist") ** 2

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        a, b = ctx.saved_tensors
        grad_a = 2 * (a * upstream.sum(1, keepdim=True) - upstream @ b)
        grad_b = 2 * (b * upstream.sum(0)[:, None] - upstream.T @ a)
        return grad_a, grad_b


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit")
    return SquaredDistance.apply(a, b)
