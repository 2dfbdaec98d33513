"""`dojo cohort`: from a folder or an export to grades in the gradebook."""

from __future__ import annotations

import difflib
import secrets
import sys
import tempfile
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from grader.catalog import Catalog, Exercise
from grader.cohort.collect import Collection, Collector, Handed
from grader.cohort.cores import Cores
from grader.cohort.docket import Docket, Plan
from grader.cohort.engine import Engine
from grader.cohort.roster import Roster, read_roster
from grader.cohort.tally import Tally
from grader.cohort.telling import Telling, closing
from grader.errors import JudgeError, UsageError
from grader.gradebook.book import Gradebook, Student
from grader.grading import Settings
from grader.settings.policy import Policy
from grader.settings.table import near
from grader.text import clean_line

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
    engine: str = "local"
    address: str | None = None


def grade_cohort(catalog: Catalog, options: Options) -> int:
    """Grades, keeps and tells. Returns the exit code."""
    roster = read_roster(options.roster) if options.roster else None
    with tempfile.TemporaryDirectory(prefix="dojo-cohort-") as spool:
        found = Collector(catalog, roster, Path(spool)).collect(options.submissions)
        seed = secrets.randbits(63) if options.settings.seed is None else options.settings.seed
        handed = chosen(found, options)
        with open_engine(catalog, options) as engine, Gradebook.open(options.gradebook) as book:
            plan = planned(engine, options, handed, seed)
            book.enrol(enrolled(found, roster, options.only))
            for line in strangers(options.policy, {*found.students, *(each.id for each in book.students())}):
                print(f"dojo: {line}", file=sys.stderr)
            return _run(engine, plan, book, found)


def open_engine(catalog: Catalog, options: Options) -> Engine:
    """Where the judges are."""
    if options.engine == "ray":
        from grader.cohort.cluster import Cluster

        return Cluster(catalog.root, options.settings, options.address, options.submissions)
    return Cores(options.settings)


def planned(engine: Engine, options: Options, handed: list[Handed], seed: int) -> Plan:
    """What the run is to do. Raises NoDevice for an exercise that can't be graded where the judges are."""
    exercises = {each.exercise.slug: each.exercise for each in handed}
    devices = {slug: engine.device_for(exercise) for slug, exercise in exercises.items()}
    gpu = "cuda" in devices.values()
    slots = options.judges or 1 if gpu else 1
    turns = secrets.token_hex(8) if any(each.exclusive for each in exercises.values()) else ""
    settings = replace(options.settings, slots=slots, turns=turns)
    return Plan(handed, settings, devices, seed, engine.judges(options.judges, gpu), options.force, options.policy)


def _run(engine: Engine, plan: Plan, book: Gradebook, found: Collection) -> int:
    tally = Tally(len(plan.handed))
    telling, interrupted = Telling(tally), False
    try:
        with telling:
            engine.run(Docket(plan, book, tally, telling))
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


def strangers(policy: Policy, known: Set[str]) -> list[str]:
    """Extensions for nobody, which a slip of the pen makes: whoever was meant would be late without a word."""
    names = [name for name in policy.extensions if name not in known]
    return [clean_line(f"extensions.{name}: nobody here is called so{near(name, known)}") for name in names]


def enrolled(found: Collection, roster: Roster | None, only: Sequence[str]) -> list[Student]:
    """Whom the gradebook is to know: the class; without a roster, whoever has handed in something."""
    if roster:
        return roster.students
    return [each for each in found.students.values() if each.name and (not only or each.id in only)]
