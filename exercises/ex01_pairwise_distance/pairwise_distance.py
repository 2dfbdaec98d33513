"""Exercise 1: the squared distance of every row of one matrix to every row of another, without a loop over rows."""

import torch
from torch import Tensor


def pairwise_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distance between every row of `a` and every row of `b`.

    Input:  a of shape [N, d] and b of shape [M, d], both float32 or both float64, on one device; N or M may be 0.
    Output: Tensor of shape [N, M] with out[i, j] = ||a_i - b_j||^2 >= 0, dtype and device of the inputs.
    Errors: ValueError, naming both shapes, when one of them is not 2-D or the numbers of features differ.
    Source: https://docs.pytorch.org/docs/stable/notes/broadcasting.html
    """
    raise NotImplementedError("task 1: the squared distance of every row of a to every row of b")
