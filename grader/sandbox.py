"""Fresh workers for a run, from a warm parent that is replaced when it dies.

All processes of a submission come from here. A `Sandbox` lasts for a run; a `Worker` lasts for a test.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import socket
import sys
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from grader.bubblewrap import find_bubblewrap
from grader.catalog import Limits
from grader.cgroup import make_group
from grader.endings import Endings
from grader.errors import DojoError, JudgeError, UsageError
from grader.gpu import Slot
from grader.parent import LOOK_SECONDS, Isolation, ParentDied, WarmParent
from grader.workers import MEGABYTE, Worker

PARENT_MB = 1536  # for the warm parent, and for a next worker that is being prepared
PATIENCE = 4  # workers that may still be ending while the next one works
FREEING_SECONDS = 20.0  # in which the kernel gives back what a worker had parked in sockets when it ended


class Mode(StrEnum):
    """What the user asked for."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"


class Sandbox:
    """The warm parent of a run's workers. One that dies is replaced."""

    def __init__(
        self, preload: list[str], mode: Mode = Mode.AUTO, slot: Slot | None = None, memory_mb: int | None = None
    ) -> None:
        """Begins to start it; on a GPU with a slot there.

        With `memory_mb`, what a worker may use, the kernel limits the whole where it can.
        """
        self.preload = preload
        self.slot = slot
        self.device = "cuda" if slot else "cpu"
        self.mode = mode
        self.notice = ""
        self.warm = warm_by_default()
        self.rehearse = False  # whether workers that wait are to get ready for a first training step meanwhile
        self.versions: dict[str, str] = {}
        self._workers = 0
        self._given: weakref.WeakSet[Worker] = weakref.WeakSet()
        self._prepared: deque[Worker] = deque()  # that wait for a submission
        self._ready = False
        self._broken = ""  # why no warm parent starts any more
        self._parent: WarmParent | None = None
        self._endings = Endings(0)
        self._bwrap = None if mode is Mode.OFF else find_bubblewrap()
        if self._bwrap is None and mode is Mode.REQUIRE:
            raise UsageError("the sandbox is required and bubblewrap is not installed: install 'bubblewrap'")
        if not self._bwrap and mode is Mode.AUTO:
            self.notice = "bubblewrap is not installed"
        try:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lasts as long as the sandbox
        except OSError as error:
            raise JudgeError(f"there is no room for temporary files: {error}") from None
        limit = (memory_mb + PARENT_MB) * MEGABYTE if memory_mb is not None else None
        self.memory_group = (
            make_group(f"dojo-{os.getpid()}-{secrets.token_hex(4)}", limit) if limit is not None else None
        )
        try:
            self._launch()
        except JudgeError as error:
            try:
                self._fall_back(error)
            except DojoError:
                self.close()
                raise

    @property
    def isolation(self) -> Isolation:
        """What stands between its workers and the machine."""
        return Isolation.BUBBLEWRAP if self._bwrap else Isolation.PROCESS

    @property
    def folder(self) -> Path | None:
        """Where plain processes have their files; bubblewrap's are mounts inside."""
        return self._parent.folder if self._parent else None

    def _launch(self) -> None:
        # On a GPU a context at a time: what an ended worker still holds there would be missing to the next.
        self._endings = Endings(PATIENCE if self._bwrap and not self.slot else 0)
        card = self.slot.card if self.slot else ""
        self._parent = WarmParent(self.preload, self.warm, card, self._bwrap, self._log, self.memory_group)

    def wait_ready(self) -> None:
        """Blocks until the warm parent has imported its modules. Falls back to plain processes in mode auto."""
        if self._broken:
            raise JudgeError(self._broken)
        if self._ready:
            return
        try:
            self._await_hello()
        except JudgeError as error:
            self._fall_back(error)
            self._await_hello()
        self._ready = True

    def _fall_back(self, error: JudgeError) -> None:
        """To plain processes, where bubblewrap can't be started and need not be. Raises otherwise."""
        if self.isolation is Isolation.PROCESS:
            raise error
        if self.mode is Mode.REQUIRE:
            self.close()
            raise UsageError(f"the sandbox is required and bubblewrap does not work here: {error}") from None
        self._end_all()
        self._bwrap = None
        self.notice = f"bubblewrap does not work here ({error})"
        self._launch()

    def _await_hello(self) -> None:
        """Waits for the warm parent. One that dies on the way, and does not hang, gets a second start."""
        try:
            self.versions = self._warm_parent.hello()
        except ParentDied:
            self._end_all()
            self._launch()
            self.versions = self._warm_parent.hello()

    @property
    def _warm_parent(self) -> WarmParent:
        if self._parent is None:
            raise JudgeError("no warm parent has started")
        return self._parent

    def spawn(self, files: Mapping[str, str], limits: Limits, seed: int) -> Worker:
        """A fresh worker that holds `files` (name → text), its generators seeded; takes up to tens of milliseconds."""
        self.wait_ready()
        try:
            return self._spawn(files, limits, seed)
        except JudgeError:
            if self._warm_parent.lives():
                raise
        self._replace()
        return self._spawn(files, limits, seed)

    def _spawn(self, files: Mapping[str, str], limits: Limits, seed: int) -> Worker:
        deadline = time.monotonic() + FREEING_SECONDS
        while (worker := self._begin(files, limits, seed, deadline)) is None:
            time.sleep(LOOK_SECONDS)
        # The next one is made while this one works, and has run nothing when its turn comes.
        with contextlib.suppress(JudgeError):  # this one has begun all the same; the next call meets the fault
            self.stock(limits, 1)
        return worker

    def stock(self, limits: Limits, count: int) -> None:
        """Prepares workers until `count` wait for a submission: then a test has one at once."""
        self.wait_ready()
        while self.prepared < count:
            self._prepared.append(self._prepare(limits))

    @property
    def prepared(self) -> int:
        """How many workers wait for a submission."""
        return len(self._prepared)

    def renew(self) -> None:
        """Puts a fresh warm parent in the place of one that has died since it was last asked."""
        if not self._warm_parent.lives():
            self._replace()

    def share(self, part: int | None, parts: int) -> None:
        """After a fork, in each of its `parts`: takes this part's prepared workers, and lets go of the rest.

        The process that forked, None, takes none. The warm parent serves all of them, and ends with that process.
        """
        mine = deque(
            worker for number, worker in enumerate(self._prepared) if part is not None and number % parts == part
        )
        for worker in self._given:
            if worker not in mine:
                worker.let_go()
        self._prepared, self._given = mine, weakref.WeakSet(mine)

    def leave(self) -> None:
        """In a fork that ends: ends its own workers, and a warm parent that it had to start, but not the common one."""
        if self._warm_parent.started_by == os.getpid():
            self._end_all()
        for worker in list(self._given):
            _end(worker)

    def _begin(self, files: Mapping[str, str], limits: Limits, seed: int, deadline: float) -> Worker | None:
        """A worker that has begun; None before the deadline if it starved: its neighbour had used up the memory."""
        worker = self._take(limits) or self._prepare(limits)
        try:
            share = self.slot.share if self.slot else 0.0
            worker.begin(files, {"op": "begin", "device": self.device, "seed": seed, "share": share})
        except BaseException as error:
            _end(worker)
            if not isinstance(error, JudgeError) or not worker.starved or time.monotonic() >= deadline:
                raise
            return None
        return worker

    def _replace(self) -> None:
        """A fresh warm parent for one that has died. It is isolated alike, or the run has no more workers."""
        self._end_all()
        try:
            self._launch()
            self._await_hello()
        except JudgeError as error:
            self._broken = f"the warm parent has ended, and another one does not start: {error}"
            raise JudgeError(self._broken) from None

    def _take(self, limits: Limits) -> Worker | None:
        while self._prepared:
            worker = self._prepared.popleft()
            if worker.limits == limits:
                return worker
            _end(worker)
        return None

    def _prepare(self, limits: Limits) -> Worker:
        """Asks for a worker without waiting for it."""
        self._workers += 1
        folder = None
        if self.folder is not None:
            folder = self.folder / f"worker-{os.getpid()}-{self._workers}"  # a fork of ours counts for itself
            try:
                folder.mkdir(mode=0o711)
            except OSError as error:
                raise JudgeError(f"there is no room for a worker's files: {error}") from None
        worker = self._request(limits, folder)
        worker.set_up(
            {
                "folder": str(folder),
                "imports": [] if self.warm else self.preload,
                "rehearse": self.rehearse,
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

    def _request(self, limits: Limits, folder: Path | None) -> Worker:
        """Hands the ends of a new worker's channels to the warm parent, which forks."""
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            try:
                pairs = [socket.socketpair() for _ in range(2)]
                for mine, other in pairs:
                    ours.enter_context(mine)
                    theirs.enter_context(other)
                output, their_output = os.pipe()
                ours.callback(os.close, output)
                theirs.callback(os.close, their_output)
                descriptors = [*(other.fileno() for _, other in pairs), their_output]
                self._warm_parent.fork(descriptors)
            except OSError as error:
                raise JudgeError(f"no worker can be made: {self._warm_parent.last_words() or error}") from None
            worker = Worker(pairs[0][0], pairs[1][0], output, limits, folder, self._endings, self.memory_group)
            ours.pop_all()
        self._given.add(worker)
        return worker

    def close(self) -> None:
        """Ends the warm parent and every process below it, and removes its folder."""
        self._end_all()
        self._log.close()
        if self.memory_group is not None:
            self.memory_group.remove()

    def _end_all(self) -> None:
        if self._parent is not None and self.isolation is Isolation.BUBBLEWRAP:
            self._parent.stop()  # everything inside ends with it, and a parent that hangs is not waited for
        for worker in list(self._given):
            _end(worker)  # without a name space its supervisor lives as long as we hold its channel
        self._prepared.clear()
        self._endings.close()
        if self._parent is not None:
            self._parent.stop()
            self._parent.remove_folder()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def warm_by_default() -> bool:
    """Whether workers are forks of a process that has imported torch: not where that is unsafe, or is switched off."""
    wanted = os.environ.get("TORCH_DOJO_WORKERS", "")
    if wanted not in ("", "warm", "cold"):
        raise UsageError(f"TORCH_DOJO_WORKERS='{wanted}' is not one of warm, cold")
    return wanted == "warm" if wanted else sys.platform == "linux"


def _end(worker: Worker) -> None:
    """Ends a worker that is of no more use, as far as it can be: what else is to be ended matters too."""
    with contextlib.suppress(JudgeError):
        worker.discard()
