"""Grading a cohort. What is drawn from its gradebook afterwards: `gradebook`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from grader.commands.gradebook import FILE, POLICY, policy_of
from grader.commands.options import course, device_option, sandbox_option, suite_option
from grader.errors import UsageError

EPILOG = (
    "exit codes: 0 everything is graded, whatever the points, 2 wrong usage, "
    "3 something failed here and is to be graded again, 130 interrupted"
)
MOST_JUDGES = 256


@click.command(epilog=EPILOG)
@click.argument("submissions", metavar="DIR", required=False, default="")
@click.option("--ex", "exercise", default="all", metavar="EX", help="a number or 'all' (default: all)")
@click.option("--only", multiple=True, metavar="STUDENT", help="this student alone; may be given more than once")
@click.option("--force", is_flag=True, help="also what is known already")
@click.option("--gradebook", metavar="FILE", help=f"the gradebook (default: {FILE} of the course)")
@click.option("--policy", metavar="FILE", help=f"deadlines (default: {POLICY} of the course)")
@click.option("--roster", metavar="CSV", help="the class: student, and any of name, email, number, lms_id, path, …")
@click.option(
    "--jobs",
    metavar="N",
    help="submissions at a time (default: one for each core); on GPUs, on each of them (default: one)",
)
@click.option("--seed", metavar="N", help="a whole number, to repeat a run; secret by default, and one for all")
@click.option("--cohort", "named", metavar="NAME", help=f"whose seed it is, of those in {POLICY}")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", help="this machine, or a Ray cluster")
@click.option("--address", metavar="HOST:PORT", help="of the Ray cluster (default: one on this machine alone)")
@device_option
@sandbox_option
@suite_option
def cohort(submissions: str, **options: Any) -> int:
    """Grade a class: a folder DIR/STUDENT/…, or an export of Moodle, Canvas or Gradescope."""
    if not submissions:
        raise UsageError("which submissions? Name a folder or a zip, as in `dojo cohort submissions/`.")
    catalog = course()
    given = SimpleNamespace(**options)
    if given.engine == "ray" and given.jobs is not None and given.device != "cuda":
        raise UsageError("--jobs is for this machine, and for GPUs (--device cuda): Ray knows how many cores there are")
    if given.engine != "ray" and given.address is not None:
        raise UsageError(f"--address '{given.address}' needs --engine ray")
    every = given.exercise.strip().lower() == "all"
    exercises = catalog.exercises if every else [catalog.find(given.exercise)]
    from grader.cohort.command import Options, grade_cohort
    from grader.session import Choices

    if given.named is not None:
        if given.seed is not None:
            raise UsageError(f"--seed '{given.seed}' and --cohort '{given.named}' are two seeds: give one of them")
        options["seed"] = str(catalog.settings.seed_of(given.named))
    choices = Choices.parse(SimpleNamespace(**options, audience="instructor", source=None, report=None))
    return grade_cohort(
        catalog,
        Options(
            submissions=Path(submissions),
            exercises=exercises,
            gradebook=Path(given.gradebook) if given.gradebook else catalog.root / FILE,
            settings=choices.settings,
            policy=policy_of(catalog, given.policy),
            roster=Path(given.roster) if given.roster else None,
            only=given.only,
            force=given.force,
            judges=_judges(given.jobs),
            engine=given.engine,
            address=given.address,
        ),
    )


def _judges(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= MOST_JUDGES:
        raise UsageError(f"--jobs '{text}' is not a whole number from 1 to {MOST_JUDGES}")
    return int(text)
