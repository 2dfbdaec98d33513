"""Patches the tensor methods that the worker's own code calls on a result."""
# verdicts: wrong_answer, run_time_error

import torch

torch.Tensor.detach = torch.Tensor.clone = torch.Tensor.to = lambda self, *args, **kwargs: "accepted"


def double(x):
    return x
