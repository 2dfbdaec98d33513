"""For those who write exercises: the contract, skeletons, stubs, and the measuring of suites."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any

import click

from grader.commands.options import (
    EXIT_CODES,
    course,
    device_option,
    exercise_argument,
    sandbox_option,
    several,
)
from grader.errors import UsageError

Command = Callable[..., int]


def for_staff(command: Command) -> Command:
    """Refuses in a student's copy, where solutions and hidden tests are not."""

    @wraps(command)
    def refusing(*arguments: Any, **options: Any) -> int:
        from grader.handout.manifest import NAME

        if (course().root / NAME).exists():
            raise UsageError(f"`{command.__name__}` is for the staff: what it works on is not in a student's copy")
        return command(*arguments, **options)

    return refusing


@click.command(epilog=EXIT_CODES)
@exercise_argument("all")
@sandbox_option
@click.option("--whole", is_flag=True, help="every test on every plant, and not only until one has caught it")
@click.option("--part", default="", hidden=True)  # what one of its own processes does
@for_staff
def verify(exercise: str, sandbox: str, whole: bool, part: str) -> int:
    """Check exercises against their planted submissions."""
    chosen = several(exercise, "verify", as_published=True)
    from grader.proof.contract import verify_and_report

    return verify_and_report(chosen, sandbox, whole, part)


@click.command(epilog=EXIT_CODES)
@click.argument("exercise", metavar="EX", required=False, default="")
@click.argument("name", metavar="NAME", required=False, default="")
@for_staff
def new(exercise: str, name: str) -> int:
    """Write the skeleton of a new exercise."""
    root = course().root
    from grader.proof.skeleton import create

    for path in create(root, exercise, name):
        print(path.relative_to(root))
    print(f"`make verify EX={int(exercise)}` says what is still missing.")
    return 0


@click.command()
@click.option("--check", is_flag=True, help="write nothing; exit with 1 if one has drifted")
@for_staff
def stubs(check: bool) -> int:
    """Rewrite the stubs from the solutions."""
    from grader.stubs import drifted, rewrite

    changed = False
    for exercise in course(as_published=True).exercises:
        for name in drifted(exercise) if check else rewrite(exercise):
            changed = True
            print(f"{exercise.slug}/{name}: {'has drifted, run `make stubs`' if check else 'rewritten'}")
    return int(check and changed)


@click.command()
@click.argument("out", metavar="DIR", required=False, default="")
@for_staff
def student(out: str) -> int:
    """Write the course as students get it: a folder, a zip, a git repository."""
    if not out:
        raise UsageError("where to? Name a folder, as in `dojo student handout/`.")
    from pathlib import Path

    from grader.handout.pack import pack

    packed = pack(course(), Path(out))
    print(f"{len(packed.manifest.files)} files, edition {packed.manifest.edition}:")
    print(f"  {packed.folder}/   to look at, or to copy")
    print(f"  {packed.archive}   to hand out")
    if packed.repository:
        print(f"  {packed.repository}   a repository with one commit, to push as a template")
    else:
        print("There is no repository, for there is no git here.")
    return 0


@click.command()
@exercise_argument()
@click.option("--times", default="200", metavar="N", help="how often the quick tests run (default: 200)")
@click.option("--training", default="30", metavar="N", help="how often those marked 'training' run (default: 30)")
@click.option("--from", "source", default="solution", metavar="WHICH", help="solution, accepted (the plants) or all")
@device_option
@sandbox_option
@for_staff
def rerun(exercise: str, **options: Any) -> int:
    """Run a suite on right answers many times, with fresh seeds."""
    chosen = several(exercise, "rerun", as_published=True)
    from grader.proof.evidence import rerun_and_report

    return rerun_and_report(chosen, SimpleNamespace(**options))


@click.command()
@exercise_argument()
@click.option("--runs", default="30", metavar="N", help="of each submission, earlier ones included (default: 30)")
@click.option("--plants", default="", help="names, separated by commas (default: accepted and wrong ones)")
@click.option("--data-dir", metavar="PATH", help="where the data sets are looked for first")
@click.option("--report", is_flag=True, help="run nothing: print what is recorded")
@device_option
@sandbox_option
@for_staff
def calibrate(exercise: str, **options: Any) -> int:
    """Derive accuracy thresholds from recorded training runs."""
    chosen = course(as_published=True).find(exercise)
    from grader.proof.rates import calibrate_and_report

    return calibrate_and_report(chosen, SimpleNamespace(**options))
