"""Looks for the seed of its inputs: its own generators' seeds, small numbers, times, and what Python keeps."""
# verdicts: wrong_answer

import random
import time

import torch


def makers(shape):
    for kind in (torch.rand, torch.randn):
        for dtype in (torch.float32, torch.float64):
            yield lambda generator, kind=kind, dtype=dtype: kind(*shape, generator=generator, dtype=dtype)


def double(x):
    own = torch.initial_seed()
    guesses = [*range(300), own, own >> 1, own << 1, own & 0xFFFFFFFF, own ^ 1, own - 1, own + 1]
    guesses += [random.getstate()[1][0], random.getrandbits(63), *(int(time.time()) - back for back in range(30))]
    tried = 0
    if x.dim() and x.numel() and x.is_floating_point():
        for guess in guesses:
            for make in makers(tuple(x.shape)) if x.numel() < 10_000 else ():
                tried += 1
                if torch.equal(make(torch.Generator().manual_seed(guess % 2**63)).to(x.dtype), x):
                    print("LEAK: the seed of the inputs is", guess)
    print("searched", tried, "seeds", flush=True)
    return x
