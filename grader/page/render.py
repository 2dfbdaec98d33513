"""The page's templates. What they are given is text, and is escaped; markup is only what a template writes itself.

The one exception are the pictures: an <svg> element of `grader.figures.svg`, which keeps nothing but a drawing.
"""

from __future__ import annotations

import functools
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.page.source import visible
from grader.page.view import Page


def render(page: Page, inline: bool = False) -> str:
    """The whole document. `inline`: it will stand inside a notebook, where it has no room for a second column."""
    return _environment().get_template("page.html").render(page=page, inline=inline)


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("grader.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _safe(value: Any) -> Any:
    """Each text that a template writes, without control characters: the last gate, whatever came before it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
