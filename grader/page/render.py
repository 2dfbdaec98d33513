"""The page's templates. What they are given is text, and is escaped; markup is only what a template writes itself.

The one exception are the pictures: an <svg> element of `grader.figures.svg`, which keeps nothing but a drawing.
"""

from __future__ import annotations

import functools

from jinja2 import Environment, PackageLoader

from grader.page.templating import environment
from grader.page.view import Page


def render(page: Page, inline: bool = False) -> str:
    """The whole document. `inline`: it will stand inside a notebook, where it has no room for a second column."""
    return _environment().get_template("page.html").render(page=page, inline=inline)


@functools.cache
def _environment() -> Environment:
    return environment(PackageLoader("grader.page"))
