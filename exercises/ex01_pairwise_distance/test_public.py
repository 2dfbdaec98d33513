"""Exercise 1: sample tests. The hidden tests check every rule of the README in the same way."""

import pytest
import torch

from grader.checks import check, check_raises, check_tensor


@pytest.mark.task(1)
def test_three_points_against_two(submission):
    """Three points and two points in the plane, with distances that you can work out on paper."""
    a = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]])
    b = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    expected = torch.tensor([[0.0, 1.0], [25.0, 20.0], [2.0, 1.0]])
    got = submission.pairwise_squared_distance(a, b)
    check_tensor(
        got, expected, hint="Take one entry, out[i, j], and work it out by hand from row i of a and row j of b."
    )


@pytest.mark.task(2)
def test_no_rows(submission):
    """A set without rows gives an empty result of the right shape."""
    got = submission.pairwise_squared_distance(torch.zeros(0, 3), torch.ones(4, 3))
    check_tensor(got, torch.zeros(0, 4), hint="Does a step of yours need a first row?")


@pytest.mark.task(2)
def test_rows_of_different_lengths(submission):
    """Rows of 3 and of 5 numbers have no distance."""
    a, b = torch.zeros(7, 3), torch.zeros(4, 5)
    hint = "Check the shapes before anything is calculated. Whoever reads the message wants to know both of them."
    check_raises(ValueError, submission.pairwise_squared_distance, a, b, mentions=("3", "5"), hint=hint)


@pytest.mark.task(3)
def test_far_from_the_origin(submission, rng):
    """Around 1000 the distances are as small as around 0, and each has to be right to a part in 1000."""
    a, b = 1000 + torch.randn(9, 8, generator=rng), 1000 + torch.randn(7, 8, generator=rng)
    expected = (a[:, None] - b).square().sum(dim=-1)  # right, but [9, 7, 8] numbers on the way
    got = submission.pairwise_squared_distance(a, b)
    hint = "How large are the numbers that you subtract, and how large is what remains? float32 keeps about 7 digits."
    check_tensor(got, expected, rtol=1e-3, atol=0.0, hint=hint)


@pytest.mark.task(3)
def test_a_set_against_itself(submission, rng):
    """Equal rows have the distance 0, or a tiny one, but never a negative one."""
    x = torch.randn(50, 6, generator=rng)
    expected = (x[:, None] - x).square().sum(dim=-1)
    got = submission.pairwise_squared_distance(x, x)
    check_tensor(
        got,
        expected,
        rtol=0.0,
        atol=1e-5 * float(expected.max()),
        hint="Equal rows: what is left when the terms cancel?",
    )
    smallest = float(got.min())
    hint = "The rounding errors of your terms have either sign. Which values can the true result not take?"
    check(smallest >= 0.0, expected="no entry below 0", got=f"a smallest entry of {smallest:.3g}", hint=hint)
