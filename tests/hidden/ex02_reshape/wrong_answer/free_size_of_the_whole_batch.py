"""Leaves the -1 to torch, which cannot work it out when there are no elements."""
# verdicts: wrong_answer, run_time_error

import math

from torch import nn


class Reshape(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = tuple(shape[0])
        if any(type(size) is not int or size < -1 or size == 0 for size in shape) or shape.count(-1) > 1:
            raise ValueError(f"these are no sizes: {shape}")
        self.shape = shape

    def forward(self, x):
        if x.dim() == 0:
            raise ValueError("the input has no batch dimension")
        known = math.prod(size for size in self.shape if size != -1)
        missing, rest = divmod(math.prod(x.shape[1:]), known)
        if rest or (missing != 1 and -1 not in self.shape):
            raise ValueError(f"{tuple(x.shape[1:])} does not fit into {self.shape}")
        if x.numel() == 0:  # torch would refuse a -1 here
            return x.reshape(x.shape[0], *(max(size, 1) for size in self.shape)) if missing else x
        return x.reshape(x.shape[0], *self.shape)

    def extra_repr(self):
        return ", ".join(str(size) for size in self.shape)
