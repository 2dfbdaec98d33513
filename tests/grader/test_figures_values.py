"""Values of a submission on their way into a picture: what is not as it should be is refused, with words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from grader.figures import values
from grader.figures.picture import Failure, attempt
from grader.result import Failed
from grader.wire import Foreign


class Pretender(float):
    """A float that is none."""


@pytest.mark.parametrize(
    ("check", "value", "told"),
    [
        (values.tensor, [1.0], "expected a tensor, got [1.0]"),
        (values.tensor, Foreign("Evil"), "Evil"),
        (values.tensor, torch.zeros(200_000), "at most 100,000 entries"),
        (values.tensor, torch.zeros([1] * 20), "at most 100,000 entries"),
        (values.tensor, torch.zeros(2, dtype=torch.complex64), "plain numbers"),
        (lambda value: values.tensor(value, (2, 3)), torch.zeros(3, 2), "expected shape [2, 3], got shape [3, 2]"),
        (values.number, True, "expected a number, got"),
        (values.number, Pretender(1.0), "expected a number, got"),
        (values.number, "1", "expected a number, got"),
        (values.numbers, "123", "expected a list, got"),
        (lambda value: values.numbers(value, 2), [1.0], "expected 2 entries, got 1 entries"),
        (values.items, [0] * 20_000, "at most 10,000 entries"),
        (lambda value: values.whole(value, 0, 9), 10, "from 0 to 9"),
        (lambda value: values.whole(value, 0, 9), True, "from 0 to 9"),
        (lambda value: values.entry(value, "loss"), {"lost": 1}, "a dict with 'loss'"),
        (values.text, 3, "expected a text, got 3"),
        (values.sizes, [-1], "a whole number"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(check: Callable[[Any], Any], value: Any, told: str):
    with pytest.raises(Failed):
        check(value)
    failure = attempt(lambda: check(value))
    assert isinstance(failure, Failure)
    assert told in str(failure)


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf, 1e300, 10**400])
def test_a_number_that_has_no_place_on_an_axis_is_nan(strange: float):
    assert math.isnan(values.number(strange))
    assert math.isnan(values.numbers([1, strange])[1])


def test_an_entry_that_has_no_place_on_an_axis_is_nan():
    came = torch.tensor([1.0, math.inf, math.nan, -1e38, 1e300], dtype=torch.float64)
    assert values.tensor(came).isnan().tolist() == [False, True, True, True, True]
    assert came[1] == math.inf  # a copy was changed


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16])
def test_tensors_of_all_plain_kinds_are_float64(dtype: torch.dtype):
    assert values.tensor(torch.ones(2, dtype=dtype)).tolist() == [1.0, 1.0]
    assert values.tensor(torch.ones(2, dtype=dtype)).dtype is torch.float64


def test_a_text_is_one_line_without_control_characters():
    assert values.text("a\x1b[31m\x00\nb", 60) == "a\N{REPLACEMENT CHARACTER} b"
    assert len(values.text("x" * 1000, 60)) <= 61
