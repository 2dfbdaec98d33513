"""Checks: the first miss in a fixed order, told with both sides; look-alikes are not what they look like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
import torch

from grader.checks import (
    TOLERANCES,
    check,
    check_close,
    check_equal,
    check_raises,
    check_tensor,
    grading_device,
    show,
)
from grader.remote import Raised, SubmissionError
from grader.result import Failed, Failure, Verdict
from grader.wire import Foreign

NAN, INF = math.nan, math.inf
ARRAY = Foreign("numpy.ndarray", "shape [3], float64")


def failure(function: Callable[..., None], *args: Any, **settings: Any) -> Failure:
    """What `function` says of a wrong answer."""
    with pytest.raises(Failed) as raised:
        function(*args, **settings)
    assert raised.value.verdict is Verdict.WRONG_ANSWER
    return raised.value.failure


def told(function: Callable[..., None], *args: Any, **settings: Any) -> tuple[str, str]:
    found = failure(function, *args, **settings)
    return found.expected, found.got


def on(tensor: torch.Tensor, where: str) -> torch.Tensor:
    tensor.worker_device = where  # type: ignore[attr-defined]
    return tensor


@pytest.fixture
def cuda() -> Iterator[None]:
    token = grading_device.set("cuda")
    yield
    grading_device.reset(token)


# --- check


def test_a_condition_that_holds_passes() -> None:
    check(True, expected="a", got="b")


def test_a_condition_that_fails_tells_both_sides_and_the_hint() -> None:
    assert failure(check, False, expected="no print", got="'x'", hint="Look.") == Failure(
        "no print", "'x'", hint="Look."
    )


# --- check_tensor


def test_an_equal_tensor_passes() -> None:
    check_tensor(torch.tensor([[1.5, -0.0]]), torch.tensor([[1.5, 0.0]]))


@pytest.mark.parametrize(
    ("got", "text"),
    [
        (None, "None"),
        (3.0, "3.0 (float)"),
        ([1.0, 2.0], "[1.0, 2.0]"),
        (ARRAY, "an object of type numpy.ndarray (shape [3], float64)"),
        ("tensor", "'tensor'"),
    ],
)
def test_first_comes_the_type(got: object, text: str) -> None:
    assert told(check_tensor, got, torch.zeros(3)) == ("a torch.Tensor of shape [3]", text)


def test_a_subclass_is_not_a_tensor() -> None:
    assert failure(check_tensor, torch.nn.Parameter(torch.zeros(1)), torch.zeros(1)).expected.startswith(
        "a torch.Tensor"
    )


def test_each_property_is_told_before_the_next_one() -> None:
    """A tensor with every fault is mended step by step, and each time the next fault is told."""
    expected = torch.tensor([[1.0, 2.0, 3.0]])
    steps = [
        (on(torch.tensor([NAN, 0.0], dtype=torch.float64), "cuda:0"), "shape [1, 3]", "shape [2]"),
        (on(torch.tensor([[NAN, 0.0, 3.0]], dtype=torch.float64), "cuda:0"), "dtype float32", "dtype float64"),
        (on(torch.tensor([[NAN, 0.0, 3.0]]), "cuda:0"), "a tensor on cpu", "a tensor on cuda"),
        (on(torch.tensor([[NAN, 0.0, 3.0]]), "cpu"), "finite values", "nan at [0, 0] (1 of 3)"),
        (on(torch.tensor([[1.0, 0.0, 3.0]]), "cpu"), "2 at [0, 1]", "0, off by 2, 1 of 3 entries are off"),
    ]
    for got, wanted, came in steps:
        assert told(check_tensor, got, expected) == (wanted, came)
    check_tensor(on(torch.tensor([[1.0, 2.0, 3.0]]), "cpu"), expected)


@pytest.mark.usefixtures("cuda")
def test_on_a_gpu_a_result_left_on_the_cpu_is_told() -> None:
    check_tensor(on(torch.ones(2), "cuda:0"), torch.ones(2))
    assert told(check_tensor, on(torch.ones(2), "cpu"), torch.ones(2)) == ("a tensor on cuda", "a tensor on cpu")


def test_the_worst_entry_is_told_not_the_first() -> None:
    got = torch.tensor([[1.0, 2.5], [30.0, 4.0]])
    expected = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert told(check_tensor, got, expected) == ("3 at [1, 0]", "30, off by 27, 2 of 4 entries are off")


def test_worst_is_measured_beyond_the_tolerance() -> None:
    got, expected = torch.tensor([1001.0, 1.5]), torch.tensor([1000.0, 1.0])
    assert failure(check_tensor, got, expected, rtol=0.125, atol=0).expected == "1 at [1]"


def test_a_single_number_is_told_without_an_index() -> None:
    assert told(check_tensor, torch.tensor(2.0), torch.tensor(3.0)) == ("3", "2, off by 1")
    assert told(check_tensor, torch.tensor(2), torch.tensor(3)) == ("3", "2")
    assert told(check_tensor, torch.tensor(INF), torch.tensor(3.0)) == ("finite values", "inf (1 of 1)")


def test_the_label_and_the_hint_are_told() -> None:
    found = failure(check_tensor, torch.zeros(2), torch.ones(2), what="the gradient of a", hint="Sum over what?")
    assert found.expected == "the gradient of a: 1 at [0]"
    assert found.hint == "Sum over what?"


def test_nan_is_right_only_where_nan_is_due() -> None:
    check_tensor(torch.tensor([NAN, 1.0]), torch.tensor([NAN, 1.0]))
    assert told(check_tensor, torch.tensor([0.0, 1.0]), torch.tensor([NAN, 1.0])) == (
        "nan at [0]",
        "0, 1 of 2 entries are off",
    )
    assert failure(check_tensor, torch.tensor([NAN]), torch.tensor([1.0])).expected == "finite values"


def test_an_infinity_is_right_only_with_its_sign() -> None:
    check_tensor(torch.tensor([INF, -INF]), torch.tensor([INF, -INF]))
    for got in (-INF, NAN, 1e38):
        assert failure(check_tensor, torch.tensor([got]), torch.tensor([INF])).expected == "inf at [0]"


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool], ids=str)
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2, 0)])
def test_empty_tensors_are_compared_by_what_they_have(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    check_tensor(torch.empty(shape, dtype=dtype), torch.empty(shape, dtype=dtype))
    assert (
        failure(check_tensor, torch.empty((0, 7), dtype=dtype), torch.empty(shape, dtype=dtype)).got == "shape [0, 7]"
    )


def test_integers_are_compared_exactly() -> None:
    big = 2**53
    check_tensor(torch.tensor([big]), torch.tensor([big]))
    assert told(check_tensor, torch.tensor([1, big + 1]), torch.tensor([1, big])) == (f"{big} at [1]", f"{big + 1}")


def test_truth_values_are_compared_exactly() -> None:
    got, expected = torch.tensor([True, True]), torch.tensor([True, False])
    assert told(check_tensor, got, expected) == ("False at [1]", "True")
    assert told(check_tensor, torch.tensor([1]), torch.tensor([True])) == ("dtype bool", "dtype int64")


@pytest.mark.parametrize("sign", [1, -1])
def test_the_tolerance_is_absolute_plus_relative_and_its_edge_is_inside(sign: int) -> None:
    expected = torch.tensor([2.0 * sign], dtype=torch.float64)
    edge = 0.25 + 0.5 * 2  # exact in binary
    for inside in (edge, -edge):
        check_tensor(expected + inside, expected, rtol=0.5, atol=0.25)
    for outside in (edge + 2**-40, -edge - 2**-40):
        failure(check_tensor, expected + outside, expected, rtol=0.5, atol=0.25)


def test_without_tolerance_a_last_bit_counts() -> None:
    one = torch.tensor([1.0])
    failure(check_tensor, torch.nextafter(one, torch.tensor([2.0])), one, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_the_default_tolerance_is_that_of_torch_testing(dtype: torch.dtype) -> None:
    relative, absolute = TOLERANCES[dtype]
    expected = torch.tensor([100.0], dtype=dtype)
    for factor, fits in ((0.5, True), (4.0, False)):
        step = 100 * relative + absolute
        got = (expected.double() + factor * max(step, 100 * torch.finfo(dtype).eps)).to(dtype)
        try:
            torch.testing.assert_close(got, expected)
            passes = True
        except AssertionError:
            passes = False
        assert passes is fits
        if fits:
            check_tensor(got, expected)
        else:
            failure(check_tensor, got, expected)


def test_gradients_are_left_alone() -> None:
    expected = torch.ones(2, requires_grad=True)
    check_tensor(torch.ones(2, requires_grad=True) * 1, expected)
    assert expected.grad is None


# --- check_equal


@pytest.mark.parametrize(
    "value",
    [
        1,
        -0.5,
        "a",
        True,
        None,
        [],
        (),
        {},
        [1, (2.0, "x")],
        {"a": [1], 2: None},
        torch.Size([2, 3]),
        b"x",
        torch.float32,
    ],
    ids=repr,
)
def test_equal_values_pass(value: object) -> None:
    check_equal(value, value)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (True, 1),
        (1, True),
        (1, 1.0),
        (1.0, 1),
        ("1", 1),
        (None, 0),
        ((1, 2), [1, 2]),
        ([True], [1]),
        ({"a": 1}, {"a": True}),
        ({True: 1}, {1: 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"x" * 300 + "a": 1}, {"x" * 300 + "b": 1}),
        ([1, 2, 3], [1, 2]),
        (torch.Size([2]), (2,)),
        ((2,), torch.Size([2])),
        (NAN, 1.0),
        (ARRAY, 3),
        (Foreign("str"), "a"),
    ],
    ids=repr,
)
def test_values_that_differ_or_only_look_alike_fail(got: object, expected: object) -> None:
    failure(check_equal, got, expected)


def test_the_order_of_keys_is_free() -> None:
    check_equal({"a": 1, "b": [2]}, {"b": [2], "a": 1})


def test_both_sides_are_told_with_their_types() -> None:
    assert told(check_equal, True, 1, what="the count") == ("the count: 1 (int)", "True (bool)")
    assert told(check_equal, "1", None) == ("None", "'1'")
    assert told(check_equal, (2,), torch.Size([2])) == ("torch.Size([2])", "(2,)")


# --- check_close


def test_a_float_within_the_tolerance_passes() -> None:
    check_close(1.0 + 1e-7, 1.0)
    check_close(0.25, 0.0, abs=0.25)
    check_close(1.5, 1.0, rel=0.5)


@pytest.mark.parametrize(
    ("got", "text"),
    [
        (1, "1 (int)"),
        (True, "True (bool)"),
        (None, "None"),
        ("1.0", "'1.0'"),
        (ARRAY, "an object of type numpy.ndarray (shape [3], float64)"),
    ],
)
def test_only_a_python_float_is_close(got: object, text: str) -> None:
    assert told(check_close, got, 1.0, what="the loss") == ("the loss: a Python float near 1", text)


def test_a_tensor_is_not_a_float_and_the_student_sees_its_value() -> None:
    assert failure(check_close, torch.tensor(1.0), 1.0).got == "a tensor of shape [], float32: 1.0"


@pytest.mark.parametrize("got", [NAN, INF, -INF])
def test_a_float_is_finite(got: float) -> None:
    assert told(check_close, got, 1.0) == ("1", str(got))


def test_a_float_that_is_off_says_by_how_much() -> None:
    assert told(check_close, 1.5, 1.0) == ("1", "1.5, off by 0.5")
    failure(check_close, 0.2500001, 0.0, abs=0.25)


# --- check_raises


def raises(kind: str, message: str = "", name: str = "") -> Callable[[], NoReturn]:
    """A call whose worker answers with an exception."""

    def call() -> NoReturn:
        raise SubmissionError(Raised(kind, name or kind, message, None), "f()")

    return call


def test_the_right_exception_passes() -> None:
    check_raises(ValueError, raises("ValueError"))
    check_raises(ValueError, raises("ValueError", "3 is not 4"), mentions=("3", "4"))


def test_a_missing_exception_is_told_with_what_came_instead() -> None:
    assert told(check_raises, ValueError, lambda: torch.zeros(2, 5)) == (
        "ValueError",
        "no exception, but a tensor of shape [2, 5], float32",
    )


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("TypeError", "", "TypeError: 3"),
        ("UnicodeDecodeError", "", "UnicodeDecodeError: 3"),  # a subclass of ValueError
        ("Exception", "", "Exception: 3"),
        ("other", "ShapeError", "ShapeError: 3"),
        ("other", "ValueError", "your own class ValueError: 3"),  # a look-alike
        ("SystemExit", "", "SystemExit: 3"),
    ],
)
def test_another_exception_fails(kind: str, name: str, text: str) -> None:
    assert told(check_raises, ValueError, raises(kind, "3", name), mentions=("3",)) == (
        "ValueError whose message holds 3",
        text,
    )


def test_a_message_that_lacks_a_part_fails_and_both_are_told() -> None:
    assert told(check_raises, ValueError, raises("ValueError", "got 3"), mentions=("3", "5"), hint="Name both.") == (
        "ValueError whose message holds 3 and 5",
        "ValueError: got 3",
    )


def test_a_stub_is_not_attempted_whatever_is_due() -> None:
    for due in (ValueError, RuntimeError):  # NotImplementedError is a RuntimeError
        with pytest.raises(SubmissionError) as raised:
            check_raises(due, raises("NotImplementedError", "task 2: errors"), mentions=("2",))
        assert raised.value.verdict is Verdict.NOT_ATTEMPTED


def test_what_the_worker_could_not_answer_is_not_taken_for_an_exception() -> None:
    def time_out() -> NoReturn:
        raise Failed(Verdict.TIME_LIMIT, Failure("an answer in time", "none"))

    with pytest.raises(Failed) as raised:
        check_raises(ValueError, time_out)
    assert raised.value.verdict is Verdict.TIME_LIMIT


def test_in_process_the_exception_itself_is_checked() -> None:
    check_raises(ValueError, int, "x", mentions=("'x'",))
    assert failure(check_raises, ValueError, b"\xff".decode).got.startswith("UnicodeDecodeError: ")


def test_arguments_are_handed_on() -> None:
    check_raises(ValueError, int, "9", base=5, mentions=("base 5",))


# --- show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor([1, 2]), "a tensor of shape [2], int64: [1, 2]"),
        (torch.zeros(7), "a tensor of shape [7], float32"),
        (torch.zeros(2, 0), "a tensor of shape [2, 0], float32"),
        (
            [torch.zeros(9), ARRAY],
            "[a tensor of shape [9], float32, an object of type numpy.ndarray (shape [3], float64)]",
        ),
        ((torch.ones(1),), "(a tensor of shape [1], float32: [1.0],)"),
        ({"a": Foreign("set")}, "{'a': an object of type set}"),
        ((), "()"),
        (0.1, "0.1 (float)"),
        (torch.float32, "torch.float32 (dtype)"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_is_shown_in_words(value: object, text: str) -> None:
    assert show(value) == text


@pytest.mark.parametrize(
    "value",
    [
        torch.empty(10**9, 0),
        torch.ones([1] * 64),
        torch.ones(1).reshape([1] * 2000),
        [torch.zeros(1000)] * 5000,
        "x" * 10**6,
        [[0] * 1000] * 100,
        2**4000,
    ],
    ids=["all shape", "deep", "too deep", "many", "long", "wide", "big"],
)
def test_a_hostile_value_is_shown_shortly(value: object) -> None:
    assert len(show(value)) <= 220


def test_what_is_shown_has_as_many_digits_as_help() -> None:
    assert told(check_equal, [1 / 3, 2.0], [0.25, 2.0]) == ("[0.25, 2.0]", "[0.3333333, 2.0]")
    assert told(check_tensor, 1 / 3, torch.ones(2))[1] == "0.3333333 (float)"
    near = math.nextafter(1 / 3, 1)
    assert told(check_equal, near, 1 / 3) == (repr(1 / 3), repr(near))


def test_a_cause_of_its_own_gets_a_question_of_its_own() -> None:
    one = torch.ones(2)
    hints = [
        failure(check_tensor, None, one, hint="h").hint,
        failure(check_tensor, on(one.double(), "cpu"), one, hint="h").hint,
        failure(check_close, torch.tensor(1.0), 1.0, hint="h").hint,
        failure(check_close, None, 1.0, hint="h").hint,
    ]
    assert [hint.endswith("?") and hint != "h" for hint in hints] == [True] * 4
    assert failure(check_tensor, None, one, what="the gradient of a", hint="h").hint == "h"
    assert failure(check_tensor, on(one + 1, "cpu"), one, hint="h").hint == "h"
