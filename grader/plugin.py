"""The pytest plugin: fixtures for suites, and a record of what each test found.

Under `dojo grade` a `Recorder` is registered with the run's settings, and `submission` is a fresh worker. Under plain
pytest there is none, and `submission` is the module itself: quick, traceable, and worth no points.
"""

from __future__ import annotations

import ast
import hashlib
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

from grader.catalog import Exercise, find_root, read_exercise
from grader.errors import DojoError, JudgeError, WorkerFault
from grader.result import Failed, Failure, TestResult, Verdict
from grader.workers import WorkerEnd

if TYPE_CHECKING:
    import torch

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


class Recorder:
    """Collects the outcome of every test, and decides whose fault it is."""

    def __init__(self, run: Run, started: Callable[[str], None], finished: Callable[[TestResult], None]) -> None:
        self.run = run
        self.files = run.files  # what a fresh worker holds
        self.results: list[TestResult] = []
        self.interrupted = False
        self.remarks: list[str] = []  # of the suite, for the report
        self.faults: list[str] = []  # of ours, outside any test: a suite that does not import, say
        self._started = started
        self._finished = finished
        self._errors: list[BaseException] = []
        self._seconds = 0.0
        self._kills_itself = False

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
        result = self._out_of_time(item) or self._attempt(item, nextitem)
        self.results.append(result)
        self._finished(result)
        return True

    def _attempt(self, item: pytest.Item, nextitem: pytest.Item | None) -> TestResult:
        attempt = 0
        while True:
            attempt += 1
            result = replace(self._protocol(item, nextitem), attempts=attempt)
            ours = result.verdict is Verdict.JUDGE_ERROR
            killed = any(map(was_killed, self._errors))
            if not ours and (not killed or self._kills_itself):
                return result
            if attempt == ATTEMPTS:
                # Killed once may be the machine's doing. Twice is the submission's, and is not doubted again.
                self._kills_itself |= not ours
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
        from grader.sandbox import Isolation
        from grader.submission import read_submission

        exercise = self.run.exercise
        if self.run.sandbox.isolation is not Isolation.BUBBLEWRAP or not exercise.solution.is_dir():
            return None
        reference = read_submission(exercise, exercise.solution)
        return None if reference.problem else reference.files

    def _out_of_time(self, item: pytest.Item) -> TestResult | None:
        """A task's points are lost with its first time-out: waiting for its other tests to time out tells no more."""
        task = task_of(item)
        if not any(result.task == task and result.verdict is Verdict.TIME_LIMIT for result in self.results):
            return None
        failure = Failure("an answer in time", "not run: an earlier test of this task ran out of time")
        return TestResult(item.name, sentence(item), task, Verdict.TIME_LIMIT, 0.0, failure, attempts=0)

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


def sentence(item: pytest.Item) -> str:
    """What a test is about: the first line of its docstring, or its name in words."""
    function = getattr(item, "function", None)
    doc = inspect.getdoc(function) if function else None
    return doc.splitlines()[0].rstrip(".") if doc else item.name.removeprefix("test_").replace("_", " ")


def shadowed(source: str) -> str:
    """The names of tests that stand in a suite more than once: Python keeps the last one, and pytest sees no other."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    names = Counter(node.name for node in ast.parse(source).body if isinstance(node, kinds))
    return ", ".join(name for name, count in names.items() if count > 1 and name.startswith("test"))


def was_killed(error: BaseException) -> bool:
    """Whether a test failed because its worker was killed, by itself or by the machine."""
    return isinstance(error.__context__, WorkerEnd) and error.__context__.killed


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


def derived_seed(*parts: object) -> int:
    """A seed of 63 bits from the run's seed and a purpose; knowing one tells nothing of another."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "task(number): the task of the exercise whose points this test decides")


def _recorder(request: pytest.FixtureRequest) -> Recorder | None:
    plugin = request.config.pluginmanager.get_plugin("dojo-recorder")
    return plugin if isinstance(plugin, Recorder) else None


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> Iterator[RemoteSubmission | LocalSubmission]:
    """The student's module, in a fresh worker."""
    yield from _serve(request, request.node)


@pytest.fixture(scope="module")
def shared_submission(request: pytest.FixtureRequest) -> Iterator[RemoteSubmission | LocalSubmission]:
    """The same, in one worker for all tests of the module: for what is too slow to do twice, such as a training."""
    yield from _serve(request, request.node)


def _serve(request: pytest.FixtureRequest, node: pytest.Item) -> Iterator[RemoteSubmission | LocalSubmission]:
    recorder = _recorder(request)
    one: RemoteSubmission | LocalSubmission
    if recorder is None:
        from grader.local import LocalSubmission

        one = LocalSubmission(Path(str(request.path)).parent, _exercise(request).files)
    else:
        from grader.remote import RemoteSubmission

        run = recorder.run
        seed = derived_seed(run.seed, "worker", node.name)
        one = RemoteSubmission(run.sandbox, recorder.files, run.exercise.limits, seed)
    node.stash[SUBMISSION] = one
    yield one
    if recorder is None or not recorder.interrupted:
        one.finish()


def _exercise(request: pytest.FixtureRequest) -> Exercise:
    recorder = _recorder(request)
    if recorder is not None:
        return recorder.run.exercise
    folder = Path(str(request.path)).parent
    return read_exercise(find_root(folder), folder)


@pytest.fixture
def exercise(request: pytest.FixtureRequest) -> Exercise:
    """The exercise's description, with its published thresholds and limits."""
    return _exercise(request)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> torch.Generator:
    """A generator on the CPU, seeded from the run's secret seed and the test's name."""
    import torch

    recorder = _recorder(request)
    seed = recorder.run.seed if recorder else 0
    return torch.Generator().manual_seed(derived_seed(seed, "inputs", request.node.name))


@pytest.fixture(scope="session")
def secret_seed(request: pytest.FixtureRequest) -> Callable[[str], int]:
    """Gives a seed for a purpose, from the run's secret seed: for what several tests of a suite share."""
    recorder = _recorder(request)
    seed = recorder.run.seed if recorder else 0
    return lambda purpose: derived_seed(seed, "shared", purpose)


@pytest.fixture(scope="session")
def remark(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Puts a line into the report, such as which data set was used."""
    recorder = _recorder(request)
    return recorder.remarks.append if recorder else print


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """Where the worker computes: "cpu" or "cuda"."""
    recorder = _recorder(request)
    return recorder.run.device if recorder else "cpu"
