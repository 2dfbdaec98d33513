"""All that a watch has to show, as plain values. `screen` draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.catalog import Exercise
from grader.live.board import Row
from grader.result import Failure, TestResult


@dataclass(frozen=True)
class Entry:
    """An exercise in the list. `points` is None where it was never graded."""

    key: str
    title: str
    points: float | None
    max_points: float
    current: bool = False


@dataclass(frozen=True)
class View:
    """All that there is to show."""

    exercise: Exercise
    rows: Sequence[Row]
    points: float
    max_points: float
    state: str
    file: str = ""  # where the student works
    how: str = ""  # which tests, where they run
    problem: Failure | None = None  # what keeps the file from being run
    failure: TestResult | None = None  # the one that is told in full
    stale: bool = False  # it rests on the file before the last save
    more: int = 0  # how many others fail, of its task
    elsewhere: int = 0  # and of other tasks
    todo: Row | None = None  # the task to begin with, where nothing fails
    hints: Sequence[str] = ()  # those that were asked for
    hints_left: int = 0
    solved: bool = False
    next: str = ""  # the exercise that comes next
    training: str = ""  # the sentence of the test that trains
    notice: str = ""
    remarks: Sequence[str] = ()
    help: bool = False
    entries: Sequence[Entry] = ()
    verdict: str = ""  # how long the last one took
    number: int = 0  # of verdicts so far
