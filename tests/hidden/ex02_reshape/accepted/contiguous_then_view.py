"""Puts the memory in order first, so that view can do it."""

from torch import nn


class Reshape(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        sizes = list(shape[0]) if len(shape) == 1 and isinstance(shape[0], (list, tuple)) else list(shape)
        free = [i for i, size in enumerate(sizes) if type(size) is int and size == -1]
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, int):
                raise ValueError(f"a size is an int, not {size!r}")
            if size < 1 and size != -1:
                raise ValueError(f"a size is at least 1, or -1, not {size}")
        if len(free) > 1:
            raise ValueError(f"-1 {len(free)} times in {sizes}")
        self.sizes, self.free = sizes, free[0] if free else None

    def forward(self, x):
        if x.ndim < 1:
            raise ValueError("a batch has at least one dimension")
        elements, sizes = 1, list(self.sizes)
        for size in x.shape[1:]:
            elements *= size
        wanted = 1
        for size in sizes:
            wanted *= abs(size)
        if self.free is not None and elements % wanted == 0:
            sizes[self.free] = elements // wanted
        elif elements != wanted or self.free is not None:
            raise ValueError(f"samples of shape {tuple(x.shape[1:])} do not fit into {tuple(sizes)}")
        return x.contiguous().view(x.size(0), *sizes)

    def extra_repr(self):
        return str(self.sizes)[1:-1]
