"""The templates of the instructor's pages. What they are given is text, and is escaped.

The one script is ours: it sorts and filters a table that is complete without it. The page admits it by its hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources

from jinja2 import Environment, PackageLoader, PrefixLoader
from markupsafe import Markup

from grader.page.templating import environment
from grader.site.views import Index, StudentPage


def render_index(index: Index) -> str:
    script = resources.files("grader.site").joinpath("templates", "table.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _environment().get_template("site/index.html").render(page=index, script=Markup(script), digest=digest)


def render_student(page: StudentPage) -> str:
    return _environment().get_template("site/student.html").render(page=page)


@functools.cache
def _environment() -> Environment:
    return environment(PrefixLoader({"site": PackageLoader("grader.site"), "page": PackageLoader("grader.page")}))
