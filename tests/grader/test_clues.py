"""Clues fit the messages that Python and torch really give: the errors here are raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from grader.clues import CLUES, clue
from grader.remote import Raised, SubmissionError


class Unprepared(nn.Module):
    def __init__(self) -> None:
        self.sizes = (2, 3)


class Assigning(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(2, 3)


def used_twice() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x.square().sum()
    y.backward()
    y.backward()


def written_over() -> None:
    x = torch.ones(2, requires_grad=True)
    x += 1


def endless(n: int = 0) -> int:
    return endless(n + 1)


def half_bound(yes: bool) -> int:
    if yes:
        name = 1
    return name


def asked() -> None:
    raise EOFError("EOF when reading a line")  # as input() does at the end of a file


def generator() -> Iterator[int]:
    yield 1


@contextmanager
def never_yields() -> Iterator[None]:
    if nothing:
        yield


nothing: Any = None
ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: repr(Unprepared()), "nn.Module"),
    (lambda: Unprepared()(torch.ones(2)), "nn.Module"),
    (Assigning, "nn.Module"),
    (lambda: nothing.shape, "is None"),
    (lambda: nothing + 1, "is None"),
    (lambda: 1.0 * nothing, "is None"),
    (lambda: nn.Linear(2, 3)(nothing), "is None"),
    (lambda: torch.ones(5, 6).view(2, 3), "How many elements"),
    (lambda: torch.ones(4, 6).T.view(24), "memory"),
    (lambda: torch.ones(3, 4) - torch.ones(2, 4), "right ends"),
    (lambda: torch.cat([torch.ones(2, 3), torch.ones(2, 4)]), "right ends"),
    (lambda: torch.ones(2, 3) @ torch.ones(2, 3), "what comes in"),
    (lambda: nn.Conv2d(3, 4, 3)(torch.ones(1, 2, 5, 5)), "what comes in"),
    (lambda: torch.ones(2) + torch.ones(2, device="meta"), "device"),
    (lambda: torch.ones(2).sum().backward(), "no graph"),
    (used_twice, "let go"),
    (written_over, "autograd still needs"),
    (lambda: torch.ones(2, 3) @ torch.ones(3, 2, dtype=torch.float64), "dtype"),
    (lambda: nn.Linear(2, 3)(torch.ones(2, dtype=torch.float64)), "dtype"),
    (lambda: torch.ones(2, requires_grad=True).numpy(), "left torch"),
    (lambda: len(generator()), "no length"),  # type: ignore[arg-type]
    (lambda: never_yields().__enter__(), "yield"),
    (lambda: nn.Embedding(3, 2)(torch.ones(2)), "dtype"),
    (lambda: torch.empty(1 << 50), "bytes"),
    (asked, "keyboard"),
    (lambda: unheard_of, "given a value"),  # type: ignore[name-defined]  # noqa: F821
    (lambda: 1 / 0, "none of"),
    (lambda: torch.ones(0, 3)[0], "How many"),
    (lambda: [][0], "How many"),
    (endless, "calls itself"),
    (lambda: half_bound(False), "no value"),
    (lambda: half_bound(), "parameters"),  # type: ignore[call-arg]
]


@pytest.mark.parametrize(("function", "word"), ERRORS)
def test_an_error_gets_the_clue_that_fits(function: Callable[[], Any], word: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 which error it is, torch decides
        function()
    assert word in clue(str(caught.value)), caught.value


def test_every_clue_is_a_question_for_some_error() -> None:
    found = set()
    for function, _ in ERRORS:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            function()
        found.add(clue(str(caught.value)))
    assert found == {question for _, question in CLUES}
    assert all(question.endswith("?") for _, question in CLUES)


def test_an_error_of_ones_own_gets_no_clue() -> None:
    assert clue("these are no sizes: ((2, 3),)") == ""


def test_a_failure_comes_with_its_clue() -> None:
    error = SubmissionError(Raised("ZeroDivisionError", "ZeroDivisionError", "division by zero", None), "f()")
    assert error.failure.hint == clue("division by zero") != ""
    error = SubmissionError(
        Raised("NotImplementedError", "NotImplementedError", "task 1: division by zero", None), "f()"
    )
    assert error.failure.hint == ""
