"""Exercise 1, pairwise_squared_distance: the hidden tests.

Every expected value comes from the differences themselves, in float64: they lose nothing, near the origin or far away.
"""

import pytest
import torch
from torch import Tensor

from grader.checks import check, check_equal, check_raises, check_tensor

NEAR = 1e-5  # the rule: an entry may be off by this part of the largest one
FAR = 1e-3  # the rule far from the origin: an entry may be off by this part of itself


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """The expected [N, M], in the dtype of `a`."""
    return (a.double()[:, None] - b.double()).square().sum(dim=-1).to(a.dtype)


def check_near(got: object, expected: Tensor, hint: str = "", part: float = NEAR) -> None:
    """Every entry within a part of the largest one; a known confusion gets a hint of its own."""
    largest = float(expected.max()) if expected.numel() else 0.0
    check_tensor(got, expected, rtol=0.0, atol=part * largest, hint=confusion(got, expected) or hint)


def confusion(got: object, expected: Tensor) -> str:
    """The hint for an answer to another question, or nothing."""
    if type(got) is not Tensor or not got.dtype.is_floating_point or not expected.numel():
        return ""
    symmetric = expected.shape == expected.T.shape and torch.equal(expected, expected.T)
    if got.shape == expected.shape and torch.allclose(got.to(expected.dtype), expected.sqrt(), rtol=1e-3):
        return "These are the distances themselves. Read the name of the function once more."
    if (
        got.shape == expected.T.shape
        and not symmetric
        and torch.allclose(got.to(expected.dtype), expected.T, rtol=1e-3)
    ):
        return "Which of the two inputs do the rows of the result belong to, and which one its columns?"
    return ""


def beyond_rounding(got: object, expected: Tensor, hint: str) -> str:
    """The hint of a test about precision, unless the values are those of another formula altogether."""
    if type(got) is not Tensor or got.shape != expected.shape or not got.dtype.is_floating_point:
        return hint
    if float((got.double() - expected.double()).abs().max()) > 0.01 * float(expected.max()):
        return "This is off by far more than rounding. Work one entry out by hand, as in the tests of task 1."
    return hint


# Task 1: the values


@pytest.mark.task(1)
def test_an_example_by_hand(submission):
    """Three points and two points in the plane, with distances that you can work out on paper."""
    a = torch.tensor([[0.0, 0.0], [3.0, 4.0], [-1.0, 2.0]])
    b = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    expected = torch.tensor([[9.0, 1.0], [16.0, 18.0], [20.0, 2.0]])
    got = submission.pairwise_squared_distance(a, b)
    check_near(got, expected, hint="Take one entry, out[i, j], and work it out by hand from row i of a and row j of b.")


@pytest.mark.task(1)
def test_each_entry_belongs_to_one_row_of_a_and_one_row_of_b(submission, rng):
    """out[i, j] is the squared distance of row i of a and row j of b, for any numbers of rows and features."""
    for n, m, d in [(7, 4, 5), (5, 11, 3), (13, 6, 300)]:
        a, b = torch.randn(n, d, generator=rng), torch.randn(m, d, generator=rng)
        expected = squared_distances(a, b)
        got = submission.pairwise_squared_distance(a, b)
        hint = "Write down each term and its shape. Which axis is summed, which are left, and is the formula all there?"
        check_near(got, expected, hint=hint)


@pytest.mark.task(1)
def test_as_many_rows_in_a_as_in_b(submission, rng):
    """Where N = M the shape cannot tell rows from columns, so the values have to."""
    a, b = torch.randn(6, 4, generator=rng), 2 * torch.randn(6, 4, generator=rng)
    expected = squared_distances(a, b)
    got = submission.pairwise_squared_distance(a, b)
    hint = "With N = M a vector broadcasts along either axis without an error. Is out[0, 1] right, worked out by hand?"
    check_near(got, expected, hint=hint)


@pytest.mark.task(1)
def test_as_many_rows_as_features(submission, rng):
    """Where N = M = d every product of the two matrices has the right shape, so the values have to tell."""
    a, b = torch.randn(5, 5, generator=rng), torch.randn(5, 5, generator=rng)
    expected = squared_distances(a, b)
    got = submission.pairwise_squared_distance(a, b)
    hint = "Every axis has the same size here. Which one is that of the features, in each of your terms?"
    check_near(got, expected, hint=hint)


# Task 2: sizes, dtypes and errors

ONE = "What do your steps make of an axis of size 1: is it kept, dropped, or stretched where it should not be?"


@pytest.mark.task(2)
def test_one_row_keeps_its_axis(submission, rng):
    """The result is [N, M] also when N or M is 1: code that calls this function relies on two axes."""
    for n, m in [(1, 6), (6, 1), (1, 1)]:
        a, b = torch.randn(n, 3, generator=rng), torch.randn(m, 3, generator=rng)
        expected = squared_distances(a, b)
        got = submission.pairwise_squared_distance(a, b)
        check_near(got, expected, hint=ONE)


@pytest.mark.task(2)
def test_no_rows_give_an_empty_result(submission, rng):
    """A set without rows is a set too: the result is empty, and it still has the shape [N, M]."""
    for n, m in [(0, 4), (4, 0), (0, 0)]:
        a, b = torch.randn(n, 3, generator=rng), torch.randn(m, 3, generator=rng)
        got = submission.pairwise_squared_distance(a, b)
        check_near(
            got, torch.zeros(n, m), hint="Which step needs a first row, a largest entry, or a list that is not empty?"
        )


@pytest.mark.task(2)
def test_one_feature(submission, rng):
    """With d = 1 the squared distance of two rows is the square of one difference."""
    for n, m in [(4, 7), (5, 5), (1, 3)]:
        a, b = torch.randn(n, 1, generator=rng), torch.randn(m, 1, generator=rng)
        expected = squared_distances(a, b)
        got = submission.pairwise_squared_distance(a, b)
        check_near(got, expected, hint=ONE)


@pytest.mark.task(2)
def test_float64_is_kept_and_used(submission, rng):
    """float64 in, float64 out, and as accurate as float64 can be: 1e-12 of the largest entry."""
    a = torch.randn(9, 5, generator=rng, dtype=torch.float64)
    b = torch.randn(7, 5, generator=rng, dtype=torch.float64)
    expected = squared_distances(a, b)
    got = submission.pairwise_squared_distance(a, b)
    hint = "About 8 right digits are the mark of float32, fewer that of something added. What loses the others?"
    check_near(got, expected, hint=beyond_rounding(got, expected, hint), part=1e-12)


@pytest.mark.task(2)
def test_float32_is_kept(submission, rng):
    """float32 in, float32 out, in whichever precision you calculate in between."""
    a, b = torch.randn(5, 3, generator=rng), torch.randn(8, 3, generator=rng)
    expected = squared_distances(a, b)
    got = submission.pairwise_squared_distance(a, b)
    check_near(
        got, expected, hint="Work one entry out by hand. Is it the formula that is off, or the way back to float32?"
    )


@pytest.mark.task(2)
def test_different_numbers_of_features(submission, rng):
    """Rows of different lengths have no distance: a ValueError says which sizes came."""
    for d_a, d_b in [(37, 41), (43, 31)]:
        a, b = torch.randn(5, d_a, generator=rng), torch.randn(6, d_b, generator=rng)
        hint = "Check the shapes before anything is calculated. Whoever reads the message wants to know both of them."
        call = submission.pairwise_squared_distance
        check_raises(ValueError, call, a, b, mentions=(str(d_a), str(d_b)), hint=hint)


@pytest.mark.task(2)
def test_one_feature_is_not_broadcast(submission, rng):
    """One feature against 29 is a mistake too, although broadcasting would go along with it."""
    for d_a, d_b in [(1, 29), (29, 1)]:
        a, b = torch.randn(5, d_a, generator=rng), torch.randn(6, d_b, generator=rng)
        hint = "Broadcasting stretches an axis of size 1 silently. Who notices when the caller did not mean that?"
        check_raises(ValueError, submission.pairwise_squared_distance, a, b, mentions=(str(d_a), str(d_b)), hint=hint)


@pytest.mark.task(2)
def test_different_numbers_of_features_without_rows(submission):
    """A set without rows still has a number of features, and it has to be the same."""
    a, b = torch.zeros(0, 37), torch.zeros(6, 41)
    hint = "The shapes decide, and not the values: is the check reached when there are no rows?"
    check_raises(ValueError, submission.pairwise_squared_distance, a, b, mentions=("37", "41"), hint=hint)


@pytest.mark.task(2)
def test_inputs_that_are_not_matrices(submission, rng):
    """A vector or a batch of matrices is not a matrix: a ValueError names both shapes."""
    for shape_a, shape_b in [
        ((37,), (53, 37)),
        ((53, 37), (37,)),
        ((37,), (37,)),
        ((59, 53, 37), (59, 47, 37)),
        ((53, 37), (59, 47, 37)),
    ]:
        a, b = torch.randn(shape_a, generator=rng), torch.randn(shape_b, generator=rng)
        mentions = tuple(str(size) for size in (*shape_a, *shape_b))
        hint = "How many axes does each input have? The message is to hold the sizes of both inputs."
        check_raises(ValueError, submission.pairwise_squared_distance, a, b, mentions=mentions, hint=hint)


@pytest.mark.task(2)
def test_a_scalar_is_not_a_matrix(submission, rng):
    """A tensor without any axis has no rows: ValueError."""
    a, b = torch.tensor(1.0), torch.randn(53, 37, generator=rng)
    hint = "A scalar has no shape[1]. Which property of a tensor can be asked for whatever its shape?"
    check_raises(ValueError, submission.pairwise_squared_distance, a, b, mentions=("53", "37"), hint=hint)


# Task 3: accuracy


@pytest.mark.task(3)
def test_far_from_the_origin(submission, rng):
    """Around 1000 the distances are as small as around 0, and each has to be right to a part in 1000."""
    for d in [8, 33]:
        a, b = 1000 + torch.randn(41, d, generator=rng), 1000 + torch.randn(37, d, generator=rng)
        expected = squared_distances(a, b)
        got = submission.pairwise_squared_distance(a, b)
        hint = (
            "How large are the numbers that you subtract, and how large is what remains? float32 keeps about 7 digits."
        )
        check_tensor(got, expected, rtol=FAR, atol=0.0, hint=hint)


@pytest.mark.task(3)
def test_another_offset_in_every_coordinate(submission, rng):
    """Features have their own units: one lies around 1000, the next around -2500, another around 0."""
    d = 12
    offset = 1000.0 * torch.arange(d).sub(4)[torch.randperm(d, generator=rng)]  # -4000 to 7000
    a, b = offset + torch.randn(38, d, generator=rng), offset + torch.randn(43, d, generator=rng)
    expected = squared_distances(a, b)
    got = submission.pairwise_squared_distance(a, b)
    hint = "Far from the origin in every coordinate by another amount. Does one number describe where the data lie?"
    check_tensor(got, expected, rtol=FAR, atol=0.0, hint=hint)


@pytest.mark.task(3)
def test_one_row_far_from_the_origin(submission, rng):
    """One row against many, far from the origin: the same accuracy."""
    for n, m in [(1, 40), (40, 1)]:
        a, b = 1000 + torch.randn(n, 9, generator=rng), 1000 + torch.randn(m, 9, generator=rng)
        expected = squared_distances(a, b)
        got = submission.pairwise_squared_distance(a, b)
        hint = "How large are the numbers that you subtract, and how large is what remains?"
        check_tensor(got, expected, rtol=FAR, atol=0.0, hint=hint)


@pytest.mark.task(3)
def test_float64_far_from_the_origin(submission, rng):
    """float64 has digits to spare: around 1000 each entry is right to a part in a million."""
    a = 1000 + torch.randn(21, 8, generator=rng, dtype=torch.float64)
    b = 1000 + torch.randn(17, 8, generator=rng, dtype=torch.float64)
    expected = squared_distances(a, b)
    got = submission.pairwise_squared_distance(a, b)
    hint = beyond_rounding(
        got, expected, "float64 keeps about 16 digits. Which of your steps keeps fewer, or adds something?"
    )
    check_tensor(got, expected, rtol=1e-6, atol=0.0, hint=confusion(got, expected) or hint)


@pytest.mark.task(3)
def test_two_groups_far_from_each_other(submission, rng):
    """The sets a and b may lie in different places: around 1000 and around -1000."""
    a, b = 1000 + torch.randn(14, 8, generator=rng), torch.randn(19, 8, generator=rng) - 1000
    expected = squared_distances(a, b)
    got = submission.pairwise_squared_distance(a, b)
    check_near(
        got, expected, hint="What may be done to a and b without changing their distances? To both of them alike?"
    )


@pytest.mark.task(3)
def test_small_and_large_units(submission, rng):
    """Metres or kilometres: an entry is right to 1e-5 of the largest one in any unit."""
    for scale in [1e-3, 1e3]:
        a, b = scale * torch.randn(14, 8, generator=rng), scale * torch.randn(19, 8, generator=rng)
        expected = squared_distances(a, b)
        got = submission.pairwise_squared_distance(a, b)
        hint = "A constant that is small in one unit is large in another. Did you add one?"
        check_near(got, expected, hint=beyond_rounding(got, expected, hint))


@pytest.mark.task(3)
def test_equal_and_almost_equal_rows_are_never_negative(submission, rng):
    """A square is never negative, and rounding must not make it so, or the next sqrt gives NaN."""
    for offset in [0.0, 1000.0]:
        for dtype in [torch.float32, torch.float64]:
            a = offset + torch.randn(150, 24, generator=rng, dtype=dtype)
            b = torch.cat((a, a * (1 + 4 * torch.finfo(dtype).eps), a[:20] + 1))
            expected = squared_distances(a, b)
            got = submission.pairwise_squared_distance(a, b)
            hint = "How large are the terms here, and how many of their digits are left when they cancel?"
            check_near(got, expected, hint=hint)
            check_never_negative(got)


def itself(sub, x):
    """One tensor in both places."""
    return sub.pairwise_squared_distance(x, x)


@pytest.mark.task(3)
def test_a_set_against_itself(submission, rng):
    """The same tensor for a and for b: zeros (almost) on the diagonal, and nothing negative."""
    for offset in [0.0, 1000.0]:
        x = offset + torch.randn(120, 16, generator=rng)
        expected = squared_distances(x, x)
        got = submission.run(itself, x, call="pairwise_squared_distance(x, x)")
        hint = "a and b are one tensor here. Does a step that writes into a change b as well? Do large terms cancel?"
        check_near(got, expected, hint=hint)
        check_never_negative(got)


def check_never_negative(got: Tensor) -> None:
    """Fails with the smallest entry."""
    hint = "The rounding errors of your terms have either sign. Which values can the true result not take?"
    smallest = float(got.min())
    check(smallest >= 0.0, expected="no entry below 0", got=f"a smallest entry of {smallest:.3g}", hint=hint)


# Task 4: gradients, and what the caller keeps


def gradients(sub, a, b, weights, differentiate_a, differentiate_b):
    """The result and the gradients of its weighted sum, None for an input that the result is not connected with."""
    import torch

    a.requires_grad_(differentiate_a)
    b.requires_grad_(differentiate_b)
    out = sub.pairwise_squared_distance(a * 1, b * 1)  # what a layer computed, rather than a leaf
    if not isinstance(out, torch.Tensor) or not out.requires_grad or out.shape != weights.shape:
        return out, None, None
    (out * weights).sum().backward()
    return out, a.grad, b.grad


def check_gradients(submission, a: Tensor, b: Tensor, weights: Tensor, of: str = "ab") -> None:
    """Compare with d/da_i = 2 sum_j w_ij (a_i - b_j), and with d/db_j, its counterpart."""
    difference = 2 * weights[:, :, None] * (a[:, None] - b)  # [N, M, d]
    expected, expected_a, expected_b = squared_distances(a, b), difference.sum(dim=1), -difference.sum(dim=0)
    call = "(pairwise_squared_distance(a, b) * weights).sum().backward()"
    reply = submission.run(gradients, a, b, weights, "a" in of, "b" in of, call=call)
    out, grad_a, grad_b = reply if type(reply) is tuple and len(reply) == 3 else (reply, None, None)
    check_near(out, expected, hint="The values come first, then their gradients.")
    for name, wanted, grad in (("a", expected_a, grad_a), ("b", expected_b, grad_b)):
        hint = "Autograd differentiates what you calculate. Where is that not the formula: a bound, an average?"
        if grad is None:
            hint = f"No gradient arrives at {name}. Between it and the result, which step does autograd not see?"
        if name not in of or (grad is None and expected.numel() == 0):
            continue  # an empty result may be a new tensor: nothing depends on the input either way
        atol = 1e-9 * float(wanted.abs().max())
        check_tensor(grad, wanted, rtol=0.0, atol=atol, what=f"the gradient of {name}", hint=hint)


@pytest.mark.task(4)
def test_gradients_of_both_inputs(submission, rng):
    """The gradient of ||a_i - b_j||^2 is 2 (a_i - b_j) for a_i, and the opposite for b_j."""
    for n, m, d in [(6, 4, 3), (3, 7, 5), (1, 1, 2)]:
        a = torch.randn(n, d, generator=rng, dtype=torch.float64)
        b = torch.randn(m, d, generator=rng, dtype=torch.float64)
        check_gradients(submission, a, b, torch.randn(n, m, generator=rng, dtype=torch.float64))


@pytest.mark.task(4)
def test_gradients_of_one_input(submission, rng):
    """Often one of the sets is fixed, such as the centres of clusters: the other one still gets its gradient."""
    for of in ["a", "b"]:
        a = torch.randn(5, 4, generator=rng, dtype=torch.float64)
        b = torch.randn(6, 4, generator=rng, dtype=torch.float64)
        check_gradients(submission, a, b, torch.randn(5, 6, generator=rng, dtype=torch.float64), of)


@pytest.mark.task(4)
def test_the_gradient_against_a_set_without_rows_is_zero(submission, rng):
    """No distances, so nothing depends on the rows that are there: their gradient is 0, and not NaN."""
    for n, m, of in [(3, 0, "a"), (0, 3, "b")]:
        a = torch.randn(n, 4, generator=rng, dtype=torch.float64)
        b = torch.randn(m, 4, generator=rng, dtype=torch.float64)
        check_gradients(submission, a, b, torch.zeros(n, m, dtype=torch.float64), of)


def inputs_afterwards(sub, a, b):
    """The bits of the inputs after the call."""
    import torch

    sub.pairwise_squared_distance(a, b)
    return a.view(torch.int32), b.view(torch.int32)


def changed(name: str, after: object, before: Tensor) -> str:
    """The first number that is another one, as a float: its bits alone say little."""
    if type(after) is not Tensor or after.dtype != before.dtype or after.shape != before.shape:
        return ""
    row, column = (after != before).nonzero()[0].tolist() if not torch.equal(after, before) else (0, 0)
    old, new = (bits.view(torch.float32)[row, column].item() for bits in (before, after))
    return f"{name}[{row}, {column}] was {old:.9g} and is {new:.9g} now. "


@pytest.mark.task(4)
def test_the_inputs_are_unchanged(submission, rng):
    """The caller's tensors are the same afterwards, bit for bit."""
    a = 10 * torch.randn(9, 6, generator=rng)
    b = 3 + torch.randn(7, 6, generator=rng)
    bits_a, bits_b = a.clone().view(torch.int32), b.clone().view(torch.int32)
    reply = submission.run(inputs_afterwards, a, b, call="pairwise_squared_distance(a, b), then a look at a and b")
    after_a, after_b = reply if type(reply) is tuple and len(reply) == 2 else (reply, reply)
    hint = (
        "Which of your steps write into a tensor that exists already? Undoing them does not bring the last bits back."
    )
    for name, after, bits in (("a", after_a, bits_a), ("b", after_b, bits_b)):
        what = f"{name} afterwards, its bits read as integers"
        check_tensor(after, bits, rtol=0.0, atol=0.0, what=what, hint=changed(name, after, bits) + hint)


# Task 5: the cost


def count_calls(sub, sizes):
    """The number of torch calls for each pair of numbers of rows."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Counter(TorchFunctionMode):
        calls = 0

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.calls += 1
            return func(*args, **(kwargs or {}))

    sub.pairwise_squared_distance(torch.zeros(2, 3), torch.ones(4, 3))  # whatever is set up once
    counts = []
    for n, m in sizes:
        a, b = torch.zeros(n, 3), torch.ones(m, 3)
        with Counter() as counter:
            sub.pairwise_squared_distance(a, b)
        counts.append(counter.calls)
    return counts


@pytest.mark.task(5)
def test_more_rows_do_not_mean_more_calls(submission):
    """Whether there are 40 rows or 2500, the same number of torch calls does the work."""
    for what, more in [("a", (2500, 50)), ("b", (40, 2500))]:
        call = f"pairwise_squared_distance(a, b) with more and more rows in {what}"
        counts = submission.run(count_calls, [(40, 50), more], call=call)
        check(type(counts) is list and len(counts) == 2, expected="two counts of calls", got=repr(counts)[:80])
        few, many = counts
        hint = "Which loop, comprehension or list runs over rows? One operation on a whole matrix can take its place."
        due = f"as many torch calls with {more['ab'.index(what)]} rows in {what} as with {(40, 50)['ab'.index(what)]}"
        check_equal(many, few, what=due, hint=hint)


def on_the_cpu(sub, a, b):
    """The call on the CPU, where memory shows from outside, with pages of its own for every large block.

    Otherwise gaps in the heap would count: a right answer with 5 matrices at a time kept 9 of them resident.
    """
    import contextlib
    import ctypes

    with contextlib.suppress(AttributeError, OSError, TypeError):  # only where the C library is glibc
        ctypes.CDLL(None).mallopt(-3, 1 << 20)  # M_MMAP_THRESHOLD, in bytes
    return sub.pairwise_squared_distance(a.cpu(), b.cpu()).to(a.device)


LARGE = "The values come before the memory. Are they right for a few rows, in the tests of task 1?"


@pytest.mark.task(5)
def test_memory_for_many_rows(submission, rng):
    """1500 by 2900 rows of 64 features: room for 8 matrices [N, M], and far too little for one block [N, M, d]."""
    n, m, d = 1500, 2900, 64  # [N, M, d] takes 1.1 GB
    a, b = torch.randn(n, d, generator=rng), torch.randn(m, d, generator=rng)
    wide_a, wide_b = a.double(), b.double()  # near the origin the formula is right to 13 digits in float64
    expected = torch.addmm(wide_b.square().sum(dim=1), wide_a, wide_b.T, alpha=-2)
    expected = (expected + wide_a.square().sum(dim=1, keepdim=True)).float()
    budget = 8 * n * m * a.element_size()
    call = f"pairwise_squared_distance(a, b) with a of shape ({n}, {d}) and b of shape ({m}, {d})"
    submission.run(on_the_cpu, a[:20], b[:30], call="pairwise_squared_distance(a[:20], b[:30])")  # libraries load once
    with submission.measured() as usage:
        got = submission.run(on_the_cpu, a, b, call=call, timeout=40)  # memory is the question here
    check_tensor(got, expected, rtol=0.0, atol=NEAR * float(expected.max()), hint=LARGE)
    check(
        usage.extra_memory_bytes < budget,
        expected=f"at most {budget / 1e6:.0f} MB beyond the inputs, which is 8 * N * M * 4 bytes",
        got=f"{usage.extra_memory_bytes / 1e6:.0f} MB",
        hint="Which of your tensors has three axes, and how many numbers does it hold? Is it needed as a whole?",
    )
