"""Grading: once, after each save, or as a page."""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace
from typing import Any

import click

from grader.commands.learning import finished, show_standing
from grader.commands.options import (
    EXIT_CODES,
    audience_option,
    course,
    device_option,
    exercise_argument,
    one,
    sandbox_option,
    several,
    source_option,
    student_option,
    suite_option,
)
from grader.errors import DojoError


@click.command(epilog=EXIT_CODES)
@exercise_argument()
@source_option
@device_option
@click.option("--seed", metavar="N", help="a whole number, to repeat a run; secret by default")
@sandbox_option
@suite_option
@audience_option
@student_option
@click.option("--report", metavar="FILE", help="where the JSON goes (default: reports/SLUG/report.json)")
def grade(exercise: str, **options: Any) -> int:
    """Grade an exercise, or 'all'."""
    chosen = several(exercise, "grade")
    from grader.session import Choices, grade_all

    return grade_all(chosen, Choices.parse(SimpleNamespace(**options)))


@click.command(epilog=EXIT_CODES)
@exercise_argument()
@device_option
@sandbox_option
@suite_option
@click.option("--poll", is_flag=True, help="look at the file instead of waiting for the system's events")
def watch(**options: Any) -> int:
    """The verdict after each save (default: the first exercise not solved)."""
    catalog = course()
    from grader.live.watch import watch as run

    before = finished(catalog)
    try:
        return run(catalog.root, SimpleNamespace(**options))
    finally:
        # While the screen was the watch's there was no room for it. What can't be read now, the watch has told.
        if sys.stdout.isatty() and finished(catalog) != before:
            with contextlib.suppress(DojoError):
                show_standing()


@click.command(epilog=EXIT_CODES)
@exercise_argument()
@source_option
@click.option("--open", "open_it", is_flag=True, help="open it in the browser")
@suite_option
@device_option
@sandbox_option
@audience_option
@student_option
def report(exercise: str, open_it: bool, **options: Any) -> int:
    """Grade an exercise, and write a page with figures."""
    chosen = one(exercise, "report")
    from grader.page.command import make_report
    from grader.session import Choices

    choices = Choices.parse(SimpleNamespace(**options, seed=None, report=None))
    return make_report(chosen, choices, open_it)
