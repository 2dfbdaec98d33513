"""The tasks, their tests and their failures, as the page says them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from grader.page.source import caret_parts
from grader.report import number
from grader.result import Failure, Place, Report, TaskResult, TestResult, Verdict
from grader.text import clean, clean_line

# The sign before a verdict, and the class of its colour.
MARKS = {
    Verdict.ACCEPTED: ("✓", "passed"),
    Verdict.NOT_ATTEMPTED: ("·", "untouched"),
    Verdict.JUDGE_ERROR: ("!", "ours"),
}
MISS = ("✗", "failed")
OPENED = 3  # failures of a task that are told in full from the start: what to mend first
MAX_PRIVATE = 20_000  # characters of a test's code and inputs


@dataclass(frozen=True)
class Mark:
    """A verdict as it is shown: a sign, a class for its colour, and words, for neither is to be needed."""

    sign: str
    kind: str
    words: str

    @classmethod
    def of(cls, verdict: Verdict) -> Mark:
        return cls(*MARKS.get(verdict, MISS), verdict.words)


@dataclass(frozen=True)
class PlaceView:
    """A line of the submission; `sign` is what a caret points at, where it is known."""

    file: str
    line: int
    before: str
    sign: str
    after: str


@dataclass(frozen=True)
class FailureView:
    """Why something failed."""

    call: str
    expected: str
    got: str
    hint: str
    place: PlaceView | None
    private: str


@dataclass(frozen=True)
class TestView:
    """One test. `opened`: its failure is told from the start."""

    __test__ = False  # not a test class to pytest

    sentence: str
    mark: Mark
    failure: FailureView | None = None
    printed: str = ""
    opened: bool = True


@dataclass(frozen=True)
class TaskView:
    """One task. Of `alike`, tests that failed for a reason told before, and of `passed`: the sentence, and how many."""

    number: int
    title: str
    mark: Mark
    points: str
    max_points: str
    hints: list[str]
    failed: list[TestView] = field(default_factory=list)
    alike: list[tuple[str, int]] = field(default_factory=list)
    passed: list[tuple[str, int]] = field(default_factory=list)
    told: bool = True  # whether its tests are shown

    @property
    def untouched(self) -> bool:
        return self.mark.kind == "untouched"

    @property
    def passes(self) -> int:
        return sum(number for _, number in self.passed)

    @property
    def repeats(self) -> int:
        return sum(number for _, number in self.alike)

    @property
    def tests(self) -> int:
        return len(self.failed) + self.repeats + self.passes


def tasks_of(report: Report, instructor: bool) -> list[TaskView]:
    """The tasks of `report`. One cause behind many tests is told once; an instructor's tests show their code, all."""
    if report.withheld:
        return [replace(_task(task, [], []), passed=[], told=False) for task in report.tasks]
    if report.problem:  # the one reason of all failures stands above the tasks
        return [_task(task, [], []) for task in report.tasks]
    told: set[Failure] = set()
    rows = []
    for task in report.tasks:
        failed: list[TestResult] = []
        alike: list[TestResult] = []
        for test in task.tests:
            if test.verdict is not Verdict.ACCEPTED:
                (alike if not instructor and _is_told(test, told) else failed).append(test)
        rows.append(_task(task, failed, alike))
    return rows


def _task(task: TaskResult, failed: list[TestResult], alike: list[TestResult]) -> TaskView:
    return TaskView(
        task.number,
        task.label,
        Mark.of(task.verdict),
        number(task.points),
        number(task.max_points),
        task.hints,
        [
            _test(test, place < OPENED or bool(test.failure and test.failure.private))
            for place, test in enumerate(failed)
        ],
        _counted(alike),
        _counted(test for test in task.tests if test.verdict is Verdict.ACCEPTED),
    )


def _is_told(test: TestResult, told: set[Failure]) -> bool:
    """The same line of the submission, or the same missing name, behind many tests is told once."""
    if test.failure is None or test.verdict is not Verdict.RUN_TIME_ERROR:
        return False
    cause = replace(test.failure, call="", private="", hint="")
    known = cause in told
    told.add(cause)
    return known


def _counted(tests: Iterable[TestResult]) -> list[tuple[str, int]]:
    """The sentences, each once, with the number of tests that it stands for."""
    return list(Counter(clean_line(test.sentence) for test in tests).items())


def _test(test: TestResult, opened: bool) -> TestView:
    sentence, mark = clean_line(test.sentence), Mark.of(test.verdict)
    if test.failure is None or test.verdict is Verdict.NOT_ATTEMPTED:
        return TestView(sentence, mark, opened=False)
    return TestView(sentence, mark, failure_of(test.failure), clean(test.printed, 4000).strip(), opened)


def failure_of(failure: Failure) -> FailureView:
    """A failure, made safe to show."""
    return FailureView(
        clean_line(failure.call, 500),
        clean(failure.expected),
        clean(failure.got),
        clean(failure.hint),
        _place(failure.place) if failure.place else None,
        clean(failure.private, MAX_PRIVATE),
    )


def _place(place: Place) -> PlaceView:
    return PlaceView(clean_line(place.file), place.line, *caret_parts(place))
