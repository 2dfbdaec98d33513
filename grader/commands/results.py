"""Kept reports for other systems."""

from __future__ import annotations

from pathlib import Path

import click

from grader.commands.options import audience_option, course, exercise_argument, several
from grader.errors import UsageError

EPILOG = "exit codes: 0 written, whatever the points, 2 wrong usage, 3 the judge had failed on one of them"
NAMES = ("junit", "exercism", "gradescope", "classroom", "github-output", "github-summary", "github-annotations")


@click.command(epilog=EPILOG)
@click.argument("form", metavar="FORMAT", type=click.Choice(NAMES))
@exercise_argument("all")
@click.option("--report", metavar="FILE", help="a report elsewhere (default: reports/SLUG/report.json)")
@click.option("--out", metavar="FILE", help="where to (default: standard output)")
@click.option("--append", is_flag=True, help="add to the file, as GITHUB_OUTPUT wants it")
@audience_option
def results(form: str, exercise: str, report: str | None, out: str | None, append: bool, audience: str) -> int:
    """Graded results as other systems read them: JUnit, Exercism, Gradescope, GitHub."""
    chosen = several(exercise, "results")
    if report is not None and len(chosen) != 1:
        raise UsageError(f"--report '{report}' is of one exercise: name it, as in `dojo results {form} 3 --report …`")
    from grader.formats.command import Request, write_results
    from grader.session import AUDIENCES, one_of

    instructor = one_of("AUDIENCE", audience, AUDIENCES) == "instructor"
    place, target = (Path(text) if text is not None else None for text in (report, out))
    return write_results(course(), Request(form, chosen, place, target, append, instructor))
