"""Says what happens to one sample, and lets a helper put the batch back; the repr is written whole."""

import math

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
        if x.dim() == 0:
            raise ValueError("expected [B, ...], got a tensor of shape ()")
        if 0 not in x.shape:
            return torch.vmap(self._one)(x)
        one = self._one(x.new_empty(x.shape[1:]))
        return x.reshape(x.shape[0], *one.shape)

    def __repr__(self):
        return f"Reshape({', '.join(map(str, self.shape))})"

    def _one(self, sample):
        if -1 in self.shape:
            known = -math.prod(self.shape)
            fits = sample.numel() % known == 0
            sizes = [sample.numel() // known if size == -1 else size for size in self.shape]
        else:
            fits, sizes = sample.numel() == math.prod(self.shape), self.shape
        if not fits:
            raise ValueError(f"{tuple(sample.shape)} cannot become {self.shape}")
        return sample.reshape(tuple(sizes))
