"""Kept reports for other systems."""

from __future__ import annotations

from pathlib import Path

import click

from grader.commands.options import audience_option, course, exercise_argument, one, several, student_option
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
@student_option
def results(
    form: str, exercise: str, report: str | None, out: str | None, append: bool, audience: str, student: str
) -> int:
    """Graded results as other systems read them: JUnit, Exercism, Gradescope, GitHub."""
    chosen = several(exercise, "results")
    if report is not None and len(chosen) != 1:
        raise UsageError(f"--report '{report}' is of one exercise: name it, as in `dojo results {form} 3 --report …`")
    from grader.formats.command import Request, write_results
    from grader.session import AUDIENCES, one_of

    instructor = one_of("AUDIENCE", audience, AUDIENCES) == "instructor"
    place, target = (Path(text) if text is not None else None for text in (report, out))
    return write_results(course(), Request(form, chosen, place, target, append, instructor, student))


@click.command(epilog="exit codes: 0 written, 2 wrong usage, 3 something of the course is missing")
@exercise_argument()
@click.option("--out", metavar="FILE", help="where to (default: SLUG-gradescope.zip)")
@click.option(
    "--visibility",
    metavar="WHEN",
    help="visible, hidden, after_due_date or after_published (default: as course.toml has it)",
)
@click.option("--sandbox", default="auto", metavar="WHICH", help="auto, require or off (default: auto)")
def gradescope(exercise: str, out: str | None, visibility: str | None, sandbox: str) -> int:
    """The zip that Gradescope takes as an autograder."""
    chosen = one(exercise, "gradescope")
    from grader.formats.gradescope import BY_COURSE, VISIBILITIES
    from grader.gradescope.bundle import bundle
    from grader.gradescope.harness import Settings
    from grader.sandbox import Mode
    from grader.session import one_of

    when = BY_COURSE[chosen.rules.visibility] if visibility is None else visibility
    settings = Settings(chosen.key, one_of("VISIBILITY", when, VISIBILITIES), one_of("SANDBOX", sandbox, tuple(Mode)))
    path = Path(out) if out else Path(f"{chosen.slug}-gradescope.zip")
    names = bundle(chosen, path, settings)
    print(f'{path}: {len(names)} files, for Gradescope\'s "Configure Autograder"; docs/gradescope.md says how.')
    return 0
