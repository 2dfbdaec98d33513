"""`dojo similar`: the pairs that are worth a look as a table, and a page with both files side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.catalog import Catalog, Exercise
from grader.errors import JudgeError, UsageError
from grader.result import write_atomically
from grader.similar.gather import Gathered, gather
from grader.similar.kept import beside, kept
from grader.similar.pairs import Found, Rule, find_similar
from grader.similar.prints import printed
from grader.similar.render import render
from grader.similar.telling import closing, table


@dataclass(frozen=True)
class Options:
    """What `dojo similar` was asked for."""

    submissions: Path
    exercises: list[Exercise]
    page: Path
    roster: Path | None = None
    only: Sequence[str] = ()
    least: float | None = None


def tell_similar(catalog: Catalog, options: Options) -> int:
    """Compares, prints, writes the page. Returns the exit code."""
    printed("")  # where copydetect is missing, this is said before anything is read
    gathered = gather(catalog, options.exercises, options.submissions, options.roster)
    _known(gathered, options)
    rule = Rule() if options.least is None else Rule(least_share=options.least)
    found = [_of_these(each, options.only) for each in _find(options.exercises, gathered, rule)]
    try:
        write_atomically(options.page, render(found))
        write_atomically(beside(options.page), kept(found))
    except OSError as error:
        raise JudgeError(f"the page '{options.page}' could not be written: {error.strerror}") from None
    for line in (*table(found), *closing(gathered, options.page)):
        print(line)
    return 0


def _known(gathered: Gathered, options: Options) -> None:
    for student in options.only:
        if student not in gathered.students:
            near = difflib.get_close_matches(student, gathered.students, 1)
            also = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"--only '{student}': nothing of such a student is in '{options.submissions}'{also}")


def _find(exercises: Iterable[Exercise], gathered: Gathered, rule: Rule) -> Iterator[Found]:
    for each in exercises:
        works, unread = gathered.works.get(each.slug, []), gathered.unread.get(each.slug, {})
        if works or unread:
            found = find_similar(each, works, rule)
            compared = {work.student for work in found.works}
            others = {student: why for student, why in unread.items() if student not in compared}
            yield replace(found, left_out={**others, **found.left_out})


def _of_these(found: Found, only: Sequence[str]) -> Found:
    """Pairs with one of these students; all of them where nobody is named."""
    pairs = [each for each in found.pairs if not only or each.left in only or each.right in only]
    return replace(found, pairs=pairs)
