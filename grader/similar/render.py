"""The page: one HTML file that needs nothing beside itself. What it is given is text, and is escaped."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from jinja2 import ChoiceLoader, Environment, PackageLoader

from grader.page.templating import environment
from grader.similar.pairs import Found
from grader.similar.view import section


def render(found: Sequence[Found]) -> str:
    """The whole document."""
    return _environment().get_template("similar.html").render(sections=[section(each) for each in found])


@functools.cache
def _environment() -> Environment:
    # The look is the report's.
    return environment(ChoiceLoader([PackageLoader("grader.similar"), PackageLoader("grader.page")]))
