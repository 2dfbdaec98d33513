"""The record of a run: the outcome of every test of a suite, and whose fault each failure is.

Under `dojo grade` a `Recorder` is registered with pytest. It runs a test again when the fault was ours.
"""

from __future__ import annotations

import ast
import functools
import inspect
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.runner import call_and_report, runtestprotocol

from grader.catalog import Exercise
from grader.effort import Effort, Selection
from grader.errors import DojoError, JudgeError, WorkerFault
from grader.result import Failed, Failure, Measured, TestResult, Verdict
from grader.workers import WorkerEnd

if TYPE_CHECKING:
    from grader.local import LocalSubmission
    from grader.remote import RemoteSubmission
    from grader.sandbox import Sandbox

PHASES = 3  # setup, call, teardown
ATTEMPTS = 2  # a fault of ours is tried once more
BACKSTOP = 30  # a test of ours that outlasts its worker's limit this many times hangs


@dataclass(frozen=True)
class Run:
    """What a suite is run against."""

    exercise: Exercise
    files: Mapping[str, str]
    sandbox: Sandbox
    seed: int
    device: str
    effort: Effort = Effort.WHOLE
    first: tuple[str, ...] = ()  # names of tests that run before the others
    selection: Selection = Selection.ALL


class Recorder:
    """Collects the outcome of every test, and decides whose fault it is."""

    def __init__(self, run: Run, started: Callable[[str], None], finished: Callable[[TestResult], None]) -> None:
        self.run = run
        self.files = run.files  # what a fresh worker holds
        self.results: list[TestResult] = []
        self.interrupted = False
        self.touched: dict[str, frozenset[str] | None] = {}  # names that a test used; None: any may have been
        self.remarks: list[str] = []  # of the suite, for the report
        self.measured: list[Measured] = []  # that the suite measured
        self.faults: list[str] = []  # of ours, outside any test: a suite that does not import, say
        self._started = started
        self._finished = finished
        self._errors: list[BaseException] = []
        self._seconds = 0.0
        self._confirmed = False  # that what looked like the machine's doing is the submission's

    def aim(self, run: Run, finished: Callable[[TestResult], None]) -> None:
        """In a fork that runs a part of the suite: what it is run against from now on, and who is told."""
        self.run, self.files, self._finished = run, run.files, finished

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # A worker in the middle of a call has nothing more to say.
        self.interrupted = excinfo.type is KeyboardInterrupt
        if not self.interrupted:  # pytest's own ways to stop early, which no suite has a use for
            self.faults.append(f"the suite was stopped: {excinfo.value}")

    def pytest_internalerror(self, excrepr: object) -> bool:
        self.faults.append(f"pytest failed:\n{excrepr}")
        return True  # it is told, and need not be printed

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[None]:
        with self._backstop():
            return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome != "passed":
            self.faults.append(f"the suite could not be collected:\n{report.longreprtext}")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """What is likeliest to fail comes first, and tests that train last: what is quick to tell is told early."""
        if self.run.selection is not Selection.ALL:
            items[:] = [item for item in items if is_training(item) == (self.run.selection is Selection.TRAINING)]
        likeliest, place = self.run.first[:1], {name: number for number, name in enumerate(self.run.first)}
        items.sort(key=lambda item: (item.name not in likeliest, is_training(item), place.get(item.name, len(place))))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for path in {item.path for item in session.items}:
            if twice := shadowed(path.read_text("utf-8")):
                self.faults.append(f"'{path}' has two tests of one name, and the first is never run: {twice}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        missing = [item.nodeid for item in getattr(session, "items", [])[len(self.results) :]]
        if missing:
            self.faults.append(f"tests without a result: {', '.join(missing)}")

    def _backstop(self) -> AbstractContextManager[None]:
        return backstop(self.run.exercise.limits.test_seconds * BACKSTOP)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Runs a test, and once more in a fresh worker when the fault was ours."""
        self._started(sentence(item))
        result = self._not_run(item) or self._attempt(item, nextitem)
        self.results.append(result)
        self.touched[item.name] = _touched(item, result)
        self._finished(result)
        return True

    def _attempt(self, item: pytest.Item, nextitem: pytest.Item | None) -> TestResult:
        attempt = 0
        while True:
            attempt += 1
            result = replace(self._protocol(item, nextitem), attempts=attempt)
            ours = result.verdict is Verdict.JUDGE_ERROR
            doubtful = any(map(is_doubtful, self._errors))
            if not ours and (not doubtful or self._confirmed):
                return result
            if attempt == ATTEMPTS:
                # Killed once, or once without memory on a GPU, may be the machine's doing. Twice is the submission's.
                self._confirmed |= not ours
                return self._compared(item, nextitem, result) if ours else result
            # The module's fixtures end too: a worker that tests share is as dead as one of their own.
            call_and_report(item, "teardown", log=False, nextitem=None)

    def _protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> TestResult:
        self._errors, self._seconds = [], 0.0
        with self._backstop():
            ran = runtestprotocol(item, nextitem=nextitem, log=False)
        return self._judge(item, ran)

    def _compared(self, item: pytest.Item, nextitem: pytest.Item | None, result: TestResult) -> TestResult:
        """Whose fault it is that a test stumbled over what came: it runs on the reference, with the same inputs.

        Where the reference passes, the suite is sound, and the submission's reply is what it could not read.
        """
        ours = [error for error in self._errors if not isinstance(error, Failed)]
        submission = item.stash.get(SUBMISSION, None)
        if submission is None or not ours or not all(_stumbled(error, item) for error in ours):
            return result
        reference = self._reference()
        if reference is None:
            return result
        call, self.files = submission.last_call, reference
        try:
            control = self._protocol(item, nextitem)
        finally:
            self.files = self.run.files
        if control.verdict is not Verdict.ACCEPTED:
            return result
        private = f"the reference passes on the same inputs\n{result.failure.private if result.failure else ''}"
        got = f"a value that the test can't read ({type(ours[0]).__name__})"
        failure = Failure("a value of the form that is due", got, call, private=private)
        return replace(result, verdict=Verdict.WRONG_ANSWER, failure=failure)

    def _reference(self) -> Mapping[str, str] | None:
        """The reference's files, where there are any, and where no submission's process can come near them."""
        from grader.parent import Isolation
        from grader.submission import read_submission

        exercise = self.run.exercise
        if self.run.sandbox.isolation is not Isolation.BUBBLEWRAP or not exercise.solution.is_dir():
            return None
        reference = read_submission(exercise, exercise.solution)
        return None if reference.problem else reference.files

    def _not_run(self, item: pytest.Item) -> TestResult | None:
        """A failure in place of a test that would tell no more than what is known already."""
        task = task_of(item)
        if any(result.task == task and result.verdict is Verdict.TIME_LIMIT for result in self.results):
            # A task's points are lost with its first time-out, and each further one costs as long again.
            failure = Failure("an answer in time", "not run: an earlier test of this task ran out of time")
            return TestResult(item.name, sentence(item), task, Verdict.TIME_LIMIT, 0.0, failure, attempts=0)
        effort = self.run.effort
        spared = effort is Effort.FIRST_FAILURE or (effort is Effort.SPARING and is_training(item))
        if not spared or all(result.verdict in (Verdict.ACCEPTED, Verdict.JUDGE_ERROR) for result in self.results):
            return None
        failure = Failure("a pass of the tests before it", "not run: an earlier test has failed")
        return TestResult(item.name, sentence(item), task, Verdict.WRONG_ANSWER, 0.0, failure, attempts=0)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        if call.excinfo is not None:
            self._errors.append(call.excinfo.value)
        self._seconds += call.duration
        return (yield)

    def _judge(self, item: pytest.Item, ran: list[pytest.TestReport]) -> TestResult:
        module = item.getparent(pytest.Module)
        shared = module.stash.get(SUBMISSION, None) if module else None
        submission = item.stash.get(SUBMISSION, shared)
        result = TestResult(item.name, sentence(item), task_of(item), Verdict.ACCEPTED, round(self._seconds, 4))
        result = replace(result, printed=submission.printed if submission is not None else "")
        ours = [error for error in self._errors if not isinstance(error, Failed)]
        marked = any(hasattr(report, "wasxfail") for report in ran)
        whole = len(ran) == PHASES and all(report.passed for report in ran)
        if ours or marked or not (whole or self._errors):
            # Skipped tests and expected failures come here too: they are no passes.
            return replace(result, verdict=Verdict.JUDGE_ERROR, failure=_our_fault(item, ours))
        if not self._errors:
            return result
        error = self._errors[0]
        assert isinstance(error, Failed)
        failure = replace(error.failure, private=_evidence(item, submission))
        if not failure.call and submission is not None:
            failure = replace(failure, call=submission.last_call)
        return replace(result, verdict=error.verdict, failure=failure)


SUBMISSION = pytest.StashKey["RemoteSubmission | LocalSubmission"]()


def task_of(item: pytest.Item) -> int:
    """The number of the task that a test decides; 0 without a mark."""
    marker = item.get_closest_marker("task")
    return marker.args[0] if marker and marker.args and isinstance(marker.args[0], int) else 0


def is_training(item: pytest.Item) -> bool:
    """Whether a test trains a network, and so takes long."""
    return item.get_closest_marker("training") is not None


def sentence(item: pytest.Item) -> str:
    """What a test is about: the first line of its docstring, or its name in words."""
    function = getattr(item, "function", None)
    doc = inspect.getdoc(function) if function else None
    return doc.splitlines()[0].rstrip(".") if doc else item.name.removeprefix("test_").replace("_", " ")


def _touched(item: pytest.Item, result: TestResult) -> frozenset[str] | None:
    """The names of the submission that a test used, or None where others may have a part in its outcome.

    A test that failed may have ended before it used them all, and a shared worker has done what other tests asked.
    """
    submission = item.stash.get(SUBMISSION, None)
    shared = "shared_submission" in getattr(item, "fixturenames", ())
    if submission is None or shared or result.verdict is not Verdict.ACCEPTED or result.attempts != 1:
        return None
    return getattr(submission, "touched", None) or None  # without a call there is nothing to go by


@functools.cache  # a judge of many submissions asks for a few suites, and parsing one takes as long as a test
def shadowed(source: str) -> str:
    """The names of tests that stand in a suite more than once: Python keeps the last one, and pytest sees no other."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    names = Counter(node.name for node in ast.parse(source).body if isinstance(node, kinds))
    return ", ".join(name for name, count in names.items() if count > 1 and name.startswith("test"))


def is_doubtful(error: BaseException) -> bool:
    """Whether a test failed because of an end that the worker, or the machine, may have brought about."""
    return isinstance(error.__context__, WorkerEnd) and error.__context__.doubtful


@contextmanager
def backstop(seconds: float) -> Iterator[None]:
    """Raises JudgeError in the block when it takes longer. Does nothing outside of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise JudgeError(f"a suite of ours hangs: there was no end within {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, stop)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left)  # of a run around this one


def _stumbled(error: BaseException, item: pytest.Item) -> bool:
    """Whether an error may lie with what came from a worker: it arose in the suite's own lines, not in the grader's."""
    if isinstance(error, WorkerFault):
        return True
    if not isinstance(error, Exception) or isinstance(error, DojoError | AssertionError | OSError | MemoryError):
        return False
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    inner = [file for file in files if file == item.path or file.parent == Path(__file__).parent]
    return inner[-1:] == [item.path]


def _our_fault(item: pytest.Item, errors: list[BaseException]) -> Failure:
    """Tells a student no more than the kind of error: its text may hold what the suite expects."""
    text = "".join("".join(traceback.format_exception(error)) for error in errors) or "the test did not run to its end"
    kind = type(errors[0]).__name__ if errors else "the test did not run to its end"
    return Failure(
        "a test that runs", f"a fault of the grader, not of yours ({kind})", private=f"{item.nodeid}\n{text}"
    )


def _evidence(item: pytest.Item, submission: RemoteSubmission | LocalSubmission | None) -> str:
    """For the instructor: the inputs of each call, and the test's own code."""
    function = getattr(item, "function", None)
    code = inspect.getsource(function) if function else ""
    calls = "\n".join(getattr(submission, "requests", []))
    return f"{item.nodeid}\n{calls}\n{code}"
