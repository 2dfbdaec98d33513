"""Returns a view of one number that claims 4 TB."""
# verdicts: run_time_error, memory_limit_exceeded

import torch


def double(x):
    return torch.zeros(1).expand(10**12)
