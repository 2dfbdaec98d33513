"""The answers of a class as text: from folders, zips and exports, as `dojo cohort` finds them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from grader.catalog import Catalog, Exercise
from grader.cohort.collect import Collector, Handed, Stray
from grader.cohort.roster import read_roster
from grader.errors import UsageError
from grader.similar.pairs import Work
from grader.submission import Submission, read_submission
from grader.text import clean_line


@dataclass
class Gathered:
    """Answers by exercise, and what could not be used."""

    works: dict[str, list[Work]] = field(default_factory=dict)
    unread: dict[str, dict[str, str]] = field(default_factory=dict)  # by exercise: students, and why
    students: set[str] = field(default_factory=set)
    strays: list[Stray] = field(default_factory=list)


def gather(catalog: Catalog, exercises: Iterable[Exercise], path: Path, roster: Path | None) -> Gathered:
    """Raises UsageError where there is nothing to look at, or the roster can't be read."""
    slugs = {each.slug for each in exercises}
    with TemporaryDirectory(prefix="dojo-similar-") as spool:
        known = read_roster(roster) if roster else None
        found = Collector(catalog, known, Path(spool)).collect(path)
        handed = [each for each in found.handed if each.exercise.slug in slugs]
        gathered = Gathered(students=set(found.students), strays=found.strays)
        for each, submission in zip(handed, _read(handed), strict=True):
            _put(gathered, each, submission)
    return gathered


def _read(handed: Sequence[Handed]) -> list[Submission | str]:
    """On all cores: whether a file is Python is asked of a process of its own."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_read_one, handed))


def _read_one(handed: Handed) -> Submission | str:
    try:
        return read_submission(handed.exercise, handed.folder)
    except UsageError as error:
        return str(error)


def _put(gathered: Gathered, handed: Handed, read: Submission | str) -> None:
    if isinstance(read, str) or read.problem:
        why = read if isinstance(read, str) else f"can't be read: {read.problem.got}" if read.problem else ""
        gathered.unread.setdefault(handed.exercise.slug, {})[handed.student] = clean_line(why)
        return
    gathered.works.setdefault(handed.exercise.slug, []).append(work_of(handed.student, read.files))


def work_of(student: str, files: dict[str, str]) -> Work:
    """The files one after the other, each with a line's end at its end."""
    texts = {name: text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n" for name, text in files.items()}
    return Work(student, "".join(texts.values()), tuple((name, text.count("\n")) for name, text in texts.items()))
