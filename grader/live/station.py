"""A warm judge for one exercise, as the process that asks it sees it: runs go out, outcomes come back.

The process itself is `standing`. This side imports neither torch nor pytest.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grader.catalog import Exercise
from grader.grading import Settings
from grader.result import Measured, TestResult, result_from_json
from grader.sandbox import warm_by_default

END_SECONDS = 10.0  # for the process to end its sandbox
# Large pages, like those of the warm parent: a run is a fork of a process with torch.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


@dataclass(frozen=True)
class Item:
    """A test of the suite."""

    name: str
    sentence: str
    task: int
    training: bool


@dataclass(frozen=True)
class Ready:
    """Everything is imported, the suite is collected, the sandbox is warm."""

    items: list[Item]
    device: str
    isolation: str
    notice: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Started:
    """A test begins."""

    run: int
    name: str


@dataclass(frozen=True)
class Finished:
    """A test has ended. `touched`: the names of the submission that it used, or None where any may have been."""

    run: int
    result: TestResult
    touched: frozenset[str] | None


@dataclass(frozen=True)
class Done:
    """All tests of a run have ended, or a fault of ours ended it: then `faults` says so."""

    run: int
    faults: list[str]
    remarks: list[str]
    measured: list[Measured]
    seconds: float
    seed: int


@dataclass(frozen=True)
class Died:
    """There is no warm judge any more; the reason."""

    reason: str


Event = Ready | Started | Finished | Done | Died


class Station:
    """Starts the warm judge at once, and does not wait for it: `Ready` says when it can run."""

    def __init__(self, exercise: Exercise, settings: Settings) -> None:
        self._exercise, self._settings = exercise, settings
        self._forks = warm_by_default()
        self._runs = 0
        self._ready = False
        self._busy = False
        self._start()

    def _start(self) -> None:
        self._buffer = bytearray()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lasts as long as we do
        self._channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "grader.live.standing", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command,
                cwd=self._exercise.root,
                env=os.environ | ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle
            )
        self._send({"exercise": self._exercise.key, "settings": asdict(self._settings)})

    def fileno(self) -> int:
        """Readable when there are events, also when it has died."""
        return self._channel.fileno()

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it has died: `events` tells
            self._channel.sendall(json.dumps(message).encode() + b"\n")

    def run(self, files: Mapping[str, str], names: Sequence[str]) -> int:
        """Runs the tests called `names` on a submission (file → text), in this order; a run under way is ended."""
        self._interrupt()
        self._runs += 1
        self._busy = True
        self._send({"op": "run", "run": self._runs, "files": dict(files), "names": list(names)})
        return self._runs

    def cancel(self) -> None:
        """Ends a run under way. Nothing more comes of it."""
        self._interrupt()
        self._runs += 1
        self._send({"op": "cancel"})

    def _interrupt(self) -> None:
        """Where runs are no forks, only the end of the whole process ends one."""
        if self._busy and not self._forks:
            self.close(at_once=True)
            self._start()
        self._busy = False

    def events(self) -> list[Event]:
        """What has come since the last call, without waiting. Nothing of a run that is not the latest."""
        try:
            while data := self._channel.recv(1 << 16, socket.MSG_DONTWAIT):
                self._buffer += data
        except BlockingIOError:
            data = b"more"
        except OSError:
            data = b""
        lines = self._buffer.split(b"\n")
        self._buffer = lines.pop()
        found = [event(json.loads(line)) for line in lines]
        if not data:
            found.append(Died(self._last_words()))
        return [each for each in found if self._matters(each)]

    def _matters(self, one: Event) -> bool:
        """Not what a run has to say that was ended, nor a second `Ready` after a start that was only ours."""
        if isinstance(one, Ready):
            first, self._ready = not self._ready, True
            return first
        latest = isinstance(one, Died) or one.run == self._runs
        self._busy &= not (latest and isinstance(one, Done | Died))
        return latest

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "it ended without a word"

    def close(self, at_once: bool = False) -> None:
        """Ends the process and everything below it."""
        self._channel.close()
        try:
            self._process.wait(0 if at_once else END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def event(message: dict[str, Any]) -> Event:
    """An event from its line."""
    kind, body = message["event"], message["body"]
    if kind == "ready":
        return Ready(**{**body, "items": [Item(**row) for row in body["items"]]})
    if kind == "started":
        return Started(**body)
    if kind == "finished":
        touched = None if body["touched"] is None else frozenset(body["touched"])
        return Finished(body["run"], result_from_json(body["result"]), touched)
    if kind == "died":
        return Died(**body)
    return Done(**{**body, "measured": [Measured(**row) for row in body["measured"]]})
