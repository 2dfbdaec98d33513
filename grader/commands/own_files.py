"""The student's own files: give the stub back, compare, and look at the solution."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from grader.commands.learning import tell
from grader.commands.options import exercise_argument, one
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.catalog import Exercise

yes_option = click.option("--yes", is_flag=True, help="do not ask")


def agreed(consequence: str, question: str, remedy: str) -> bool:
    """Whether the person says yes. Raises UsageError where nobody answers. Ctrl-C is no answer, but an end."""
    print(f"{consequence}\n{question} [y/N] ", end="", flush=True)
    answer = sys.stdin.readline()
    if not answer:
        print()
        raise UsageError(f"nobody has answered, and nothing was changed: {remedy}")
    return answer.strip().lower() in ("y", "yes")


@click.command()
@exercise_argument()
@yes_option
def reset(exercise: str, yes: bool) -> int:
    """Give the stub back; what you wrote is kept beside it."""
    chosen = one(exercise, "reset")
    from grader.course.wording import typed
    from grader.reset import reset as give_back
    from grader.reset import stubs_for

    stubs_for(chosen)  # where there are none, that is said before anything is asked
    names = " and ".join(f"'{name}'" for name in chosen.files)
    consequence = f"Exercise {chosen.key}: {names} becomes the stub again.\nWhat you wrote is kept beside it."
    if not yes and not agreed(consequence, "Go on?", f"`{typed('reset', chosen.key, yes='')}` does not ask"):
        print("Nothing was changed.")
        return 0
    backups = give_back(chosen)
    for backup in backups:
        print(f"What you wrote is kept as '{backup.name}'.")
    print("The stub is back." if backups else f"{names}: the stub already.")
    _forget_last(chosen)
    return 0


def _forget_last(exercise: Exercise) -> None:
    from grader.course.store import Store
    from grader.errors import DojoError

    store = Store(exercise.root)
    try:
        with store.change() as record:
            record.forget_last(exercise.slug)
    except DojoError as error:
        tell([str(error)])
    tell(store.remarks)


@click.command()
@exercise_argument()
@yes_option
def solution(exercise: str, yes: bool) -> int:
    """The solution: after full marks, or when you insist."""
    chosen = one(exercise, "solution")
    texts = _solution(chosen, "solution", yes)
    if texts is None:
        return 0
    if not sys.stdout.isatty():
        print("\n".join(texts.values()), end="")
        return 0
    from rich.syntax import Syntax
    from rich.text import Text

    from grader.course.printing import page_code

    code = Syntax("", "python", theme="ansi_dark")
    page_code(each for name, text in texts.items() for each in (Text(f"── {name}", "bold cyan"), code.highlight(text)))
    return 0


def _solution(exercise: Exercise, command: str, yes: bool) -> dict[str, str] | None:
    """The files of the solution, or None where the person would rather not. The confirmation is recorded first."""
    from grader.stubs import solution_of

    texts = solution_of(exercise)
    from grader.course.progress import row_of
    from grader.course.store import Store
    from grader.course.wording import typed

    store = Store(exercise.root)
    record = store.read()
    tell(store.remarks)
    row = row_of(exercise, record)
    if row.solved or record.confirmed(exercise.slug):
        return texts
    consequence = (
        f"Exercise {exercise.key} is not solved yet: {row.points:g} of {row.total:g} points.\n"
        "That you have looked at its solution before will be noted, with the date."
    )
    if not yes and not agreed(consequence, "Show it?", f"`{typed(command, exercise.key, yes='')}` does not ask"):
        print(f"Then one more hint, perhaps: {typed('hint', exercise.key)}")
        return None
    from grader.summary import now

    with store.change() as changed:
        changed.confirm(exercise.slug, now())
    return texts


@click.command()
@click.argument("folder", metavar="DIR", required=False, default="torch-dojo")
def init(folder: str) -> int:
    """Make a folder with the course, where it came with the package."""
    from pathlib import Path

    from grader.handout.unpack import unpack

    unpack(Path(folder))
    print(f"The course is in '{folder}'. Go on there: `cd {folder}`, then `make start`, or `dojo start`.")
    return 0


@click.command()
@click.argument("source", metavar="FROM", required=False, default="")
def update(source: str) -> int:
    """Bring in a later version of the course; what you wrote stays as it is."""
    if not source:
        raise UsageError("from where? Name the later copy, a folder or a zip, as in `dojo update torch-dojo.zip`.")
    from pathlib import Path

    from grader.commands.options import course
    from grader.handout.update import update as bring

    new, changes = bring(course().root, Path(source))
    changed = len(changes.replaced) + len(changes.added) + len(changes.removed)
    if not changed and not changes.beside:
        print(f"Nothing is new: this is edition {new.edition} of {new.version} already.")
        return 0
    print(f"Now edition {new.edition} of {new.version}: {changed} files changed, and nothing that you wrote.")
    for path in changes.beside:
        print(f"  {path}   the later version of a file that you have changed: compare, and take over what you need")
    for path in changes.left:
        print(f"  {path}   no longer part of the course; yours, so it stays")
    return 0


@click.command()
@exercise_argument()
@click.option("--solution", "against_solution", is_flag=True, help="against the solution, under its rule")
@yes_option
def diff(exercise: str, against_solution: bool, yes: bool) -> int:
    """What you changed in the stub."""
    chosen = one(exercise, "diff")
    from grader.course.comparison import compare

    if against_solution:
        texts = _solution(chosen, "diff", yes)
        if texts is None:
            return 0
        return compare(chosen, texts, "solution", "yours", own_first=True)
    from grader.reset import stubs_for

    return compare(chosen, stubs_for(chosen), "stub", "yours")
