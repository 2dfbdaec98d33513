"""The worker: loads the submission and answers the judge's requests, one reply for each.

Everything here shares a process with the submission, so nothing here is evidence: the judge checks what comes back.
"""

from __future__ import annotations

import builtins
import contextlib
import difflib
import importlib
import inspect
import linecache
import os
import random
import runpy
import socket
import sys
import time
import traceback
import types
from pathlib import Path
from typing import Any, TypeVar

from grader.wire import Caps, FrameReader, WireError, decode, encode

# By its own name: `vars` has OSError under its old names too.
BUILTIN_ERRORS = {
    kind: kind.__name__
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
MAX_MESSAGE = 1000
MAX_FRAMES = 8
MAX_SCRIPT_OUTPUT = 64 << 10
DRIVER = "driver"  # the name of the module that a driver is


def serve(data: int, home: Path, scratch: Path, files: list[str]) -> None:
    """Answers requests on the socket `data` until the judge says goodbye or hangs up."""
    channel = socket.socket(fileno=data)
    reader = FrameReader(Caps(json_bytes=64 << 20, tensor_bytes=4 << 30))
    submission = Submission(home, scratch, files)
    os.chdir(scratch)
    os.environ.update(dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), str(scratch)))
    if temporary := sys.modules.get("tempfile"):  # what the warm parent imports may have looked for a folder already
        temporary.tempdir = None  # type: ignore[attr-defined]
    sys.path[:] = [str(home), *(entry for entry in sys.path if entry != "/dojo")]
    device = "cpu"
    while True:
        while (frame := reader.next_frame()) is None:
            chunk = channel.recv(1 << 20)
            if not chunk:
                return
            reader.feed(chunk)
        try:
            request = decode(frame, device)
        except (WireError, RuntimeError, MemoryError) as error:  # before the submission has run: a fault of ours
            channel.sendall(encode({"fault": f"a worker could not read a request: {error}"}))
            continue
        if request["op"] == "bye":
            channel.sendall(encode({"bye": True}))
            return
        if request["op"] == "begin":
            device = request["device"]
            _seed(request["seed"], device)
            if device != "cpu":
                _bound(request["share"])
            channel.sendall(encode({"ok": None}))
            continue
        reply = submission.answer(request)
        with contextlib.suppress(Exception):  # the submission may have put something else in its place
            sys.stdout.flush()
        channel.sendall(reply)


def get_ready(imports: list[str], rehearsal: bool) -> None:
    """What can be done before there is a submission: imports that no parent has made for us, and a rehearsal."""
    for name in imports:
        importlib.import_module(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if rehearsal:
        rehearse()


def rehearse() -> None:
    """Does once what nearly every submission does, before there is one: the kernel copies the pages that it takes.

    A fork shares its parent's memory until it is used, and the first use is half of what a small training step costs.
    """
    space: dict[str, Any] = {}
    exec(compile("def same(x):\n    return x\n", "<rehearsal>", "exec"), space)
    inspect.signature(space["same"]).bind(1)
    _seed(0, "cpu")
    torch = sys.modules.get("torch")
    if torch is None:
        return
    layer = torch.nn.Linear(3, 2)
    reader = FrameReader(Caps())
    reader.feed(encode({"args": [torch.ones(4, 3)]}))
    if (frame := reader.next_frame()) is not None:
        inputs = decode(frame, "cpu")["args"][0]
        loss = (layer(space["same"](inputs)) @ torch.ones(2, 1)).pow(2).mean()
        loss.backward()
    if "torch._dynamo" in sys.modules:  # else the first optimiser would import it
        torch.optim.SGD(layer.parameters(), lr=0.1).step()


def _seed(seed: int, device: str) -> None:
    """Seeds the generators of this process; a fork would otherwise repeat its parent's sequence."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed & 0xFFFFFFFF)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        # `torch.manual_seed` also notes the seed for devices that are not there, each with a stack trace: 3 ms.
        (torch if device != "cpu" else torch.default_generator).manual_seed(seed)
        if device != "cpu":
            # A training with one seed is to end alike each time, as far as torch can: no search for the fastest kernel.
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True


def _bound(share: float) -> None:
    """Bounds this process's part of its GPU's memory, as soon as there is a context.

    There is none yet: a test may need none, and a script, which is a fork, could not use ours.
    """
    torch: Any = importlib.import_module("torch")
    torch.cuda._lazy_call(lambda: torch.cuda.set_per_process_memory_fraction(share))


class MissingName(Exception):
    """The submission has no such name; the closest that it has."""

    def __init__(self, module: str, name: str, near: list[str]) -> None:
        super().__init__(name)
        self.module, self.name, self.near = module, name, near


class ImportFailed(Exception):
    """A file of the submission can't be imported."""

    def __init__(self, module: str, cause: BaseException) -> None:
        super().__init__(module)
        self.module, self.cause = module, cause


Unusable = TypeVar("Unusable", ImportFailed, MissingName)


class BadSignature(Exception):
    """A function of the submission can't be called the way the exercise says."""


class Submission:
    """The student's files as modules. Given to drivers as their first argument, `sub`.

    Attributes are those of the first file; `sub.module(name)` gives the others.
    """

    def __init__(self, home: Path, scratch: Path, files: list[str]) -> None:
        self._home = home
        self._scratch = scratch
        self._first = Path(files[0]).stem
        self._unusable: ImportFailed | MissingName | None = None
        self._handlers = {
            "call": self._call,
            "run": self._run,
            "script": self._script,
            "put": self._put,
            "get": self._get,
        }

    def module(self, name: str) -> types.ModuleType:
        """The student's file `name`.py, imported on first use."""
        try:
            return importlib.import_module(name)
        except BaseException as error:
            raise self._noted(ImportFailed(name, error)) from error

    def __getattr__(self, name: str) -> Any:
        module = self.module(self._first)
        try:
            return getattr(module, name)
        except AttributeError:
            public = [other for other in vars(module) if not other.startswith("_")]
            near = difflib.get_close_matches(name, public, 3, 0.5)
            raise self._noted(MissingName(self._first, name, near)) from None

    def _noted(self, fault: Unusable) -> Unusable:
        """Remembers what a driver asked for in vain: it may catch it among what the submission is allowed to raise.

        A submission that comes across us, among all objects say, asks for itself.
        """
        frame: types.FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_globals is globals():
            frame = frame.f_back
        if frame is not None and frame.f_globals.get("__name__") == DRIVER and self._unusable is None:
            self._unusable = fault
        return fault

    def answer(self, request: dict[str, Any]) -> bytes:
        """The reply to one request, as a frame. Whatever the submission raises is part of the reply."""
        self._unusable = None
        try:
            value = self._handlers[request["op"]](request)
            if self._unusable is not None:
                raise self._unusable
            return encode({"ok": value})
        except MissingName as error:
            return encode({"missing": {"module": error.module, "name": error.name, "near": error.near}})
        except ImportFailed as error:
            return encode({"import_failed": {"module": error.module, **describe(error.cause, self._home)}})
        except WireError as error:
            return encode({"unsendable": str(error)})
        except BadSignature as error:
            return encode({"signature": str(error)})
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the submission's doing too
            return encode({"raised": describe(error, self._home)})

    def _call(self, request: dict[str, Any]) -> Any:
        function = getattr(self, request["name"])
        args, kwargs = request["args"], request["kwargs"]
        if inspect.isfunction(function):
            try:
                inspect.signature(function).bind(*args, **kwargs)
            except TypeError as error:
                raise BadSignature(f"{request['name']}{inspect.signature(function)}: {error}") from None
        return function(*args, **kwargs)

    def _run(self, request: dict[str, Any]) -> Any:
        name, source = request["name"], request["source"]
        filename = f"<driver {name}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        space: dict[str, Any] = {"__name__": DRIVER}
        exec(compile(source, filename, "exec"), space)
        return space[name](self, *request["args"], **request["kwargs"])

    def _put(self, request: dict[str, Any]) -> None:
        path = self._scratch / request["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(request["content"].cpu().numpy().tobytes())

    def _get(self, request: dict[str, Any]) -> Any:
        import torch

        content = (self._scratch / request["name"]).read_bytes()
        return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)

    def _script(self, request: dict[str, Any]) -> dict[str, Any]:
        """Runs a file as `python FILE ARGS…` would, in a fork, so that its exit ends only that."""
        paths = [self._scratch / f".{name}-{time.monotonic_ns()}" for name in ("stdout", "stderr")]
        child = os.fork()
        if child == 0:
            _run_script(self._home / request["name"], request["args"], paths)
        _, status, usage = os.wait4(child, 0)
        texts = []
        for path in paths:
            with open(path, "rb") as file:
                texts.append(file.read(MAX_SCRIPT_OUTPUT).decode("utf-8", "replace"))
            path.unlink()
        return {
            "exit_code": os.waitstatus_to_exitcode(status),
            "stdout": texts[0],
            "stderr": texts[1],
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
        }


def _run_script(script: Path, args: list[str], outputs: list[Path]) -> None:
    for number, path in enumerate(outputs, start=1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    sys.argv = [script.name, *args]
    code = 0
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as stop:
        code = _exit_code(stop)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _exit_code(stop: SystemExit) -> int:
    """What Python itself would exit with."""
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    print(stop.code, file=sys.stderr)
    return 1


def describe(error: BaseException, home: Path) -> dict[str, Any]:
    """An exception as data: its exact built-in type or "other", its message, and the submission's own lines."""
    kind = type(error)
    try:
        message = str(error)
    except BaseException:
        message = "(its message can't be shown)"
    frames: list[list[Any]] = []
    for entry in traceback.extract_tb(error.__traceback__):
        if entry.filename.startswith(f"{home}{os.sep}"):
            frames.append([os.path.basename(entry.filename), entry.lineno or 0, entry.name[:80]])
    return {
        "type": BUILTIN_ERRORS.get(kind, "other"),
        "name": str(kind.__name__)[:80],
        "message": str(message)[:MAX_MESSAGE],
        "frames": frames[-MAX_FRAMES:],
    }
