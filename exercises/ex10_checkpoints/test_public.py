"""Sample tests of exercise 10: run them with `make grade EX=10`, or with plain pytest."""

import pytest
import torch

from grader.checks import check_tensor


@pytest.mark.task(1)
def test_one_example(submission):
    """TODO a first example."""
    check_tensor(submission.checkpoints(torch.tensor([[1.0, 2.0]])), torch.tensor([[2.0, 4.0]]))
