"""Exercise 2: sample tests. The hidden tests check every rule of the README in the same way."""

import pytest
import torch

from grader.checks import check_equal, check_raises, check_tensor


# A driver: it gets the student's module first, and runs where that module is.
def forward(sub, args, x):
    """What the layer makes of a batch."""
    return sub.Reshape(*args)(x)


def show(sub, args):
    """The layer, printed."""
    return repr(sub.Reshape(*args))


@pytest.mark.task(1)
def test_five_samples(submission):
    """Five samples of six numbers become five matrices of two by three."""
    x = torch.arange(30.0).reshape(5, 6)
    got = submission.run(forward, [2, 3], x, call="Reshape(2, 3)(x) with x of shape (5, 6)")
    check_tensor(
        got, x.reshape(5, 2, 3), hint="Which of the sizes in the result does the layer not know when it is made?"
    )


@pytest.mark.task(1)
def test_sizes_in_a_tuple(submission):
    """The sizes may come in one tuple."""
    x = torch.arange(30.0).reshape(5, 6)
    got = submission.run(forward, [(2, 3)], x, call="Reshape((2, 3))(x) with x of shape (5, 6)")
    check_tensor(got, x.reshape(5, 2, 3), hint="What does *shape hold when one argument comes that is a tuple itself?")


@pytest.mark.task(2)
def test_one_size_is_worked_out(submission):
    """A size of -1 is what remains of a sample."""
    x = torch.arange(24.0).reshape(2, 3, 4)
    got = submission.run(forward, [2, -1], x, call="Reshape(2, -1)(x) with x of shape (2, 3, 4)")
    check_tensor(
        got, x.reshape(2, 2, 6), hint="How many elements has ONE sample, and how many does the other size take?"
    )


@pytest.mark.task(3)
def test_samples_are_never_merged(submission):
    """Four samples of 3 would fill two of 6, but a batch of 4 stays a batch of 4."""
    x = torch.zeros(4, 3)
    call = "Reshape(6)(x) with x of shape (4, 3)"
    hint = "All 12 elements would fit, those of one sample do not. Which counts? The message is to name both shapes."
    check_raises(ValueError, submission.run, forward, [6], x, call=call, mentions=("3", "6"), hint=hint)


@pytest.mark.task(4)
def test_the_layer_printed(submission):
    """repr shows the call that makes the layer."""
    got = submission.run(show, [2, -1], call="repr(Reshape(2, -1))")
    hint = "nn.Module writes the name and the brackets. What stands between them, and is it what was given?"
    check_equal(got, "Reshape(2, -1)", hint=hint)


@pytest.mark.task(5)
def test_zero_is_no_size(submission):
    """A size of 0 is refused when the layer is made."""
    hint = "When is it known that 0 is no size: when the layer is made, or when the first batch comes?"
    check_raises(ValueError, submission.run, show, [2, 0], call="Reshape(2, 0)", hint=hint)
