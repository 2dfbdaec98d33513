"""Starts the warm parent inside bubblewrap (or as a plain process), and gets fresh workers from it.

All processes of a submission come from here. A `Sandbox` lasts for a run; a `Worker` lasts for a test.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from grader.catalog import Limits
from grader.errors import JudgeError, UsageError
from grader.wire import Caps, Frame, FrameReader, WireError, decode, encode

PACKAGE = Path(__file__).resolve().parent
END_SECONDS = 20.0  # for a supervisor to end its worker, on a loaded machine
START_SECONDS = 120.0  # torch without bytecode on a loaded machine takes long to import
MEGABYTE = 1 << 20


class Isolation(StrEnum):
    """What stands between a worker and the machine."""

    BUBBLEWRAP = "bubblewrap"
    PROCESS = "plain process"


class Mode(StrEnum):
    """What the user asked for."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"


@dataclass(frozen=True)
class Usage:
    """Memory of a worker and all below it, in bytes, as its supervisor measured it."""

    private: int
    file_pages: int
    high_water: int


class WorkerEnd(Exception):
    """The worker can't answer any more.

    `kind` says why: time, memory, processes, threads, hiding, output, exit, garbage.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class Sandbox:
    """The warm parent of a run's workers."""

    def __init__(self, preload: list[str], mode: Mode = Mode.AUTO, device: str = "cpu") -> None:
        self.preload = preload
        self.device = device
        self.mode = mode
        self.notice = ""
        self.versions: dict[str, str] = {}
        self.folder: Path | None = None  # only plain processes need one; bubblewrap's are mounts inside
        self._workers = 0
        self._given: weakref.WeakSet[Worker] = weakref.WeakSet()
        self._spare: tuple[dict[str, str], Limits, Worker] | None = None
        self._ready = False
        bwrap = _find_bubblewrap(mode)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lasts as long as the sandbox
        self.isolation = Isolation.BUBBLEWRAP if bwrap else Isolation.PROCESS
        if not bwrap and mode is Mode.AUTO:
            self.notice = "bubblewrap is not installed"
        self._launch(bwrap)

    def _launch(self, bwrap: str | None) -> None:
        self._channel, theirs = socket.socketpair()
        self._reader = FrameReader(Caps(json_bytes=MEGABYTE, tensor_bytes=0))
        python = [sys.executable, "-I", "-S", "-B"]
        search = [str(PACKAGE.parent), *_packages()]
        prefix: list[str] = []
        home = Path("/tmp")
        if not bwrap:
            home = self.folder = Path(tempfile.mkdtemp(prefix="dojo-"))
            home.chmod(0o711)  # a worker that is not root passes through to its own
        else:
            python[0] = os.path.realpath(sys.executable)
            # At places of our own: a checkout under /tmp would be covered by the workers' private /tmp.
            search = ["/dojo", *(f"/dojo/packages/{number}" for number in range(len(_packages())))]
            prefix = [bwrap, *_bubblewrap_options(self.device)]
        # sys.path is set by us: no .pth file, no user site, no PYTHONPATH, nothing of the submission's.
        start = f"import sys; sys.path += {search!r}; from grader.worker import warm; warm.main({theirs.fileno()})"
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*prefix, *python, "-c", start],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    env=_environment(self.device, home),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                raise JudgeError(f"could not start a worker process: {error}") from None
        folder = str(self.folder) if self.folder else None
        with contextlib.suppress(OSError):  # it has ended already: `wait_ready` finds out why
            self._channel.sendall(encode({"isolated": bool(bwrap), "preload": self.preload, "folder": folder}))

    def wait_ready(self) -> None:
        """Blocks until the warm parent has imported its modules. Falls back to plain processes in mode auto."""
        if self._ready:
            return
        try:
            self.versions = self._hello()["versions"]
        except JudgeError as error:
            if self.isolation is Isolation.PROCESS:
                raise
            if self.mode is Mode.REQUIRE:
                self.close()
                raise UsageError(f"the sandbox is required and bubblewrap does not work here: {error}") from None
            self._stop_process()
            self.isolation = Isolation.PROCESS
            self.notice = f"bubblewrap does not work here ({error})"
            self._launch(None)
            self.versions = self._hello()["versions"]
        self._ready = True

    def _hello(self) -> Any:
        deadline = time.monotonic() + START_SECONDS
        while (frame := self._reader.next_frame()) is None:
            ready, _, _ = select.select([self._channel], [], [], max(0.0, deadline - time.monotonic()))
            data = _receive(self._channel) if ready else b""
            if not data:
                raise JudgeError(f"the warm parent did not start: {self._last_words() or 'no reply in time'}")
            self._reader.feed(data)
        return decode(frame)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def spawn(self, files: Mapping[str, str], limits: Limits, seed: int) -> Worker:
        """A fresh worker that holds `files` (name → text), its generators seeded; takes some tens of milliseconds."""
        self.wait_ready()
        worker = self._take_spare(files, limits) or self._prepare(files, limits)
        worker.begin({"op": "begin", "device": self.device, "seed": seed})
        # The next one is made while this one works, and has run nothing when its turn comes.
        self._spare = (dict(files), limits, self._prepare(files, limits))
        return worker

    def _take_spare(self, files: Mapping[str, str], limits: Limits) -> Worker | None:
        if self._spare is None:
            return None
        for_files, for_limits, worker = self._spare
        self._spare = None
        if for_files == files and for_limits == limits:
            return worker
        worker.discard()
        return None

    def _prepare(self, files: Mapping[str, str], limits: Limits) -> Worker:
        """Asks for a worker without waiting for it."""
        self._workers += 1
        folder = None
        if self.folder is not None:
            folder = self.folder / f"worker-{self._workers}"
            folder.mkdir(mode=0o711)
        data, their_data = socket.socketpair()
        control, their_control = socket.socketpair()
        output, their_output = os.pipe()
        worker = Worker(data, control, output, limits, folder)
        self._given.add(worker)
        try:
            descriptors = [their_data.fileno(), their_control.fileno(), their_output]
            socket.send_fds(self._channel, [encode({"op": "fork"})], descriptors)
        except OSError as error:
            worker.discard()
            raise JudgeError(f"the warm parent has ended: {self._last_words() or error}") from None
        finally:
            their_data.close()
            their_control.close()
            os.close(their_output)
        worker.set_up(
            {
                "files": dict(files),
                "files_order": list(files),
                "folder": str(folder),
                "limits": {
                    "memory_bytes": limits.memory_mb * MEGABYTE,
                    "scratch_bytes": limits.scratch_mb * MEGABYTE,
                    "processes": limits.processes,
                    "open_files": limits.open_files,
                },
            }
        )
        return worker

    def close(self) -> None:
        """Ends the warm parent and every process below it, and removes its folder."""
        for worker in list(self._given):
            worker.discard()  # without a name space its supervisor lives as long as we hold its channel
        self._spare = None
        self._stop_process()
        self._log.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _stop_process(self) -> None:
        self._channel.close()
        if self.isolation is Isolation.PROCESS:
            # It ends by itself when the channel closes, and its supervisors end their workers; the kill is for a hang.
            try:
                self._process.wait(1.0)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()  # bubblewrap's name space goes with it, and everything inside
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Worker:
    """One worker: requests go out, one reply comes back for each, within the limits."""

    def __init__(
        self, data: socket.socket, control: socket.socket, output: int, limits: Limits, folder: Path | None
    ) -> None:
        self.limits = limits
        self._data = data
        self._control = control
        self._output = output
        self._folder = folder
        self._reader = FrameReader(Caps(tensor_bytes=limits.reply_mb * MEGABYTE))
        self._events = FrameReader(Caps(json_bytes=MEGABYTE, tensor_bytes=0))
        self._printed = bytearray()
        self._printed_total = 0
        self._usages: list[Usage] = []
        self._ended: WorkerEnd | None = None
        self._supervised = False
        data.setblocking(False)
        os.set_blocking(output, False)

    def set_up(self, setup: dict[str, Any]) -> None:
        """Tells the supervisor what to prepare. Waits for it only where the files are more than a socket holds."""
        try:
            self._control.sendall(encode(setup))
        except OSError as error:
            self._hang_up()
            raise JudgeError(f"a worker's supervisor ended before it began: {error}") from None

    def begin(self, greeting: dict[str, Any]) -> None:
        """Waits until the worker is ready for its first request."""
        self.ask(encode(greeting), START_SECONDS)

    def discard(self) -> None:
        """Ends a worker without a goodbye."""
        self._ended = self._ended or WorkerEnd("exit", "its sandbox was closed")
        self._hang_up()

    @property
    def printed(self) -> str:
        """The first part of what the worker wrote to stdout and stderr."""
        return self._printed.decode("utf-8", "replace")

    def ask(self, request: bytes, seconds: float) -> Frame:
        """Sends a request and returns its reply. Raises WorkerEnd, or JudgeError for a fault of ours."""
        if self._ended is not None:
            raise self._ended
        if self._reader.pending:
            raise self._end("garbage", "it wrote to the grader's own channel")
        deadline = time.monotonic() + seconds
        waiting = memoryview(request)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._end("time", f"{seconds:.3g} s")
            # A reply is complete only when the whole request has gone out: an earlier one is out of turn.
            if waiting:
                readable, writable, _ = select.select(self._inputs(), [self._data], [], left)
                if writable:
                    waiting = self._send(waiting)
            else:
                readable, _, _ = select.select(self._inputs(), [], [], left)
            frame = self._read(readable)
            if frame is not None:
                if waiting:
                    raise self._end("garbage", "it answered before it was asked")
                return frame

    def _inputs(self) -> list[Any]:
        return [source for source in (self._data, self._control, self._output) if source != -1]

    def _send(self, waiting: memoryview) -> memoryview:
        try:
            return waiting[self._data.send(waiting[: 1 << 20]) :]
        except BlockingIOError:
            return waiting
        except OSError:
            raise self._explain() from None

    def _read(self, readable: list[Any]) -> Frame | None:
        if self._output in readable:
            self._take_output()
        if self._control in readable:
            self._take_events(_receive(self._control))
        if self._data not in readable:
            return None
        try:
            chunk = self._data.recv(4 << 20)
        except BlockingIOError:
            return None
        except OSError:
            chunk = b""
        if not chunk:
            raise self._explain()
        self._reader.feed(chunk)
        try:
            return self._reader.next_frame()
        except WireError as error:
            raise self._end("garbage", str(error)) from None

    def _take_output(self) -> None:
        try:
            chunk = os.read(self._output, 1 << 20)
        except BlockingIOError:
            return
        if not chunk:
            os.close(self._output)
            self._output = -1
            return
        self._printed_total += len(chunk)
        room = 64 * 1024 - len(self._printed)
        self._printed += chunk[: max(0, room)]
        if self._printed_total > self.limits.output_mb * MEGABYTE:
            raise self._end("output", f"{self.limits.output_mb} MB")

    def _take_events(self, data: bytes) -> None:
        """What the supervisor says. It is ours, so an unexpected end of it is a fault of ours."""
        if not data:
            self._explain()
            raise self._ended or JudgeError("a worker's supervisor ended unexpectedly")
        self._events.feed(data)
        while (frame := self._events.next_frame()) is not None:
            event = decode(frame)
            if "usage" in event:
                self._usages.append(Usage(**event["usage"]))
            elif event["event"] == "started":
                self._supervised = True
            elif event["event"] == "fault":
                raise JudgeError(str(event["message"]))
            elif event["event"] == "limit":
                raise self._end(event["what"], event["size"])
            elif event["event"] == "exit" and self._ended is None:
                self._ended = WorkerEnd("exit", _exit_text(event["code"]))

    def _explain(self) -> WorkerEnd:
        """Why the worker's channel closed: waits for the supervisor's word. Raises JudgeError if there is none."""
        deadline = time.monotonic() + 5.0
        while self._ended is None and (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._control], [], [], min(left, 0.5))
            data = _receive(self._control) if ready else None
            if data == b"":
                break
            if data:
                self._take_events(data)
            elif self._supervised and left < 4.0:
                # It closed the channel and lives on: its own doing, and no answer can come any more.
                return self._end("exit", "it closed the grader's channel")
        if self._ended is None:
            raise JudgeError("a worker ended and its supervisor did not say why")
        return self._ended

    def _end(self, kind: str, detail: str) -> WorkerEnd:
        self._ended = WorkerEnd(kind, detail)
        self._hang_up()
        return self._ended

    def mark_memory(self) -> Usage:
        """Forgets the maxima so far and measures finely from now on; returns the usage now."""
        return self._ask_usage("mark")

    def peak_memory(self) -> Usage:
        """The maxima since the mark."""
        return self._ask_usage("peak")

    def _ask_usage(self, name: str) -> Usage:
        if self._ended is not None:
            raise self._ended
        self._usages.clear()
        try:
            self._control.sendall(encode({"op": name}))
        except OSError:
            raise self._explain() from None
        deadline = time.monotonic() + 10.0
        while not self._usages:
            readable, _, _ = select.select(self._inputs()[1:], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise JudgeError("a worker's supervisor does not answer")
            if self._output in readable:
                self._take_output()
            if self._control in readable:
                self._take_events(_receive(self._control))
        return self._usages.pop()

    def finish(self) -> str | None:
        """Says goodbye and ends the worker. Returns what was wrong if it sent more than its one reply."""
        surplus = None
        if self._ended is None and self._control.fileno() != -1:
            try:
                reply = decode(self.ask(encode({"op": "bye"}), 2.0))
                if reply != {"bye": True} or self._reader.pending:
                    surplus = "it sent a reply that nobody had asked for"
            except (WorkerEnd, WireError, JudgeError) as error:
                # Dead or silent after its last answer: the answers stand. Surplus bytes: they don't.
                surplus = str(error) if getattr(error, "kind", "") == "garbage" else None
        self._hang_up()
        return surplus

    def _hang_up(self) -> None:
        if self._control.fileno() == -1:
            return
        self._data.close()
        self._await_end()
        if self._output != -1:
            os.close(self._output)
            self._output = -1
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _await_end(self) -> None:
        """Tells the supervisor to end all, and waits until it has: the next worker shares a network with this one."""
        deadline = time.monotonic() + END_SECONDS
        with self._control as control:
            with contextlib.suppress(OSError):
                control.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                ready, _, _ = select.select([control], [], [], left)
                if ready and not _receive(control):
                    return
        raise JudgeError("a worker's processes did not end")


def _receive(source: socket.socket) -> bytes:
    """What has come; nothing when the other side has gone, also when it left something of ours unread."""
    try:
        return source.recv(65536)
    except ConnectionResetError:
        return b""


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _find_bubblewrap(mode: Mode) -> str | None:
    if mode is Mode.OFF:
        return None
    found = shutil.which("bwrap") if sys.platform == "linux" else None
    if found is None and mode is Mode.REQUIRE:
        raise UsageError("the sandbox is required and bubblewrap is not installed: install the package 'bubblewrap'")
    return found


def _packages() -> list[str]:
    """The folders of installed packages that torch comes from, and no other entry of our own sys.path."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if sys.prefix == sys.base_prefix:
        folders += site.getsitepackages()
    return [folder for folder in dict.fromkeys(folders) if Path(folder).is_dir()]


def _bubblewrap_options(device: str) -> list[str]:
    """A read-only system, an empty home, no network; the parent alone may make name spaces for its workers.

    It keeps three rights until a worker is prepared: SYS_ADMIN for name spaces and mounts, SYS_RESOURCE to forbid
    user name spaces, in which a worker would be root again and could mount memory that nobody counts, and SETPCAP to
    give all of them up for good.
    """
    options = [f"--unshare-{kind}" for kind in ("user", "pid", "net", "ipc", "uts", "cgroup-try")]
    options += ["--die-with-parent", "--new-session", "--hostname", "dojo", "--cap-drop", "ALL"]
    for right in ("SYS_ADMIN", "SYS_RESOURCE", "SETPCAP"):
        options += ["--cap-add", f"CAP_{right}"]
    binds = {Path("/usr"), Path(sys.base_prefix)}
    for link in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/") / link
        if path.is_symlink():
            options += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            binds.add(path)
    options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/submission"]
    # Parents first, so that a nested folder is bound into the one around it.
    for path in sorted(binds, key=lambda each: len(each.parts)):
        options += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "alternatives"):
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    if any(PACKAGE.is_relative_to(path) for path in binds):
        options += _hide_suites(binds)
    for number, folder in enumerate(_packages()):
        options += ["--ro-bind", folder, f"/dojo/packages/{number}"]
    for name in ("__init__.py", "wire.py", "worker"):
        options += ["--ro-bind", str(PACKAGE / name), f"/dojo/grader/{name}"]
    if device != "cpu":
        for node in sorted(Path("/dev").glob("nvidia*")):
            options += ["--dev-bind", str(node), str(node)]
        for folder in ("/usr/local/nvidia", "/sys/devices", "/sys/bus/pci", "/sys/module"):
            options += ["--ro-bind-try", folder, folder]
    # bubblewrap's own root and /dev are writable otherwise, and common to all workers: a way from test to test.
    return [*options, "--remount-ro", "/dev", "--remount-ro", "/"]


def _hide_suites(binds: set[Path]) -> list[str]:
    """Where the checkout lies inside a folder that must be visible, the checkout is covered."""
    root = PACKAGE.parent
    inside = sorted(path for path in binds if path.is_relative_to(root))
    options = ["--tmpfs", str(root)]
    for path in inside:
        options += ["--ro-bind", str(path), str(path)]
    return [*options, "--remount-ro", str(root)]


def _environment(device: str, home: Path) -> dict[str, str]:
    """All of a worker's environment. Idle OpenMP threads must not spin: two such processes slow each other 30 times."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "random",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(home),
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0") if device != "cpu" else "",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
