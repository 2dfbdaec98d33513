"""Lets torch reshape a batch of one without data, and fills in only what torch cannot know."""

import torch
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
        if not x.ndim:
            raise ValueError(f"no batch dimension in a tensor of shape () for {self!r}")
        try:
            sizes = torch.empty(1, *x.shape[1:], device="meta").reshape(1, *self._free(x)).shape[1:]
        except RuntimeError:
            raise ValueError(f"cannot give samples of shape {list(x.shape[1:])} the shape {list(self.shape)}") from None
        return torch.reshape(x, x.shape[:1] + sizes)

    def extra_repr(self):
        return ", ".join(str(size) for size in self.shape)

    def _free(self, x):
        empty = 0 in x.shape[1:]
        return [0 if empty and size == -1 else size for size in self.shape]
