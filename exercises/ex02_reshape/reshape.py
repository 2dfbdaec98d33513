"""Exercise 2: a layer that gives every sample of a batch a new shape."""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class Reshape(nn.Module):
    """Give every sample the shape `shape`: [B, ...] -> [B, *shape]. The batch dimension is left alone.

    `Reshape(2, 3)`, `Reshape((2, 3))`, `Reshape([2, 3])` and `Reshape(torch.Size([2, 3]))` mean the same.
    One size may be -1: it is worked out from the sizes of one sample. `Reshape()` gives [B].

    Source: https://docs.pytorch.org/docs/stable/generated/torch.reshape.html
    """

    def __init__(self, *shape: int | Sequence[int]) -> None:
        """Keep the shape of one sample.

        Errors: ValueError for a size that is 0, below -1, a bool, a float or a string, and for a second -1.
        """
        super().__init__()
        raise NotImplementedError("task 1: keep the shape of one sample, in whichever way it is given")

    def forward(self, x: Tensor) -> Tensor:
        """Reshape every sample of a batch.

        Input:  x of shape [B, ...], any dtype, contiguous or not; B may be 0.
        Output: the same elements in the same order, of shape [B, *shape].
        Errors: ValueError when x has no batch dimension, or when a sample does not fit; it names both shapes.
        """
        raise NotImplementedError("task 1: give every sample its new shape")

    def extra_repr(self) -> str:
        """What stands between the brackets of `repr(layer)`: the sizes as they were given, such as "2, -1"."""
        raise NotImplementedError("task 4: the sizes, as repr shows them")
