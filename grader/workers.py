"""One worker as the judge sees it: requests go out, one reply comes back for each, within the limits."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.catalog import Limits
from grader.cgroup import MemoryGroup, kills_around
from grader.endings import Endings, receive
from grader.errors import JudgeError
from grader.wire import Caps, Frame, FrameReader, WireError, decode, encode

BEGIN_SECONDS = 120.0  # for a worker to be ready, likewise
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Usage:
    """Memory of a worker and all below it, in bytes, as its supervisor measured it."""

    private: int
    file_pages: int
    high_water: int


class WorkerEnd(Exception):
    """The worker can't answer any more.

    `kind` says why: time, memory, gpu, processes, threads, hiding, output, exit, garbage.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail

    @property
    def killed(self) -> bool:
        """By SIGKILL: of its own, or by the machine. Nobody can tell which."""
        return self.kind == "exit" and self.detail == _exit_text(-signal.SIGKILL)

    @property
    def doubtful(self) -> bool:
        """Whether something else may have been the cause: also somebody who held a GPU's memory, and does no more."""
        return self.killed or self.kind == "gpu"


class Worker:
    """One worker: requests go out, one reply comes back for each, within the limits."""

    def __init__(
        self,
        data: socket.socket,
        control: socket.socket,
        output: int,
        limits: Limits,
        folder: Path | None,
        endings: Endings,
        group: MemoryGroup | None = None,
    ) -> None:
        self.limits = limits
        self._endings = endings
        self._group = group
        self._kills = group.kills if group else 0
        self._kills_around = kills_around()
        self._data = data
        self._control = control
        self._output = output
        self._folder = folder
        self._reader = FrameReader(Caps(tensor_bytes=limits.reply_mb * MEGABYTE))
        self._events = FrameReader(Caps(json_bytes=MEGABYTE, tensor_bytes=0))
        self._printed = bytearray()
        self._printed_total = 0
        self._usages: list[Usage] = []
        self._ended: WorkerEnd | JudgeError | None = None
        self._supervised = False
        data.setblocking(False)
        os.set_blocking(output, False)

    def set_up(self, setup: dict[str, Any]) -> None:
        """Tells the supervisor what to prepare, without waiting for it."""
        self._instruct(setup)

    def _instruct(self, message: dict[str, Any]) -> None:
        try:
            self._control.sendall(encode(message))
        except OSError as error:
            self._hang_up()
            raise JudgeError(f"a worker's supervisor ended before it began: {error}") from None

    def begin(self, files: Mapping[str, str], greeting: dict[str, Any]) -> None:
        """Hands over the submission, and waits for the worker. It has run nothing yet: whatever ends it is ours."""
        self._instruct({"files": dict(files), "order": list(files)})
        try:
            self.ask(encode(greeting), BEGIN_SECONDS)
        except WorkerEnd as end:
            raise JudgeError(f"a worker ended before it began ({end.kind}: {end.detail})") from None

    @property
    def starved(self) -> bool:
        """Whether the kernel has ended a process of the sandbox for want of memory since this worker was made."""
        return self._group is not None and self._group.kills > self._kills

    def _want_of_memory(self, lives: bool = False) -> WorkerEnd | JudgeError | None:
        """What the kernel ended for want of memory: over the submission's own limit, or in too small a machine.

        Of a worker that lives, a process below it; what ended elsewhere is then none of its business.
        """
        if self.starved and self._group is not None and self._group.full:
            return WorkerEnd("memory", f"{self.limits.memory_mb} MB")
        around = self._group is None or not lives
        if self.starved or (around and kills_around() > self._kills_around):
            return JudgeError(
                f"the machine, or the container, ran out of memory before a worker had the {self.limits.memory_mb} MB"
                " that a submission may use; give it more, or grade fewer at a time"
            )
        return None

    def let_go(self) -> None:
        """After a fork: forgets a worker that is another process's to use and to end."""
        self._ended = JudgeError("a worker was used that belongs to another process")
        for channel in (self._data, self._control):
            channel.close()
        if self._output != -1:
            os.close(self._output)
            self._output = -1

    def discard(self) -> None:
        """Ends a worker without a goodbye."""
        self._ended = self._ended or JudgeError("a worker was used after its sandbox had been closed")
        self._hang_up()

    def end(self, reason: WorkerEnd | JudgeError) -> None:
        """Ends a worker for a reason, which whoever asks it from now on is told."""
        self._ended = reason
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
                if want := self._want_of_memory(lives=True):
                    # The kernel ended a process that the worker had started: what it answers is the want's doing.
                    self.end(want)
                    raise want
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
            self._take_events(receive(self._control))
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
            raise self._explain()
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
                if event["code"] == -signal.SIGXCPU:
                    self._ended = WorkerEnd("time", f"{self.limits.cpu_seconds:g} s of CPU time")
                if event["code"] == -signal.SIGKILL:
                    self._ended = self._want_of_memory() or self._ended

    def _explain(self) -> WorkerEnd | JudgeError:
        """Why the worker's channel closed: waits for the supervisor's word. Raises JudgeError if it can't be known."""
        deadline = time.monotonic() + 5.0
        while self._ended is None and (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._control], [], [], min(left, 0.5))
            data = receive(self._control) if ready else None
            if data == b"":
                break
            if data:
                self._take_events(data)
            elif self._supervised and left < 4.0:
                # It closed the channel and lives on: its own doing, and no answer can come any more.
                return self._end("exit", "it closed the grader's channel")
        if self._ended is None and (want := self._want_of_memory()):
            # What is parked in a queue outlives its worker for a moment, and the kernel ended the supervisor as well.
            self._ended = want
            self._hang_up()
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
                self._take_events(receive(self._control))
        return self._usages.pop()

    def finish(self) -> str | None:
        """Says goodbye and ends the worker. Returns what was wrong if it sent more than its one reply."""
        surplus = None
        try:
            if self._ended is None and self._control.fileno() != -1:
                reply = decode(self.ask(encode({"op": "bye"}), 2.0))
                if reply != {"bye": True} or self._reader.pending:
                    surplus = "it sent a reply that nobody had asked for"
        except (WorkerEnd, WireError, JudgeError) as error:
            # Dead or silent after its last answer: the answers stand. Surplus bytes: they don't.
            surplus = str(error) if getattr(error, "kind", "") == "garbage" else None
        finally:
            self._hang_up()
        return surplus

    def _hang_up(self) -> None:
        self._data.close()
        try:
            if self._control.fileno() != -1:
                # One that was ended for its memory, say, holds it until it has ended.
                self._endings.add(socket.socket(fileno=self._control.detach()), at_once=self._ended is not None)
        finally:
            if self._output != -1:
                os.close(self._output)
                self._output = -1
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
