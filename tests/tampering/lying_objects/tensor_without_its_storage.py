"""Returns a tensor whose memory was taken away or lies about its size."""
# verdicts: wrong_answer, run_time_error

import torch


def double(x):
    answer = torch.zeros(3, 4)
    answer.untyped_storage().resize_(0)
    return answer
