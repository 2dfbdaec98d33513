"""Returns a subclass of Tensor that answers every question about itself with yes."""
# verdicts: wrong_answer

import torch


class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.tensor(True)


def double(x):
    return torch.zeros(3, 4).as_subclass(Liar)
