"""How every page of ours is made from templates: what they are given is text, and is escaped."""

from __future__ import annotations

from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup

from grader.page.source import visible


def environment(loader: BaseLoader) -> Environment:
    """Escapes everything but markup that a template writes itself; a name that is missing is an error."""
    return Environment(
        loader=loader,
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
