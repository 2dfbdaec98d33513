"""A picture with its words, and what stands in the place of a value that a submission did not give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from grader.errors import WorkerFault
from grader.result import Failed, Verdict
from grader.text import clean_line

T = TypeVar("T")
MAX_REASON = 160


@dataclass(frozen=True)
class Picture:
    """A figure of a report. All but `svg` is plain text, to be escaped where it becomes markup."""

    title: str
    svg: str  # one <svg> element, as `grader.figures.svg` makes it
    caption: str  # two or three sentences: how to read it, and what is seen in this very result
    description: str  # the same for whoever can't see it, in words and numbers


@dataclass(frozen=True)
class Failure:
    """Why there is no value to draw; `str` of it is a sentence for the caption."""

    reason: str
    untouched: bool = False  # the student has not written this part yet

    def __str__(self) -> str:
        return f"{self.reason[:1].upper()}{self.reason[1:]}."


def attempt(function: Callable[[], T]) -> T | Failure:
    """What `function` returns, or why the submission gave nothing. Calls and checks of values belong inside it."""
    try:
        return function()
    except Failed as failed:
        return _failure(failed)
    except WorkerFault as fault:  # the worker's word alone, and for a picture it makes no difference whose fault it was
        return Failure(f"no value came: {clean_line(str(fault), MAX_REASON)}")


def _failure(failed: Failed) -> Failure:
    got = clean_line(failed.failure.got, MAX_REASON).rstrip(".")
    if failed.verdict is Verdict.NOT_ATTEMPTED:
        part = got.removeprefix("NotImplementedError").removeprefix(": ")
        return Failure(f"nothing is written yet for {part}" if part else "nothing is written yet", untouched=True)
    expected = clean_line(failed.failure.expected, MAX_REASON)
    return Failure(f"no value to draw: expected {expected}, got {got or 'nothing'}")
