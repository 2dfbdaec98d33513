"""Starts the warm parent inside bubblewrap (or as a plain process), and gets fresh workers from it.

All processes of a submission come from here. A `Sandbox` lasts for a run; a `Worker` lasts for a test.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from grader.bubblewrap import PACKAGE, environment, find_bubblewrap, options_for, package_folders
from grader.catalog import Limits
from grader.cgroup import make_group
from grader.errors import JudgeError, UsageError
from grader.seccomp import write_filter
from grader.wire import Caps, FrameReader, decode, encode
from grader.workers import MEGABYTE, Worker, receive

PARENT_MB = 1536  # for the warm parent, and for a next worker that is being prepared
START_SECONDS = 120.0  # torch without bytecode on a loaded machine takes long to import


class Isolation(StrEnum):
    """What stands between a worker and the machine."""

    BUBBLEWRAP = "bubblewrap"
    PROCESS = "plain process"


class Mode(StrEnum):
    """What the user asked for."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"


class Sandbox:
    """The warm parent of a run's workers."""

    def __init__(
        self, preload: list[str], mode: Mode = Mode.AUTO, device: str = "cpu", memory_mb: int | None = None
    ) -> None:
        """Begins to start it. With `memory_mb`, what a worker may use, the kernel limits the whole where it can."""
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
        bwrap = None if mode is Mode.OFF else find_bubblewrap()
        if bwrap is None and mode is Mode.REQUIRE:
            raise UsageError("the sandbox is required and bubblewrap is not installed: install 'bubblewrap'")
        limit = (memory_mb + PARENT_MB) * MEGABYTE if memory_mb is not None else None
        self.memory_group = (
            make_group(f"dojo-{os.getpid()}-{secrets.token_hex(4)}", limit) if limit is not None else None
        )
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lasts as long as the sandbox
        self.isolation = Isolation.BUBBLEWRAP if bwrap else Isolation.PROCESS
        if not bwrap and mode is Mode.AUTO:
            self.notice = "bubblewrap is not installed"
        self._launch(bwrap)

    def _launch(self, bwrap: str | None) -> None:
        self._channel, theirs = socket.socketpair()
        self._reader = FrameReader(Caps(json_bytes=MEGABYTE, tensor_bytes=0))
        python = [sys.executable, "-I", "-S", "-B"]
        search = [str(PACKAGE.parent), *package_folders()]
        prefix: list[str] = []
        home = Path("/tmp")
        if not bwrap:
            home = self.folder = Path(tempfile.mkdtemp(prefix="dojo-"))
            home.chmod(0o711)  # a worker that is not root passes through to its own
        else:
            python[0] = os.path.realpath(sys.executable)
            # At places of our own: a checkout under /tmp would be covered by the workers' private /tmp.
            search = ["/dojo", *(f"/dojo/packages/{number}" for number in range(len(package_folders())))]
            prefix = [bwrap, *options_for(self.device)]
        rules = write_filter() if bwrap else None
        descriptors = [theirs.fileno()]
        if rules is not None:
            descriptors.append(rules.fileno())
            prefix += ["--seccomp", str(rules.fileno())]
        # sys.path is set by us: no .pth file, no user site, no PYTHONPATH, nothing of the submission's.
        start = f"import sys; sys.path += {search!r}; from grader.worker import warm; warm.main({theirs.fileno()})"
        with theirs, rules or contextlib.nullcontext():
            try:
                self._process = subprocess.Popen(
                    [*prefix, *python, "-c", start],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    env=environment(self.device, home),
                    pass_fds=descriptors,
                    preexec_fn=self.memory_group.enter
                    if self.memory_group
                    else None,  # no thread of ours holds a lock yet
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
            data = receive(self._channel) if ready else b""
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
        worker = Worker(data, control, output, limits, folder, self.memory_group)
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
                    "cpu_seconds": math.ceil(limits.cpu_seconds),
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
        if self.memory_group is not None:
            self.memory_group.remove()
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
