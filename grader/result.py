"""What a grading run found: verdicts, failures, points. One versioned JSON; every view is drawn from it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from grader.errors import JudgeError

VERSION = 1
HIDDEN_TESTS = "The hidden tests"  # the sentence of the one that stands for them all


class Verdict(StrEnum):
    """The outcome of a test, a task or a submission."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    RUN_TIME_ERROR = "run_time_error"
    TIME_LIMIT = "time_limit_exceeded"
    MEMORY_LIMIT = "memory_limit_exceeded"
    NOT_ATTEMPTED = "not_attempted"
    JUDGE_ERROR = "judge_error"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")


# Over a submission the first of these counts. A fault of ours comes first, so that nobody takes the rest for a grade.
PRECEDENCE = (
    Verdict.JUDGE_ERROR,
    Verdict.TIME_LIMIT,
    Verdict.MEMORY_LIMIT,
    Verdict.RUN_TIME_ERROR,
    Verdict.WRONG_ANSWER,
    Verdict.NOT_ATTEMPTED,
    Verdict.ACCEPTED,
)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that counts over several. None at all is a fault of ours: nothing run is never a pass."""
    return min(verdicts, key=PRECEDENCE.index, default=Verdict.JUDGE_ERROR)


@dataclass(frozen=True)
class Place:
    """A line of the submission."""

    file: str
    line: int
    text: str
    column: int = 0


@dataclass(frozen=True)
class Failure:
    """Why a test failed, in the student's words: what was called, what was expected, what came, what to think about."""

    expected: str
    got: str
    call: str = ""
    hint: str = ""
    place: Place | None = None
    # For the instructor alone: the test's code, its inputs, our traceback. Never in a student's report.
    private: str = ""


class Failed(Exception):
    """A test that did not pass for a reason that lies with the submission."""

    def __init__(self, verdict: Verdict, failure: Failure) -> None:
        super().__init__(f"{verdict}: expected {failure.expected}; got {failure.got}")
        self.verdict = verdict
        self.failure = failure


@dataclass(frozen=True)
class TestResult:
    """One test of the suite."""

    __test__ = False  # not a test class to pytest

    name: str
    sentence: str
    task: int
    verdict: Verdict
    seconds: float
    failure: Failure | None = None
    printed: str = ""
    attempts: int = 1


@dataclass(frozen=True)
class TaskResult:
    """One task: its points are earned when all its tests pass."""

    number: int
    title: str
    max_points: float
    hints: list[str]
    tests: list[TestResult]
    bonus: bool = False  # its points count, and are no part of the maximum
    told: bool = True  # False: what its tests say is kept from the student, and one stands for them all

    @property
    def label(self) -> str:
        """The title, and what is special about the task."""
        return f"{self.title} (bonus)" if self.bonus else self.title

    @property
    def verdict(self) -> Verdict:
        return worst(test.verdict for test in self.tests)

    @property
    def points(self) -> float:
        return self.max_points if self.verdict is Verdict.ACCEPTED else 0


@dataclass(frozen=True)
class Provenance:
    """What the result rests on. The seed is secret: it is in the instructor's report alone."""

    grader: str
    submission_sha256: str
    suite_sha256: str
    lock_sha256: str
    seed: int | None
    device: str
    isolation: str
    notice: str
    python: str
    versions: dict[str, str]
    started: str
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A figure that a test measured of the submission, such as an accuracy. For the instructor alone."""

    name: str  # the threshold that it is held against
    value: float
    of: int = 0  # how many images it was counted on
    budget: str = ""  # all that decides its level beside the submission: data, net, epochs
    test: str = ""


@dataclass(frozen=True)
class Report:
    """The result of grading one submission of one exercise."""

    exercise: str
    title: str
    suite: str  # "hidden" or "public"
    provenance: Provenance
    tasks: list[TaskResult]
    problem: Failure | None = None  # what kept the whole submission from being run
    problem_verdict: Verdict = Verdict.RUN_TIME_ERROR
    remarks: list[str] = field(default_factory=list)  # of the suite, such as which data set was used
    measured: list[Measured] = field(default_factory=list)
    withheld: str = ""  # why the words of the tests are kept from the student, where they are
    version: int = VERSION

    @property
    def verdict(self) -> Verdict:
        """By the tasks that are due: a bonus that is missed costs nothing. A fault of ours is told wherever it is."""
        if self.problem:
            return self.problem_verdict
        due = [task for task in self.tasks if not task.bonus or task.verdict is Verdict.JUDGE_ERROR]
        return worst(task.verdict for task in due or self.tasks)

    @property
    def points(self) -> float:
        return 0 if self.problem else sum(task.points for task in self.tasks)

    @property
    def max_points(self) -> float:
        """Without those of bonus tasks: a report may have more points than these."""
        return sum(task.max_points for task in self.tasks if not task.bonus)

    @property
    def bonus_points(self) -> float:
        """Those of the points that bonus tasks have brought."""
        return 0 if self.problem else sum(task.points for task in self.tasks if task.bonus)

    @property
    def exit_code(self) -> int:
        """0 all points, 1 the submission lost points, 3 the judge failed."""
        if self.verdict is Verdict.JUDGE_ERROR:
            return 3
        return 0 if self.verdict is Verdict.ACCEPTED else 1

    def for_student(self, withheld: str = "") -> Self:
        """The same without the seed, the suite's code, the inputs and the figures.

        `withheld`: why the words of hidden tests are kept back as well, where they are (`Rules.withheld`).
        """
        # Public tests are no secret, and what kept a file from being run is no test's word.
        reason = "" if self.problem or self.suite != "hidden" else withheld
        tasks = [
            _untold(task, reason)
            if reason
            else dataclasses.replace(task, tests=[_without_private(test) for test in task.tests])
            for task in self.tasks
        ]
        problem = dataclasses.replace(self.problem, private="") if self.problem else None
        provenance = dataclasses.replace(self.provenance, seed=None)
        return dataclasses.replace(
            self, tasks=tasks, problem=problem, provenance=provenance, measured=[], withheld=reason
        )

    def to_json(self) -> str:
        body = dataclasses.asdict(self)
        body |= {"verdict": self.verdict, "points": self.points, "max_points": self.max_points}
        for row, task in zip(body["tasks"], self.tasks, strict=True):
            row |= {"verdict": task.verdict, "points": task.points}
        return json.dumps(body, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Reads what `to_json` wrote. Raises JudgeError if it is something else."""
        try:
            body = json.loads(text)
            if body["version"] != VERSION:
                raise JudgeError(f"the report has version {body['version']}, and this grader reads {VERSION}")
            return _report(body)
        except (KeyError, TypeError, ValueError) as error:
            raise JudgeError(f"the report can't be read: {error}") from None


def _without_private(test: TestResult) -> TestResult:
    if test.failure is None:
        return test
    return dataclasses.replace(test, failure=dataclasses.replace(test.failure, private=""))


def untold_failure(reason: str) -> Failure:
    """What is told of a task whose tests are not."""
    return Failure("a pass of every hidden test of this task", f"no pass. {reason}")


def _untold(task: TaskResult, reason: str) -> TaskResult:
    """One test in the place of all, with the task's verdict and nothing else of them."""
    passed = task.verdict is Verdict.ACCEPTED
    failure = None if passed else untold_failure(reason)
    seconds = sum(test.seconds for test in task.tests)
    one = TestResult(f"task_{task.number}", HIDDEN_TESTS, task.number, task.verdict, seconds, failure)
    return dataclasses.replace(task, tests=[one], told=False)


def _report(body: dict[str, Any]) -> Report:
    return Report(
        exercise=body["exercise"],
        title=body["title"],
        suite=body["suite"],
        provenance=Provenance(**body["provenance"]),
        tasks=[_task(row) for row in body["tasks"]],
        problem=_failure(body["problem"]),
        problem_verdict=Verdict(body["problem_verdict"]),
        remarks=list(body["remarks"]),
        measured=[Measured(**row) for row in body.get("measured", [])],
        withheld=body.get("withheld", ""),
    )


def _task(row: dict[str, Any]) -> TaskResult:
    tests = [result_from_json(test) for test in row["tests"]]
    plain = row["number"], row["title"], row["max_points"], list(row["hints"]), tests
    return TaskResult(*plain, row.get("bonus", False), row.get("told", True))


def result_from_json(row: dict[str, Any]) -> TestResult:
    """A test's result from its part of a report."""
    return TestResult(**{**row, "verdict": Verdict(row["verdict"]), "failure": _failure(row["failure"])})


def _failure(row: dict[str, Any] | None) -> Failure | None:
    if row is None:
        return None
    place = Place(**row["place"]) if row["place"] else None
    return Failure(**{**row, "place": place})


def write_atomically(path: Path, text: str) -> None:
    """Writes `text` to `path` so that a full disk or a crash leaves what was there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file():
            shutil.copymode(path, temporary)  # a new file is its owner's alone: a report holds seeds and tests
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
