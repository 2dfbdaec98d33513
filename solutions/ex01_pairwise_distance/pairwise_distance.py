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
    # BEGIN SOLUTION task 1: the squared distance of every row of a to every row of b
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"a and b must be [N, d] and [M, d] with one d, got {tuple(a.shape)} and {tuple(b.shape)}")

    # The difference a[:, None] - b is exact enough, but it is [N, M, d]. Multiplied out, the square needs [N, M] only:
    #     ||a_i - b_j||^2 = ||a_i||^2 + ||b_j||^2 - 2 <a_i, b_j>
    # Every term is rounded to about eps of ITSELF. Far from the origin all three are huge while their sum is small: at
    # N(1000, 1) and d = 8 they are near 1e7, so float32 (eps = 6e-8) leaves an error near 1 in distances near 16.
    # A distance does not change when both sets are shifted, so move the origin into the middle of the data first.
    # Then neither norm exceeds four times the largest distance, so the error is a few eps of that distance.
    # Each a - origin is one rounding of a small number, and how precise the mean itself is does not matter.
    origin = torch.cat((a, b)).mean(dim=0).detach()  # [d]; a constant: the distances do not depend on it
    a = a - origin  # [N, d]; a new tensor, `a -= origin` would change the caller's data
    b = b - origin  # [M, d]

    a_squared = a.square().sum(dim=1, keepdim=True)  # [N, 1]
    b_squared = b.square().sum(dim=1)  # [M]
    distance = a_squared + b_squared - 2 * a @ b.T  # [N, 1] + [M] -> [N, M]

    # Rows that are (almost) equal leave a rounding error of either sign. The clamp has the derivative 1 for what is
    # above 0, so that the gradient stays 2 (a_i - b_j), and 0 below it, where the true gradient is (almost) 0 too.
    return distance.clamp(min=0)
    # END SOLUTION
