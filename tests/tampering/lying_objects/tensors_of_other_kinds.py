"""Returns sparse, meta, quantised and complex tensors, which compare in their own ways."""
# verdicts: wrong_answer

import torch


def double(x):
    twice = 2 * x.float().reshape(1, -1)
    kinds = [twice.to_sparse(), twice.to("meta"), torch.quantize_per_tensor(twice, 0.1, 0, torch.qint8), twice + 0j]
    return kinds[x.dim() % len(kinds)]
