"""Calls in words: short for a student, who sees no inputs, and in full for the instructor."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any


def describe_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Arguments as a student may read them: tensors by dtype and shape, never by value."""
    parts = [describe(value) for value in args] + [f"{name}={describe(value)}" for name, value in kwargs.items()]
    return ", ".join(parts)


def describe(value: Any) -> str:
    """A value in a few words: a tensor by dtype and shape, something short by itself."""
    kind = type(value)
    if kind.__module__.startswith("torch") and hasattr(value, "shape"):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    text = repr(value) if isinstance(value, bool | int | str | None) else f"{kind.__name__}(…)"
    return text if len(text) <= 40 else f"{text[:37]}…"


def shown_in_full(request: dict[str, Any]) -> str:
    """The inputs of a request, for the instructor."""
    out = io.StringIO()
    for number, value in enumerate(request.get("args", ())):
        print(f"  argument {number}: {str(value)[:2000]}", file=out)
    for name, value in request.get("kwargs", {}).items() if isinstance(request.get("kwargs"), dict) else ():
        print(f"  {name}: {str(value)[:2000]}", file=out)
    return out.getvalue()
