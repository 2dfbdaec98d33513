"""The page: one HTML file that needs nothing beside itself. What it is given is text, and is escaped."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.page.source import visible
from grader.similar.pairs import Found
from grader.similar.view import section


def render(found: Sequence[Found]) -> str:
    """The whole document."""
    return _environment().get_template("similar.html").render(sections=[section(each) for each in found])


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=ChoiceLoader(
            [PackageLoader("grader.similar"), PackageLoader("grader.page")]
        ),  # the look is the report's
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _safe(value: Any) -> Any:
    """Each text that a template writes, without control characters."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
