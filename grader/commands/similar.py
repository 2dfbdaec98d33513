"""Which submissions of a class are alike."""

from __future__ import annotations

from pathlib import Path

import click

from grader.commands.options import course
from grader.errors import UsageError
from grader.similar.kept import PAGE

EPILOG = "exit codes: 0 compared, whatever was found, 2 wrong usage, 3 the page could not be written, 130 interrupted"


@click.command(epilog=EPILOG)
@click.argument("submissions", metavar="DIR", required=False, default="")
@click.option("--ex", "exercise", default="all", metavar="EX", help="a number or 'all' (default: all)")
@click.option("--roster", metavar="CSV", help="the class: student, and any of name, email, number, lms_id, path, …")
@click.option("--only", multiple=True, metavar="STUDENT", help="pairs with this student; may be given more than once")
@click.option("--least", metavar="SHARE", help="the share of a file from which on a pair is told, from 0 to 1")
@click.option("--page", metavar="FILE", help=f"where the page goes (default: {PAGE} of the course)")
def similar(
    submissions: str, exercise: str, roster: str | None, only: tuple[str, ...], least: str | None, page: str | None
) -> int:
    """Pairs of submissions that are alike in structure, side by side."""
    if not submissions:
        raise UsageError("which submissions? Name a folder or a zip, as in `dojo similar submissions/`.")
    catalog = course()
    every = exercise.strip().lower() == "all"
    exercises = catalog.exercises if every else [catalog.find(exercise)]
    from grader.similar.command import Options, tell_similar

    return tell_similar(
        catalog,
        Options(
            Path(submissions),
            exercises,
            Path(page) if page else catalog.root / PAGE,
            Path(roster) if roster else None,
            only,
            None if least is None else _share(least),
        ),
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise UsageError(f"--least '{text}' is not a share: give a number above 0 and up to 1, as in --least 0.6")
    return share
