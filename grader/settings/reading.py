"""Reads `course.toml`, and holds what it names against the exercises that there are."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageError
from grader.settings.course import NAME, CourseSettings
from grader.settings.policy import MOST_DROPPED, Counts, Policy
from grader.settings.rules import Rules, Visibility
from grader.settings.table import Table, near

FORMER = "grading.toml"  # held a part of it
LONGEST = 500  # characters of the message
MOST_SEED = 2**63 - 1
KEYS = (
    *("message", "visibility", "bonus", "thresholds", "seeds"),
    *("counts", "drop_lowest", "late", "due", "extensions", "columns"),
)


@dataclass(frozen=True)
class Outline:
    """What an exercise has that the settings can name."""

    slug: str
    tasks: int
    thresholds: Mapping[str, float]


def read_settings(root: Path, outlines: Sequence[Outline]) -> CourseSettings:
    """The settings of the course at `root`; those of no file where there is none. Raises UsageError."""
    former, path = root / FORMER, root / NAME
    if former.exists():
        raise UsageError(f"'{former}' is no longer read: move what it says into '{path}', where the keys are the same")
    if not path.exists() and not path.is_symlink():
        return CourseSettings()
    return read_file(path, outlines)


def read_file(path: Path, outlines: Sequence[Outline]) -> CourseSettings:
    """Raises UsageError, naming the file, what is wrong in it, and where."""
    try:
        body = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"'{path}' can't be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"'{path}' is no TOML: {error}") from None
    try:
        return _settings(Table(body), {each.slug: each for each in outlines})
    except UsageError as error:
        raise UsageError(f"'{path}': {error}") from None


def _settings(file: Table, outlines: Mapping[str, Outline]) -> CourseSettings:
    file.only(KEYS)
    message = file.text("message").strip()
    if len(message) > LONGEST:
        raise UsageError(f"message has {len(message)} characters, and at most {LONGEST} are shown: shorten it")
    policy = _policy(file, outlines)
    return CourseSettings(message, policy, _rules(file, outlines, policy), _seeds(file.table("seeds")))


def _policy(file: Table, outlines: Mapping[str, Outline]) -> Policy:
    late = file.table("late")
    late.only(("percent_per_day", "grace_minutes", "cap_percent"))
    due, columns, extensions = (file.table(key) for key in ("due", "columns", "extensions"))
    of = [extensions.table(student) for student in extensions]
    for table in (due, columns, *of):
        table.only(outlines, "exercise")
    return Policy(
        counts=Counts(file.choice("counts", tuple(Counts), Counts.BEST)),
        drop_lowest=file.whole("drop_lowest", 0, 0, MOST_DROPPED, f"a whole number from 0 to {MOST_DROPPED}"),
        late_percent_per_day=late.number("percent_per_day", 0, 0, 100),
        late_grace_minutes=late.number("grace_minutes", 0, 0, math.inf),
        late_cap_percent=late.number("cap_percent", 100, 0, 100),
        due=due.moments(),
        extensions={student: table.moments() for student, table in zip(extensions, of, strict=True)},
        columns={slug: columns.text(slug) for slug in columns},
    )


def _rules(file: Table, outlines: Mapping[str, Outline], policy: Policy) -> dict[str, Rules]:
    visibility, bonus, thresholds = (
        _visibility(file, outlines, policy),
        _bonus(file, outlines),
        file.table("thresholds"),
    )
    thresholds.only(outlines, "exercise")
    rules = {}
    for slug, outline in outlines.items():
        extensions = {name: times[slug] for name, times in policy.extensions.items() if slug in times}
        changed = _thresholds(thresholds.table(slug), outline)
        published = {name: outline.thresholds[name] for name in changed}
        due = policy.due.get(slug)
        rules[slug] = Rules(visibility[slug], due, extensions, frozenset(bonus[slug]), changed, published)
    return rules


def _visibility(file: Table, outlines: Mapping[str, Outline], policy: Policy) -> dict[str, Visibility]:
    table, kinds = file.table("visibility"), tuple(Visibility)
    table.only(("default", *outlines), "exercise")
    default = table.choice("default", kinds, Visibility.PUBLIC)
    found = {slug: Visibility(table.choice(slug, kinds, default)) for slug in outlines}
    for slug in outlines:
        if slug in table and found[slug] is Visibility.AFTER_DUE_DATE and slug not in policy.due:
            raise UsageError(f"{table.path(slug)}='{found[slug]}' needs the time: add '{slug}' to [due]")
    return found


def _bonus(file: Table, outlines: Mapping[str, Outline]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {slug: set() for slug in outlines}
    for text in file.texts("bonus"):
        slug, _, number = text.rpartition(".")
        if not slug or not number.isdecimal():
            raise UsageError(f"bonus: '{text}' is to be an exercise and a task, as in 'ex06_lr_scheduler.4'")
        if slug not in outlines:
            raise UsageError(f"bonus: unknown exercise '{slug}'{near(slug, outlines)}")
        if not 1 <= int(number) <= outlines[slug].tasks:
            raise UsageError(f"bonus: '{slug}' has no task {number}: its tasks are 1 to {outlines[slug].tasks}")
        found[slug].add(int(number))
    return found


def _thresholds(table: Table, outline: Outline) -> dict[str, float]:
    if table.body and not outline.thresholds:
        raise UsageError(f"'{table.where}': this exercise has no thresholds")
    table.only(outline.thresholds, "threshold")
    found = {}
    for name in table:
        # A share stays one: 60 in the place of 0.60 would be a threshold that nobody can reach.
        most = 1 if outline.thresholds[name] <= 1 else math.inf
        found[name] = table.number(name, 0, 0, most)
        if not 0 < found[name] < math.inf:
            raise table.refuse(name, "above 0, and finite")
    return found


def _seeds(table: Table) -> dict[str, int]:
    said = "a whole number from 0 to 2^63 - 1"
    return {cohort: table.whole(cohort, 0, 0, MOST_SEED, said) for cohort in table}
