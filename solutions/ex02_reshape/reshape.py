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
        # BEGIN SOLUTION task 1: keep the shape of one sample, in whichever way it is given
        if len(shape) == 1 and isinstance(shape[0], tuple | list):  # torch.Size is a tuple
            shape = tuple(shape[0])
        for size in shape:
            if type(size) is not int or size < -1 or size == 0:  # type(), because True is an instance of int
                raise ValueError(f"a size is a positive int, or -1 for one of them; got {size!r} in {shape}")
        if shape.count(-1) > 1:
            raise ValueError(f"only one size can be worked out, got more than one -1 in {shape}")
        self.shape = shape
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """Reshape every sample of a batch.

        Input:  x of shape [B, ...], any dtype, contiguous or not; B may be 0.
        Output: the same elements in the same order, of shape [B, *shape].
        Errors: ValueError when x has no batch dimension, or when a sample does not fit; it names both shapes.
        """
        # BEGIN SOLUTION task 1: give every sample its new shape
        if x.dim() == 0:
            raise ValueError(f"the input needs a batch dimension, got a tensor of shape () for {self}")
        batch, sample = x.shape[0], x.shape[1:]

        # x.reshape(B, *shape) alone cannot tell what a batch without samples would need: 0 elements fit everywhere.
        # So the sizes of ONE sample decide, and never x.numel(), which is 0 when the batch is empty.
        known = math.prod(size for size in self.shape if size != -1)  # 1 for the empty shape
        missing, left_over = divmod(sample.numel(), known)
        if left_over or (-1 not in self.shape and missing != 1):
            raise ValueError(f"a sample of shape {tuple(sample)} does not fit into the shape {self.shape}")

        # The -1 is filled in here and not kept: the next batch may have samples of another size.
        sizes = [missing if size == -1 else size for size in self.shape]
        return x.reshape(batch, *sizes)  # reshape, not view: view fails where the memory of x is not in order
        # END SOLUTION

    def extra_repr(self) -> str:
        """What stands between the brackets of `repr(layer)`: the sizes as they were given, such as "2, -1"."""
        # BEGIN SOLUTION task 4: the sizes, as repr shows them
        return ", ".join(map(str, self.shape))
        # END SOLUTION
