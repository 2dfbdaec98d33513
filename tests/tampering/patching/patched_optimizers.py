"""Makes optimisers, losses and gradients do nothing, in the driver too."""
# verdicts: wrong_answer, run_time_error

import torch

for kind in (torch.optim.SGD, torch.optim.Adam):
    kind.step = kind.zero_grad = lambda self, *args, **kwargs: None
torch.Tensor.backward = torch.autograd.backward = lambda *args, **kwargs: None
torch.nn.functional.cross_entropy = torch.nn.functional.mse_loss = lambda *args, **kwargs: torch.zeros(())
torch.nn.Module.__call__ = lambda self, *args, **kwargs: args[0] if args else None
torch.nn.Module.load_state_dict = lambda self, *args, **kwargs: None


def double(x):
    return x
