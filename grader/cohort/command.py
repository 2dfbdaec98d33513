"""`dojo cohort`: from a folder or an export to grades in the gradebook."""

from __future__ import annotations

import difflib
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.catalog import Catalog, Exercise
from grader.cohort.collect import Collection, Collector, Handed
from grader.cohort.dispatch import Dispatch
from grader.cohort.docket import Docket, Plan
from grader.cohort.roster import Roster, read_roster
from grader.cohort.tally import Tally
from grader.cohort.telling import Telling, closing
from grader.errors import JudgeError, UsageError
from grader.gradebook.book import Gradebook, Student
from grader.gradebook.policy import Policy
from grader.grading import Settings, find_device

INTERRUPTED = 130


@dataclass(frozen=True)
class Options:
    """What `dojo cohort` was asked for."""

    submissions: Path
    exercises: list[Exercise]
    gradebook: Path
    settings: Settings
    policy: Policy
    roster: Path | None = None
    only: Sequence[str] = ()
    force: bool = False
    judges: int | None = None


def grade_cohort(catalog: Catalog, options: Options) -> int:
    """Grades, keeps and tells. Returns the exit code."""
    roster = read_roster(options.roster) if options.roster else None
    with tempfile.TemporaryDirectory(prefix="dojo-cohort-") as spool:
        found = Collector(catalog, roster, Path(spool)).collect(options.submissions)
        seed = secrets.randbits(63) if options.settings.seed is None else options.settings.seed
        settings = options.settings
        device = "cpu" if settings.device == "cpu" else find_device(settings.device)
        handed = chosen(found, options)
        plan = Plan(handed, settings, device, seed, judges(options, device), options.force, options.policy)
        tally = Tally(len(plan.handed))
        with Gradebook.open(options.gradebook) as book:
            book.enrol(enrolled(found, roster, options.only))
            return _run(plan, book, tally, found)


def _run(plan: Plan, book: Gradebook, tally: Tally, found: Collection) -> int:
    telling, interrupted = Telling(tally), False
    try:
        with telling:
            Dispatch(Docket(plan, book, tally, telling)).run()
    except KeyboardInterrupt:
        interrupted = True
    sys.stdout.flush()
    for line in closing(tally, found, telling.seconds()):
        print(line)
    if interrupted:
        left = tally.total - tally.done
        print(f"dojo: interrupted; {left:,} are left, and the same command goes on with them", file=sys.stderr)
        return INTERRUPTED
    return JudgeError.exit_code if tally.faults or tally.unread else 0


def chosen(found: Collection, options: Options) -> list[Handed]:
    """What is to be graded. Raises UsageError for a student whom nobody knows."""
    for student in options.only:
        if student not in found.students:
            near = difflib.get_close_matches(student, found.students, 1)
            also = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"--only '{student}': nothing of such a student is in '{options.submissions}'{also}")
    slugs = {each.slug for each in options.exercises}
    return [
        each
        for each in found.handed
        if each.exercise.slug in slugs and (not options.only or each.student in options.only)
    ]


def enrolled(found: Collection, roster: Roster | None, only: Sequence[str]) -> list[Student]:
    """Whom the gradebook is to know: the class; without a roster, whoever has handed in something."""
    if roster:
        return roster.students
    return [each for each in found.students.values() if each.name and (not only or each.id in only)]


def judges(options: Options, device: str) -> int:
    """How many judges work at a time: one for each core; one for the GPU, where two would disturb each other."""
    if options.judges is not None:
        return options.judges
    if device == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
