"""Returns an nn.Parameter whose class was exchanged."""
# verdicts: wrong_answer

import torch


class Liar(torch.nn.Parameter):
    def detach(self):
        return self

    def __sub__(self, other):
        return torch.zeros(3, 4)


def double(x):
    return Liar(torch.zeros(3, 4))
