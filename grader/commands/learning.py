"""Where one stands, the lessons, the hints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from grader.commands.options import course, exercise_argument, one
from grader.errors import UsageError
from grader.text import clean_line

if TYPE_CHECKING:
    from grader.catalog import Catalog, Exercise
    from grader.course.progress import Standing
    from grader.course.record import Record
    from grader.reading import Reading


def tell(lines: list[str]) -> None:
    """What is not the answer, but is to be known."""
    for line in lines:
        print(f"dojo: {clean_line(line)}", file=sys.stderr)


def _standing(catalog: Catalog) -> tuple[Standing, Record]:
    from grader.course.progress import Standing
    from grader.course.store import Store

    store = Store(catalog.root)
    record = store.read()
    tell(store.remarks)
    return Standing.of(catalog, record), record


def show_standing() -> int:
    """What `dojo` alone does."""
    catalog = course()
    standing, record = _standing(catalog)
    from grader.course.overview import heading, overview
    from grader.course.printing import console, message, show, width

    columns = width(console())
    show(message(catalog.settings.message))
    if standing.next:
        show(overview(standing, columns))
        return 0
    from grader.course.congratulations import card

    show([*heading(standing, columns), *card(standing, record, columns)])
    return 0


def finished(catalog: Catalog) -> str:
    """When the whole course was solved; nothing where that is not known."""
    from grader.course.store import Store

    try:
        return Store(catalog.root).read().finished()
    except UsageError:
        return ""


@click.command()
def status() -> int:
    """Where you stand, and what is next: the same as `dojo` alone."""
    return show_standing()


@click.command(name="list")
def list_() -> int:
    """The exercises and their points."""
    catalog = course()
    slugs = [*(each.slug for each in catalog.readings), *(each.slug for each in catalog.exercises)]
    wide = max(map(len, slugs), default=0)
    for reading in catalog.readings:
        opens = f"`make lesson EX={reading.key}`"
        print(f"{reading.key:>5}  {reading.slug:<{wide}} {'to read':>10}  {reading.title}: {opens}")
    for exercise in catalog.exercises:
        bonus = f", and {exercise.bonus_points:g} as a bonus" if exercise.bonus_points else ""
        print(f"{exercise.key:>5}  {exercise.slug:<{wide}} {exercise.max_points:>3g} points  {exercise.title}{bonus}")
    return 0


@click.command()
def start() -> int:
    """The first lesson, in a minute."""
    catalog = course()
    standing, _ = _standing(catalog)
    from grader.course.printing import console, message, show, width
    from grader.course.start import first_lesson
    from grader.reset import keep_stubs

    for row in standing.rows:
        keep_stubs(row.exercise)  # nothing is written in them yet: what `reset` and `diff` need later
    show(message(catalog.settings.message))
    show(first_lesson(standing, width(console())))
    return 0


def _text_of(text: str, command: str) -> Exercise | Reading:
    """What has a lesson: an exercise, or a lesson without one."""
    return (text and course().reading(text)) or one(text, command)


@click.command()
@exercise_argument()
@click.option("--no-open", is_flag=True, help="only write the notebook, and name it")
@click.option("--fresh", is_flag=True, help="begin anew; a notebook that is there is kept under a numbered name")
def lesson(exercise: str, no_open: bool, fresh: bool) -> int:
    """The lesson of an exercise as a notebook, in Jupyter."""
    chosen = _text_of(exercise, "lesson")
    from grader.lessons.jupyter import open_in_jupyter, require

    require(chosen.key, opened=not no_open)
    from grader.lessons.pair import prepare

    pair = prepare(chosen, fresh)
    tell(pair.remarks)
    print(f"{pair.notebook.relative_to(chosen.root)}")
    if not no_open:
        open_in_jupyter(pair.notebook, chosen.root)
    return 0


@click.command()
@exercise_argument()
def read(exercise: str) -> int:
    """The lesson of an exercise, in a pager."""
    chosen = _text_of(exercise, "read")
    from grader.reading import text_of

    text = text_of(chosen.folder)
    if not sys.stdout.isatty():
        print(text, end="" if text.endswith("\n") else "\n")
        return 0
    from rich.markdown import Markdown

    from grader.course.printing import page

    page(Markdown(text, code_theme="ansi_dark"))
    return 0


@click.command()
@exercise_argument()
@click.option("--task", default="", metavar="N", help="of this task (default: the first that is not passed)")
def hint(exercise: str, task: str) -> int:
    """One more hint."""
    chosen = one(exercise, "hint")
    from grader.course.hints import next_hint, picture
    from grader.course.store import Store

    store = Store(chosen.root)
    found = next_hint(store, chosen, task)
    tell(store.remarks)
    from grader.course.printing import console, show, width

    show(picture(chosen, found, width(console())))
    return 0
