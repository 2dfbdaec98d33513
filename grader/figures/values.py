"""Values of a submission, checked before they are drawn: exact type, size, range. Each check raises `Failed`.

What is drawn is small: a picture shows some hundreds of numbers. Everything larger is refused before it is looked at.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import torch

from grader.checks import show
from grader.result import Failed, Failure, Verdict
from grader.text import clean_line

MAX_ENTRIES = 100_000
MAX_DIMS = 8
LARGEST = 1e30  # beyond it, and for NaN, a number has no place on an axis


def tensor(value: Any, shape: tuple[int, ...] | None = None, *, most: int = MAX_ENTRIES) -> torch.Tensor:
    """A copy of a tensor in float64, on the CPU, without a graph. What has no place on an axis is NaN in it."""
    if type(value) is not torch.Tensor:
        _refuse("a tensor", show(value))
    if value.dim() > MAX_DIMS or value.numel() > most:
        _refuse(f"a tensor of at most {most:,} entries", f"shape {shape_text(value.shape)}")
    if shape is not None and tuple(value.shape) != shape:
        _refuse(f"shape {shape_text(shape)}", f"shape {shape_text(value.shape)}")
    if value.is_complex() or value.is_quantized or value.layout is not torch.strided:
        _refuse("a tensor of plain numbers", str(value.dtype))
    wide = value.detach().to("cpu", torch.float64, copy=True)
    wide[~(wide.abs() <= LARGEST)] = math.nan
    return wide


def number(value: Any) -> float:
    """A Python number as a float; NaN where it has no place on an axis."""
    if type(value) not in (int, float):
        _refuse("a number", show(value))
    try:
        wide = float(value)
    except OverflowError:
        return math.nan
    return wide if abs(wide) <= LARGEST else math.nan


def whole(value: Any, least: int, most: int) -> int:
    """An int from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        _refuse(f"a whole number from {least} to {most}", show(value))
    return value


def numbers(value: Any, count: int | None = None, *, most: int = 10_000) -> list[float]:
    """A list or a tuple of numbers, of `count` entries where that is known."""
    entries = items(value, count, most=most)
    return [number(each) for each in entries]


def items(value: Any, count: int | None = None, *, most: int = 10_000) -> list[Any]:
    """A list or a tuple as a list; its entries are still unchecked."""
    if type(value) not in (list, tuple):
        _refuse("a list", show(value))
    if len(value) > most or (count is not None and len(value) != count):
        _refuse(f"{count if count is not None else f'at most {most:,}'} entries", f"{len(value):,} entries")
    return list(value)


def entry(value: Any, key: str) -> Any:
    """The entry `key` of a dict; it is still unchecked."""
    if type(value) is not dict:
        _refuse("a dict", show(value))
    if key not in value:
        _refuse(f"a dict with '{key}'", "a dict without it")
    return value[key]


def text(value: Any, length: int = 60) -> str:
    """A text in one line, without control characters. It stays text wherever it is drawn or escaped."""
    if type(value) is not str:
        _refuse("a text", show(value))
    return clean_line(value, length)


def sizes(value: Any) -> tuple[int, ...]:
    """The shape of a tensor that was sent as a list of sizes."""
    return tuple(whole(each, 0, 1 << 40) for each in items(value, most=MAX_DIMS))


def shape_text(shape: tuple[int, ...] | torch.Size) -> str:
    """A shape as a reader knows it, such as [3, 4]. One of very many sizes is cut."""
    more = ", …" if len(shape) > MAX_DIMS else ""
    return f"[{', '.join(map(str, shape[:MAX_DIMS]))}{more}]"


def _refuse(expected: str, got: str) -> NoReturn:
    raise Failed(Verdict.WRONG_ANSWER, Failure(expected, clean_line(got, 120)))
