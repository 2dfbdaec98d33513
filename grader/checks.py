"""What a suite says of a value. Each check raises `Failed` with what was expected, what came, and a hint.

A tensor is checked in a fixed order, and the first miss is told with both sides:
type → shape → dtype → device → finite → values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from itertools import islice
from typing import Any, NoReturn

import torch

from grader import margins
from grader.remote import SubmissionError
from grader.result import Failed, Failure, Verdict
from grader.wire import Foreign

# Where results are to lie; the plugin sets it for a run.
grading_device: ContextVar[str] = ContextVar("grading_device", default="cpu")

# torch.testing's own defaults: (relative, absolute).
TOLERANCES = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
}
# What to think about where the miss has a cause of its own, whatever a test is about.
NOTHING = "None is what a function gives that ends without a return. Does every way through yours reach one?"
ONE_ELEMENT = (
    "A tensor is no Python number, even with one element. What do its users do with it: add, print, keep a graph?"
)
OTHER_DTYPE = "What decides the dtype here: the inputs, a conversion, a constant, or a new tensor without a dtype?"
OTHER_DEVICE = "A tensor made anew lies on the CPU unless it is told where. Where do the inputs lie?"
MAX_SHOWN = 200
PIECE = 1 << 15  # entries that are compared at a time: 256 kB in float64
DIGITS = 10  # characters of a float that is written out; a longer one is rounded
MAX_ITEMS = 50  # of a list, a tuple or a dict; more do not fit, and a frame may hold 100,000
__tracebackhide__ = True  # in plain pytest a student's traceback ends at the check, not inside it


def check(condition: bool, *, expected: str, got: str, hint: str = "") -> None:
    """Fails unless `condition`, which the judge worked out."""
    if not condition:
        _wrong(expected, got, hint)


def check_tensor(
    got: Any,
    expected: torch.Tensor,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    what: str = "",
    hint: str = "",
) -> None:
    """Fails unless `got` is a tensor like `expected`, to within `atol + rtol · |expected|` in each entry."""
    label = f"{what}: " if what else ""
    if type(got) is not torch.Tensor:
        hint = NOTHING if got is None and "gradient" not in what else hint  # a gradient that never came is None too
        _wrong(f"{label}a torch.Tensor of shape {list(expected.shape)}", show(got), hint)
    if got.shape != expected.shape:
        _wrong(f"{label}shape {list(expected.shape)}", f"shape {list(got.shape)}", hint)
    if got.dtype != expected.dtype:
        _wrong(f"{label}dtype {_short(expected.dtype)}", f"dtype {_short(got.dtype)}", OTHER_DTYPE)
    where = torch.device(getattr(got, "worker_device", got.device)).type
    if where != grading_device.get():
        _wrong(f"{label}a tensor on {grading_device.get()}", f"a tensor on {where}", OTHER_DEVICE)
    _check_values(got, expected, rtol, atol, label, hint)


def _check_values(
    got: torch.Tensor, expected: torch.Tensor, rtol: float | None, atol: float | None, label: str, hint: str
) -> None:
    got, expected = got.detach(), expected.detach()
    if not got.dtype.is_floating_point:
        differs = got != expected
        if bool(differs.any()):
            index = tuple(differs.nonzero()[0].tolist())
            _wrong(f"{label}{expected[index].item()}{_at(index)}", f"{got[index].item()}", hint)
        return
    default = TOLERANCES[got.dtype]
    relative, absolute = default[0] if rtol is None else rtol, default[1] if atol is None else atol
    if got.numel() > PIECE and not margins.is_heard() and _agree(got, expected, relative, absolute):
        return
    strange = got.isfinite().logical_not() & expected.isfinite()
    if bool(strange.any()):
        index = tuple(strange.nonzero()[0].tolist())
        _wrong(
            f"{label}finite values", f"{got[index].item()}{_at(index)} ({int(strange.sum())} of {got.numel()})", hint
        )
    wide_got, wide_expected = got.double(), expected.double()
    errors, tolerances = (wide_got - wide_expected).abs(), absolute + relative * wide_expected.abs()
    excess = errors - tolerances
    # Where both are infinite or NaN alike there is no difference; where only one is, it is as large as can be.
    same = torch.isclose(wide_got, wide_expected, rtol=0, atol=0, equal_nan=True)
    margins.tell_tensor(errors, tolerances, same, _short(got.dtype), grading_device.get())
    excess = torch.where(same, torch.full_like(excess, -1.0), excess.nan_to_num(nan=math.inf, posinf=math.inf))
    if excess.numel() == 0 or float(excess.max()) <= 0:
        return
    index = _index_of(int(excess.argmax()), excess.shape)
    wrong = int((excess > 0).sum())
    difference = float(errors[index])
    off = f", off by {difference:.3g}" if math.isfinite(difference) else ""
    share = f", {wrong} of {excess.numel()} entries are off" if excess.numel() > 1 else ""
    got_text = f"{number(float(wide_got[index]))}{off}{share}"
    _wrong(f"{label}{number(float(wide_expected[index]))}{_at(index)}", got_text, hint)


def _agree(got: torch.Tensor, expected: torch.Tensor, relative: float, absolute: float) -> bool:
    """Whether large tensors are alike: entry by entry the arithmetic of `_check_values`, a piece at a time.

    A piece stays in the processor's cache. In whole, what is worked out for a matrix of 17 MB takes 20 times 35 MB,
    which the kernel clears first.
    """
    for mine, due in zip(torch.split(got.flatten(), PIECE), torch.split(expected.flatten(), PIECE), strict=True):
        if bool((mine.isfinite().logical_not() & due.isfinite()).any()):
            return False
        wide, wide_due = mine.double(), due.double()
        fine = (wide - wide_due).abs() - (absolute + relative * wide_due.abs()) <= 0
        if not bool((fine | torch.isclose(wide, wide_due, rtol=0, atol=0, equal_nan=True)).all()):
            return False
    return True


def check_equal(got: Any, expected: Any, *, what: str = "", hint: str = "") -> None:
    """Fails unless `got` has exactly the type and the value of `expected` (numbers, text, lists, tuples, dicts)."""
    label = f"{what}: " if what else ""
    if not same(got, expected):
        # Types are told where they make the difference, and so are the last digits.
        told: Callable[[Any], str] = _written_short if type(got) is type(expected) else show
        if type(expected) is float and told(expected) == told(got):
            told = repr
        _wrong(f"{label}{told(expected)}", told(got), hint)


def same(got: Any, expected: Any) -> bool:
    """Equality of exact types all the way down: True is not 1, and 1 is not 1.0. The order of a dict's keys is free."""
    if type(got) is not type(expected):
        return False
    if isinstance(expected, list | tuple):
        return len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, dict):
        keys = {(type(key), key) for key in expected}
        return keys == {(type(key), key) for key in got} and all(same(got[key], expected[key]) for key in expected)
    return bool(got == expected)


def check_close(
    got: Any, expected: float, *, rel: float = 1e-6, abs: float = 0.0, what: str = "", hint: str = ""
) -> None:
    """Fails unless `got` is a Python float within `max(abs, rel · |expected|)` of `expected`."""
    label = f"{what}: " if what else ""
    if type(got) is not float:
        hint = NOTHING if got is None else ONE_ELEMENT if type(got) is torch.Tensor else hint
        _wrong(f"{label}a Python float near {number(expected)}", show(got), hint)
    if not math.isfinite(got):
        _wrong(f"{label}{number(expected)}", str(got), hint)
    error, tolerance = math.fabs(got - expected), max(rel * max(math.fabs(got), math.fabs(expected)), abs)
    margins.tell_number(error, tolerance, grading_device.get())
    if not math.isclose(got, expected, rel_tol=rel, abs_tol=abs):
        _wrong(f"{label}{number(expected)}", f"{number(got)}, off by {error:.3g}", hint)


def check_raises(
    kind: type[Exception],
    function: Callable[..., Any],
    *args: Any,
    mentions: Sequence[str] = (),
    hint: str = "",
    **kwargs: Any,
) -> None:
    """Fails unless the call raises exactly `kind`, with a message that holds each of `mentions`."""
    words = " and ".join(", ".join(dict.fromkeys(mentions)).rsplit(", ", 1))
    expected = f"{kind.__name__}" + (f" whose message holds {words}" if mentions else "")
    try:
        got = function(*args, **kwargs)
    except SubmissionError as error:
        if error.verdict is Verdict.NOT_ATTEMPTED:
            raise
        name, message, text = error.raised.type, error.raised.message, str(error.raised)
    except kind as error:  # in-process, where there is no worker between
        name, message, text = type(error).__name__, str(error), f"{type(error).__name__}: {error}"
    else:
        _wrong(expected, "no exception" if got is None or type(got) is dict else f"no exception, but {show(got)}", hint)
    if name != kind.__name__ or any(word not in message for word in mentions):
        _wrong(expected, text, hint)


def show(value: Any) -> str:
    """A value that came, in a line that a student can read."""
    text = _written_short(value)
    speaks = value is None or isinstance(value, str | list | tuple | dict | torch.Tensor | Foreign)
    return text if speaks else f"{text} ({type(value).__name__})"


def _written_short(value: Any) -> str:
    text = _written(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _written(value: Any) -> str:
    """Like repr, with tensors and foreign objects in words. Large tensors are not written out."""
    if type(value) is torch.Tensor:
        head = f"a tensor of shape {list(value.shape)}, {_short(value.dtype)}"
        return f"{head}: {_written(value.tolist())}" if 0 < value.numel() <= 6 and value.dim() <= 4 else head
    if isinstance(value, Foreign):
        return f"an object of type {value}"
    more = ", …" if isinstance(value, dict | list | tuple) and len(value) > MAX_ITEMS else ""
    if type(value) is dict:
        items = islice(value.items(), MAX_ITEMS)
        return "{" + ", ".join(f"{_written(key)}: {_written(item)}" for key, item in items) + more + "}"
    if type(value) is list:
        return f"[{', '.join(map(_written, value[:MAX_ITEMS]))}{more}]"
    if type(value) is tuple:
        return f"({', '.join(map(_written, value[:MAX_ITEMS]))}{more}{',' if len(value) == 1 else ''})"
    text = repr(value)
    return number(value) if type(value) is float and len(text) > DIGITS else text


def number(value: float) -> str:
    """A float with as many digits as help."""
    return f"{value:.7g}"


def _index_of(place: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Where the entry number `place` stands. (torch.unravel_index would import sympy, which takes seconds.)"""
    index: list[int] = []
    for size in reversed(shape):
        place, last = divmod(place, size)
        index.insert(0, last)
    return tuple(index)


def _at(index: tuple[int, ...]) -> str:
    return f" at [{', '.join(map(str, index))}]" if index else ""


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _wrong(expected: str, got: str, hint: str) -> NoReturn:
    raise Failed(Verdict.WRONG_ANSWER, Failure(expected, got, hint=hint))
