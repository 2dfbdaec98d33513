"""What is drawn from a gradebook, and what is decided by hand. Grading a cohort is `dojo cohort`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.commands.options import course
from grader.errors import JudgeError, UsageError
from grader.settings import course as course_settings
from grader.similar.kept import PAGE, beside
from grader.text import clean_line

if TYPE_CHECKING:
    from grader.catalog import Catalog
    from grader.gradebook.book import Gradebook
    from grader.settings.policy import Policy

FILE = "gradebook.sqlite"
PAGES = Path("reports", "class")
POLICY = course_settings.NAME
EPILOG = "exit codes: 0 done, 2 wrong usage, or no gradebook that can be used, 3 it is damaged or the disk is full"

book_option = click.option("--gradebook", "path", metavar="FILE", help=f"the gradebook (default: {FILE} of the course)")
out_option = click.option("--out", metavar="FILE", help="where it goes (default: standard output)")
json_option = click.option("--json", "as_json", is_flag=True, help="as JSON")
reason_option = click.option("--reason", default="", metavar="TEXT", help="why; it is kept")
author_option = click.option("--author", default="", metavar="NAME", help="who decides (default: your login name)")


def policy_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options say which attempts count; they go before the file."""

    @click.option("--policy", metavar="FILE", help=f"how grades are made (default: {POLICY} of the course)")
    @click.option("--counts", metavar="WHICH", help="best or last")
    @click.option("--drop", metavar="N", help="leave out the N lowest")
    @functools.wraps(command)
    def with_policy(policy: str | None, counts: str | None, drop: str | None, **others: Any) -> int:
        return command(policy=_policy(policy, counts, drop), **others)

    return with_policy


@click.group(invoke_without_command=True)
@click.pass_context
def gradebook(context: click.Context) -> int:
    """Grades of a cohort: summary, exports, decisions."""
    if context.invoked_subcommand is None:
        print(context.get_help())
    return 0


@gradebook.command(epilog=EPILOG)
@book_option
@policy_options
@json_option
@click.option("--out", metavar="FILE", help="where the JSON goes")
def summary(path: str | None, policy: Policy, as_json: bool, out: str | None) -> int:
    """How the cohort did, which tests are hard, who needs help, and what failed here."""
    from grader.gradebook.figures import figures
    from grader.gradebook.grades import grades

    with _read(path) as book:
        found = figures(book, grades(book, policy))
    if as_json or out:
        return _pour([json.dumps(found.body(), indent=2) + "\n"], out)
    from grader.course.printing import show
    from grader.gradebook.pictures import summary as picture

    show(picture(found))
    return 0


@gradebook.command(epilog=EPILOG)
@book_option
@policy_options
@click.option("--format", "kind", default="generic", metavar="WHICH", help="generic, canvas, moodle, or jsonl")
@click.option("--missing-as-zero", is_flag=True, help="0 where nothing was handed in, instead of an empty cell")
@click.option("--reports", is_flag=True, help="jsonl: with each attempt's whole report")
@out_option
def export(path: str | None, policy: Policy, kind: str, missing_as_zero: bool, reports: bool, out: str | None) -> int:
    """Grades as CSV for a learning management system, or attempts as JSON lines."""
    from grader.gradebook.csvs import Dialect, table
    from grader.gradebook.grades import grades
    from grader.gradebook.lines import attempt_lines

    if kind not in ("jsonl", *Dialect):
        raise UsageError(f"--format '{kind}' is not one of {', '.join(Dialect)}, jsonl")
    with _read(path) as book:
        if kind == "jsonl":
            return _pour(attempt_lines(book, reports), out)
        return _pour(table(grades(book, policy), Dialect(kind), policy.columns, missing_as_zero), out)


@gradebook.command(epilog=EPILOG)
@book_option
@policy_options
@click.option("--title", default="The class", metavar="TEXT", help="what stands above it")
@click.option("--similar", metavar="FILE", help=f"a page of `dojo similar` (default: {PAGE}, where it is)")
@click.option("--out", metavar="DIR", help=f"a folder for it alone (default: {PAGES} of the course)")
def pages(path: str | None, policy: Policy, title: str, similar: str | None, out: str | None) -> int:
    """Pages for an instructor: the class as a table, each student, hard tests."""
    from grader.site.write import write_site

    folder = Path(out) if out else course().root / PAGES
    usual = course().root / PAGE
    alike = Path(similar) if similar else usual if usual.is_file() and beside(usual).is_file() else None
    with _read(path) as book:
        count = write_site(book, policy, folder, title, alike)
    print(f"{folder / 'index.html'}   {count:,} pages, for staff alone: they name hidden tests")
    return 0


@gradebook.command(epilog=EPILOG)
@click.argument("student")
@book_option
@policy_options
@json_option
def show(student: str, path: str | None, policy: Policy, as_json: bool) -> int:
    """One student's grades, every attempt, and what was decided by hand."""
    from dataclasses import asdict

    from grader.gradebook.decisions import decisions
    from grader.gradebook.grades import grades
    from grader.gradebook.lines import attempt_body

    with _read(path) as book:
        found, attempts = grades(book, policy), book.attempts(student)
        if student not in found.rows:
            raise UsageError(f"there is no student '{student}' in '{book.file.path}'")
        log = [each for each in decisions(book) if each.student == student]
    if as_json:
        body = {"attempts": [attempt_body(each) for each in attempts], "decisions": [asdict(each) for each in log]}
        return _pour([json.dumps({"student": student, **body}, indent=2) + "\n"], None)
    from grader.course.printing import show as print_lines
    from grader.gradebook.pictures import history

    print_lines(history(found, student, attempts, log))
    return 0


@gradebook.command(epilog=EPILOG)
@click.argument("student")
@click.argument("exercise", metavar="EX")
@click.argument("points")
@book_option
@reason_option
@author_option
def override(student: str, exercise: str, points: str, path: str | None, reason: str, author: str) -> int:
    """Give these points, whatever the attempts say."""
    try:
        given = float(points)
    except ValueError:
        raise UsageError(f"POINTS='{points}' is not a number") from None
    return _decide("override", student, exercise, path, reason, author, given)


@gradebook.command(epilog=EPILOG)
@click.argument("student")
@click.argument("exercise", metavar="EX")
@book_option
@reason_option
@author_option
def excuse(student: str, exercise: str, path: str | None, reason: str, author: str) -> int:
    """Leave an exercise out of a student's grade."""
    return _decide("excuse", student, exercise, path, reason, author)


@gradebook.command(epilog=EPILOG)
@click.argument("student")
@click.argument("exercise", metavar="EX")
@book_option
@reason_option
@author_option
def withdraw(student: str, exercise: str, path: str | None, reason: str, author: str) -> int:
    """Take an override or an excuse back. The log keeps both."""
    return _decide("withdraw", student, exercise, path, reason, author)


@gradebook.command(epilog=EPILOG)
@book_option
def check(path: str | None) -> int:
    """Is the file sound, down to each report?"""
    with _read(path) as book:
        problems = list(book.check())
        attempts = len(book.attempts())
    for problem in problems:
        print(clean_line(problem))
    if problems:
        raise JudgeError(f"the gradebook '{_path(path)}' is damaged: put a copy in its place")
    print(f"{attempts:,} attempts, all sound")
    return 0


@click.command(epilog=EPILOG)
@click.argument("exercise", metavar="EX", required=False, default="")
@book_option
@policy_options
@click.option(
    "--before", default="", metavar="HASH", help="the beginning of a suite's hash (default: the last but one)"
)
@click.option("--after", default="", metavar="HASH", help="of another suite (default: the last)")
@json_option
def regrade(exercise: str, path: str | None, policy: Policy, before: str, after: str, as_json: bool) -> int:
    """Who changed between two gradings, by how much, and why."""
    from dataclasses import asdict

    from grader.gradebook.regrade import compare, regraded

    with _read(path) as book:
        slugs = [_slug(book, exercise)] if exercise else regraded(book)
        if not slugs:
            print("No exercise was graded by more than one suite.")
        found = [compare(book, slug, policy, before, after) for slug in slugs]
    if as_json:
        return _pour([json.dumps([asdict(each) for each in found], indent=2) + "\n"], None)
    from grader.course.printing import show as print_lines
    from grader.gradebook.pictures import comparison

    for each in found:
        print_lines(comparison(each))
    return 0


def _path(path: str | None) -> Path:
    return Path(path) if path else course().root / FILE


def _read(path: str | None) -> Gradebook:
    from grader.gradebook.book import Gradebook

    return Gradebook.read(_path(path))


def _pour(lines: Any, out: str | None) -> int:
    from grader.gradebook.streams import pour

    pour(lines, Path(out) if out else None)
    return 0


def _policy(file: str | None, counts: str | None, drop: str | None) -> Policy:
    from dataclasses import replace

    from grader.settings.policy import counted

    policy = policy_of(course(), file)
    if counts is not None:
        policy = replace(policy, counts=counted(counts))
    if drop is not None:
        if not drop.isdecimal():
            raise UsageError(f"--drop '{drop}' is not a whole number")
        policy = replace(policy, drop_lowest=int(drop))
    return policy


def policy_of(catalog: Catalog, file: str | None) -> Policy:
    """Of the course, or of another file like its own, of which nothing else is used."""
    return catalog.settings_in(Path(file)).policy if file else catalog.settings.policy


def _slug(book: Gradebook, exercise: str) -> str:
    """What a person calls an exercise; one that has left the course can still be named by its slug."""
    known = {each.slug for each in book.attempts()}
    return exercise if exercise in known else course().find(exercise).slug


def _decide(
    kind: str, student: str, exercise: str, path: str | None, reason: str, author: str, points: float | None = None
) -> int:
    import getpass

    from grader.gradebook.book import Gradebook
    from grader.gradebook.decisions import Kind, decide

    where = _path(path)
    _read(path).close()  # a decision is on what is there, and makes no new gradebook
    with Gradebook.open(where) as book:
        slug = _slug(book, exercise)
        decide(book, student, slug, Kind(kind), reason, author or getpass.getuser(), points)
    print(f"{clean_line(student)}, {slug}: noted.")
    return 0
