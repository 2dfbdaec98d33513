"""Torch Dojo's grader: the judge, and the worker that it never trusts.

In a notebook: `from grader import grade; grade(3)`, or `%load_ext grader` and a cell that begins with `%%grade 3`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.notebook import Graded

__version__ = "0.1.0"


def grade(
    exercise: int | str, *, source: str | os.PathLike[str] | None = None, code: str | None = None, **options: str
) -> Graded:
    """Grades an exercise and shows the report: your own file, what lies at `source`, or the text `code`.

    Options: device, sandbox, suite and audience, as in `dojo grade`: `grade(3, suite="public")`.
    """
    from grader.notebook import grade as in_a_notebook  # this file also enters the sandbox, alone

    return in_a_notebook(exercise, source=source, code=code, **options)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext grader`: the cell magic `%%grade`."""
    from grader.notebook import register

    register(shell)
