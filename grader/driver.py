"""Drivers: functions of a suite whose source runs in the worker. Here they are checked and turned into that source."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any


@functools.lru_cache(512)  # a driver is a function object: one of a suite that was read anew is another
def driver_source(driver: Callable[..., Any]) -> str:
    """The source of a driver, checked to be one function that needs nothing of its suite. Raises ValueError."""
    source = textwrap.dedent(inspect.getsource(driver))
    tree = ast.parse(source)
    function = tree.body[0]
    if len(tree.body) != 1 or not isinstance(function, ast.FunctionDef):
        raise ValueError(f"the driver '{driver.__name__}' is to be a plain top-level function")
    borrowed = sorted(set(_global_loads(driver.__code__)) & set(driver.__globals__))
    if driver.__closure__ or borrowed:
        names = f" ({', '.join(borrowed)})" if borrowed else ""
        raise ValueError(f"the driver '{driver.__name__}' uses names of its suite{names}; import or pass what it needs")
    function.decorator_list = []
    function.returns = None
    for argument in ast.walk(function.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(tree)


def _global_loads(code: Any) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            yield str(instruction.argval)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from _global_loads(constant)
