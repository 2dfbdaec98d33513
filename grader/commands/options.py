"""EX and its completion, the options that several commands share, and the course that a command works in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from grader.catalog import Catalog, Exercise, find_root
from grader.errors import DojoError, UsageError

EXIT_CODES = (
    "exit codes: 0 all points, 1 the submission lost points, 2 wrong usage, 3 the judge failed, 130 interrupted"
)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class ExerciseName(click.types.StringParamType):
    """What a person calls an exercise. It is looked up by the command, which knows what else it takes."""

    name = "exercise"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's names
        """Numbers and slugs; nothing where there is no course."""
        try:
            exercises = Catalog(find_root(Path.cwd())).exercises
        except DojoError:
            return []
        names = [(name, each.title) for each in exercises for name in dict.fromkeys((each.key, each.slug))]
        return [CompletionItem(name, help=title) for name, title in names if name.startswith(incomplete)]


def exercise_argument(default: str = "") -> Decorator:
    return click.argument("exercise", metavar="EX", type=ExerciseName(), required=False, default=default)


def _one_of(name: str, values: tuple[str, ...], text: str) -> Decorator:
    """Completes to `values`; they are checked where they are used, which is where other callers are checked too."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's names
        return [value for value in values if value.startswith(incomplete)]

    return click.option(name, default="auto", metavar="WHICH", help=text, shell_complete=complete)


device_option = _one_of("--device", ("auto", "cpu", "cuda"), "auto, cpu or cuda (default: auto)")
sandbox_option = _one_of("--sandbox", ("auto", "require", "off"), "auto, require or off (default: auto)")
suite_option = _one_of(
    "--suite", ("auto", "hidden", "public"), "auto, hidden or public (default: hidden where it is there)"
)
source_option = click.option(
    "--from", "source", metavar="PATH", help="'solutions', or a path to a submission (default: exercises)"
)
audience_option = click.option(
    "--audience",
    default="student",
    metavar="WHO",
    help="student or instructor, who sees seeds, inputs and test code",
)
student_option = click.option(
    "--student", default="", metavar="NAME", help="whose submission it is: an extension may be theirs"
)


def course(as_published: bool = False) -> Catalog:
    """The course that the current folder lies in; `as_published`: without its settings."""
    return Catalog(find_root(Path.cwd()), as_published)


def which(catalog: Catalog, command: str) -> UsageError:
    """What to say where EX is missing."""
    numbers = ", ".join(each.key for each in catalog.exercises)
    many = ", and 'all'" if command in ("grade", "rerun", "verify") else ""
    return UsageError(f"which exercise? Give EX, as in `make {command} EX=3`. The exercises are {numbers}{many}.")


def several(text: str, command: str, as_published: bool = False) -> list[Exercise]:
    """The exercise that is meant, or all of them."""
    catalog = course(as_published)
    if not text:
        raise which(catalog, command)
    return catalog.exercises if text.strip().lower() == "all" else [catalog.find(text)]


def one(text: str, command: str) -> Exercise:
    """The one exercise that is meant."""
    catalog = course()
    if not text:
        raise which(catalog, command)
    if text.strip().lower() == "all":
        raise UsageError(f"`{command}` is for one exercise: give its number, as in `make {command} EX=3`")
    return catalog.find(text)
