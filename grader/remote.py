"""The `submission` of a suite: calls go to a worker as data, and come back as data or as a failed test."""

from __future__ import annotations

import builtins
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grader.catalog import Limits
from grader.clues import clue
from grader.describe import describe_arguments, shown_in_full
from grader.driver import driver_source
from grader.errors import WorkerFault
from grader.gpu import account
from grader.mentions import names_of_driver
from grader.result import Failed, Failure, Place, Verdict
from grader.sandbox import Sandbox
from grader.wire import Caps, FrameReader, WireError, decode, encode
from grader.workers import Worker, WorkerEnd

if TYPE_CHECKING:
    import torch

MAX_SHOWN = 600
KEPT_FRAME = 64 << 10  # bytes of a request that is kept as it was sent
MAX_OUTPUT = 1 << 20  # characters of a script's output
MAX_ITEMS = 8  # frames of a traceback, or names like the missing one

TASK = re.compile(r"task \d+\b")  # how a stub's message begins

# What to think about when a worker came to an end.
SLOW = "Where does the time go: into a loop that never ends, a loop over single numbers, or waiting for something?"
LARGE = "Which tensor is the largest, how many bytes are that, and is it needed as a whole?"
STARTED = "Which of your calls starts them, how many each time, and does each of them end?"
PRINTED = "What is printed here, and how often? Is it a line from the search for a bug?"
ENDED = "A function ends with return. What ends the whole program here: a call to exit, or a crash below Python?"


@dataclass(frozen=True)
class Raised:
    """An exception of the submission, as data. `type` is the exact built-in type's name, or "other"."""

    type: str
    name: str
    message: str
    place: Place | None

    @property
    def is_stub(self) -> bool:
        """Whether a line that a student has yet to write raised it. torch raises the same type for what it lacks."""
        if self.type != "NotImplementedError":
            return False
        return self.type in self.place.text if self.place else bool(TASK.match(self.message))

    def __str__(self) -> str:
        name = self.type
        if name == "other":
            # Its class may bear the name of a built-in one; then the name alone would puzzle.
            name = f"your own class {self.name}" if hasattr(builtins, self.name) else self.name
        return f"{name}: {self.message}" if self.message else name


class SubmissionError(Failed):
    """The submission raised where a value is due."""

    def __init__(self, raised: Raised, call: str) -> None:
        untouched = raised.is_stub
        verdict = Verdict.NOT_ATTEMPTED if untouched else Verdict.RUN_TIME_ERROR
        expected = "your code for " + raised.message if untouched else "a result, and no exception"
        hint = "" if untouched else clue(raised.message)
        super().__init__(verdict, Failure(expected, str(raised), call, hint, raised.place))
        self.raised = raised


@dataclass(frozen=True)
class ScriptResult:
    """How a script of the submission ended. All of it is the submission's own word."""

    exit_code: int
    stdout: str
    stderr: str
    cpu_seconds: float


@dataclass
class MemoryUse:
    """Filled in when a `measured` block ends: bytes beyond what was resident before it, measured from outside."""

    extra_memory_bytes: int = 0


class RemoteFunction:
    """A function of the submission: call it, or hand it to `check_raises`."""

    def __init__(self, submission: RemoteSubmission, name: str) -> None:
        self._submission = submission
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = f"{self._name}({describe_arguments(args, kwargs)})"
        return self._submission.ask({"op": "call", "name": self._name, "args": args, "kwargs": kwargs}, call)


class RemoteSubmission:
    """A submission in a worker. Attributes are the functions of its first file."""

    def __init__(self, sandbox: Sandbox, files: Mapping[str, str], limits: Limits, seed: int) -> None:
        self._files = files
        self._limits = limits
        self._slot = sandbox.slot
        self._left = limits.test_seconds
        self._worker: Worker = sandbox.spawn(files, limits, seed)
        self.last_call = ""
        self.touched: frozenset[str] | None = frozenset()  # names that were used; None: any may have been
        self._requests: list[tuple[str, bytes | str]] = []  # calls, each with its frame, or with a text of large inputs

    def __getattr__(self, name: str) -> RemoteFunction:
        if name.startswith("_"):
            raise AttributeError(name)
        return RemoteFunction(self, name)

    def run(
        self, driver: Callable[..., Any], *args: Any, call: str = "", timeout: float | None = None, **kwargs: Any
    ) -> Any:
        """Runs `driver(sub, *args, **kwargs)` in the worker and returns what it returns.

        `driver` is a self-contained top-level function; its source is sent. `call` is what the student reads.
        """
        request = {
            "op": "run",
            "name": driver.__name__,
            "source": driver_source(driver),
            "args": args,
            "kwargs": kwargs,
        }
        return self.ask(request, call or f"{driver.__name__}({describe_arguments(args, kwargs)})", timeout)

    def script(self, name: str, *args: str, timeout: float | None = None) -> ScriptResult:
        """Runs a file of the submission as `python NAME ARGS…` in its scratch folder."""
        answer = self.ask(
            {"op": "script", "name": name, "args": list(args)}, f"python {' '.join([name, *args])}", timeout
        )
        try:
            if type(answer) is not dict:
                raise TypeError("a dict is due")
            code, out, err, seconds = (answer[key] for key in ("exit_code", "stdout", "stderr", "cpu_seconds"))
            if type(code) is not int or type(seconds) is not float:
                raise TypeError("a number is due")
            return ScriptResult(code, _text(out, MAX_OUTPUT), _text(err, MAX_OUTPUT), seconds)
        except (TypeError, LookupError) as error:
            raise self._violation(f"a malformed reply ({error})") from None

    def put_file(self, name: str, content: bytes) -> None:
        """Writes a file into the scratch folder, which scripts run in."""
        import torch

        tensor = (
            torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)
        )
        tensor.wire_device = "cpu"  # type: ignore[attr-defined]
        self.ask({"op": "put", "name": name, "content": tensor}, f"(the grader writes '{name}')")

    def get_file(self, name: str) -> bytes:
        """The content of a file in the scratch folder. A missing file fails the test."""
        import torch

        content = self.ask({"op": "get", "name": name}, f"open('{name}', 'rb')")
        if not isinstance(content, torch.Tensor) or content.dtype is not torch.uint8 or content.dim() != 1:
            raise self._violation("something else than a file's bytes")
        return content.numpy().tobytes()

    @contextmanager
    def measured(self) -> Iterator[MemoryUse]:
        """Measures the worker's memory, from its supervisor, while the block runs."""
        use = MemoryUse()
        try:
            before = self._worker.mark_memory()
            yield use
            peak = self._worker.peak_memory()
        except WorkerEnd as end:
            raise self._ended(end) from None
        # Two witnesses: samples of the private pages, and the kernel's own maximum less new pages of libraries.
        sampled = peak.private - before.private
        kept = peak.high_water - before.high_water - max(0, peak.file_pages - before.file_pages)
        use.extra_memory_bytes = max(0, sampled, kept)

    def ask(self, request: dict[str, Any], call: str, timeout: float | None = None) -> Any:
        """One request and its reply. Raises Failed for all that is the submission's doing."""
        self.last_call = call
        names = _names_of(request)
        self.touched = None if self.touched is None or names is None else self.touched | names
        frame = encode(request)
        self._requests.append((call, frame if len(frame) <= KEPT_FRAME else shown_in_full(request)))
        started = time.monotonic()
        try:
            reply = decode(self._worker.ask(frame, self._left if timeout is None else timeout))
            if self._slot:
                account(reply, self._slot, self._worker, begun=len(self._requests) > 1)
        except WorkerEnd as end:
            raise self._ended(end) from None
        except WireError as error:
            raise self._violation(str(error)) from None
        if timeout is None:
            self._left = max(0.01, self._left - (time.monotonic() - started))
        return self._result(reply, call)

    @property
    def requests(self) -> list[str]:
        """Each call with its inputs in full, for the instructor. Most tests pass, and nobody asks them for it."""
        shown = []
        for call, inputs in self._requests:
            if isinstance(inputs, bytes):
                reader = FrameReader(Caps())
                reader.feed(inputs)
                frame = reader.next_frame()
                inputs = shown_in_full(decode(frame)) if frame else ""
            shown.append(f"{call}\n{inputs}")
        return shown

    def _result(self, reply: Any, call: str) -> Any:
        if not isinstance(reply, dict) or len(reply) != 1:
            raise self._violation("a malformed reply")
        kind, body = next(iter(reply.items()))
        if kind == "ok":
            return body
        if kind == "fault":
            raise WorkerFault(_text(body, MAX_SHOWN) if type(body) is str else "a worker could not read a request")
        if kind in ("raised", "import_failed", "missing") and type(body) is not dict:
            raise self._violation("a malformed reply")
        try:
            if kind == "raised":
                raise SubmissionError(self._raised(body), call)
            if kind == "import_failed":
                raised = self._raised(body)
                expected = f"a file '{_text(body['module'], 80)}.py' that can be imported"
                hint = "Does the file run by itself, without any test? What stands in the line that is named here?"
                failure = Failure(expected, str(raised), call, hint, raised.place)
                verdict = Verdict.NOT_ATTEMPTED if raised.is_stub else Verdict.RUN_TIME_ERROR
                raise Failed(verdict, failure)
            if kind == "missing":
                raise Failed(Verdict.RUN_TIME_ERROR, _missing(body, call))
            if kind == "signature":
                hint = (
                    "The exercise fixes the names, the order and the defaults of the parameters. Which ones has yours?"
                )
                fits = "parameters that take this call"
                raise Failed(Verdict.RUN_TIME_ERROR, Failure(fits, _text(body, MAX_SHOWN), call, hint))
            if kind == "unsendable":
                raise Failed(Verdict.RUN_TIME_ERROR, Failure("a result of sensible size", _text(body, MAX_SHOWN), call))
        except (TypeError, LookupError, ValueError, AttributeError) as error:
            raise self._violation(f"a malformed reply ({error})") from None
        raise self._violation("an unknown kind of reply")

    def _raised(self, body: dict[str, Any]) -> Raised:
        place = None
        for file, line, _ in _items(body["frames"]):
            lines = self._files.get(_text(file, 255), "").splitlines()
            if type(line) is int and 0 < line <= len(lines):
                place = Place(file, line, lines[line - 1][:500])
        return Raised(_text(body["type"], 80), _text(body["name"], 80), _text(body["message"], MAX_SHOWN), place)

    def _ended(self, end: WorkerEnd) -> Failed:
        verdict, expected, got, hint = {
            "time": (Verdict.TIME_LIMIT, f"an answer within {end.detail}", "none in that time", SLOW),
            "memory": (Verdict.MEMORY_LIMIT, f"at most {end.detail} of memory", "more", LARGE),
            "gpu": (Verdict.MEMORY_LIMIT, f"at most {end.detail}", "more", LARGE),
            "processes": (Verdict.RUN_TIME_ERROR, f"at most {end.detail} processes", "more than that", STARTED),
            "threads": (Verdict.RUN_TIME_ERROR, f"at most {end.detail} threads", "more than that", STARTED),
            "hiding": (Verdict.RUN_TIME_ERROR, "an answer", "interference: a process hid itself from the grader", ""),
            "output": (Verdict.RUN_TIME_ERROR, "an answer", f"more than {end.detail} of printed text", PRINTED),
            "exit": (Verdict.RUN_TIME_ERROR, "an answer", f"the process ended ({end.detail})", ENDED),
            "garbage": (Verdict.RUN_TIME_ERROR, "an answer", f"interference: {end.detail}", ""),
        }[end.kind]
        return Failed(verdict, Failure(expected, got, self.last_call, hint))

    def _violation(self, what: str) -> Failed:
        return Failed(Verdict.RUN_TIME_ERROR, Failure("one answer to one call", what, self.last_call))

    @property
    def printed(self) -> str:
        return self._worker.printed

    def finish(self) -> None:
        """Ends the worker. Raises Failed if it answered more than it was asked."""
        surplus = self._worker.finish()
        if surplus is not None:
            raise self._violation(surplus)


def _names_of(request: dict[str, Any]) -> frozenset[str] | None:
    """The names of the submission that a request may use. None: any."""
    match request["op"]:
        case "call":
            return frozenset({request["name"]})
        case "run":
            return names_of_driver(request["source"], request["args"], request["kwargs"])
        case "put" | "get":
            return frozenset()
    return None


def _text(value: Any, length: int) -> str:
    """A text of a reply, or TypeError: to print whatever came can take minutes."""
    if type(value) is not str:
        raise TypeError(f"a {type(value).__name__} where a text is due")
    return value[:length]


def _items(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TypeError(f"a {type(value).__name__} where a list is due")
    return value[:MAX_ITEMS]


def _missing(body: dict[str, Any], call: str) -> Failure:
    name, module = _text(body["name"], 80), _text(body["module"], 80)
    near = [_text(other, 80) for other in _items(body["near"])]
    holds = f", but there is '{near[0]}'" if near else ""
    question = f"Is '{near[0]}' meant to be '{name}'?" if near else "Which ones does your file define?"
    hint = f"The exercise fixes the names. {question}"
    return Failure(f"'{name}' in {module}.py", f"no such name{holds}", call, hint)


def on_cpu(tensor: torch.Tensor) -> torch.Tensor:
    """Marks an input to arrive on the CPU, whatever the grading device is."""
    marked = tensor.detach().clone()
    marked.wire_device = "cpu"  # type: ignore[attr-defined]
    return marked
