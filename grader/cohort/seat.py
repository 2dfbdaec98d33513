"""A judge as the dispatcher sees it: submissions go out one at a time, reports come back.

The process itself is `judge`. This side imports neither torch nor pytest.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Any

from grader.catalog import Exercise
from grader.errors import JudgeError
from grader.grading import Settings
from grader.live.station import ENVIRONMENT
from grader.result import Report
from grader.submission import Submission

END_SECONDS = 10.0  # for the process to end its sandbox
SEND_SECONDS = 30.0  # for a judge that waits to take what it is sent
START_SECONDS = 300.0  # for torch to be imported, twice, on a loaded machine
# A test of ours that hangs is ended after 30 times its limit, and runs three times at most: on the submission, again,
# and on the reference. A judge that says nothing for longer has stopped.
SILENCE = 100.0


@dataclass(frozen=True)
class Open:
    """The suite is collected and the sandbox is warm."""

    isolation: str
    device: str


@dataclass(frozen=True)
class Alive:
    """A test has ended."""


@dataclass(frozen=True)
class Graded:
    """The report on the submission at hand."""

    report: Report


@dataclass(frozen=True)
class Lost:
    """The fork that graded the submission has ended without a report. The judge is well."""

    reason: str


@dataclass(frozen=True)
class Died:
    """There is no judge any more; the reason. `usage`: what was asked for can't be had here."""

    reason: str
    usage: bool = False


Event = Open | Alive | Graded | Lost | Died


class Seat:
    """Starts a judge at once, and does not wait for it."""

    def __init__(self, exercise: Exercise, settings: Settings, card: str = "") -> None:
        """`card`: the one GPU that it is to see; "": whatever we see."""
        self._settings = settings
        self._buffer = bytearray()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lasts as long as we do
        self._channel, theirs = socket.socketpair()
        self.heard = time.monotonic()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "grader.cohort.judge", str(theirs.fileno())],
                cwd=exercise.root,
                env=os.environ | ENVIRONMENT | ({"CUDA_VISIBLE_DEVICES": card} if card else {}),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is the dispatcher's to handle
            )
        self.open(exercise)

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Readable when there are events, also when it has died."""
        return self._channel.fileno()

    def open(self, exercise: Exercise) -> None:
        """Has it turn to an exercise; `Open` says when it can grade."""
        self.exercise = exercise
        self.is_open = False
        self._send({"exercise": exercise.key, "settings": asdict(self._settings)})

    def grade(self, submission: Submission, seed: int) -> None:
        self._send({"files": submission.files, "sha256": submission.sha256, "seed": seed})

    def _send(self, message: dict[str, Any]) -> None:
        self.heard = time.monotonic()
        self._channel.settimeout(SEND_SECONDS)
        with contextlib.suppress(OSError):  # it has died: `events` tells
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        self._channel.setblocking(False)

    def events(self) -> list[Event]:
        """What has come since the last call, without waiting."""
        data = b"more"
        try:
            while data := self._channel.recv(1 << 16):
                self._buffer += data
        except BlockingIOError:
            pass
        except OSError:
            data = b""
        lines = self._buffer.split(b"\n")
        self._buffer = lines.pop()
        found = [self._event(json.loads(line)) for line in lines]
        if found:
            self.heard = time.monotonic()
        if not data and not any(isinstance(each, Died) for each in found):
            found.append(Died(self._last_words()))
        return found

    def _event(self, message: dict[str, Any]) -> Event:
        match message["event"]:
            case "open":
                self.is_open = True
                return Open(message["isolation"], message["device"])
            case "graded":
                try:
                    return Graded(Report.from_json(message["report"]))
                except JudgeError as error:
                    return Lost(str(error))
            case "lost":
                return Lost(self._last_words())
            case "refused":
                return Died(message["reason"], message["usage"])
        return Alive()

    @property
    def patience(self) -> float:
        """Seconds without a word after which it has stopped."""
        return START_SECONDS + SILENCE * self.exercise.limits.test_seconds

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "it ended without a word"

    def leave(self) -> None:
        """Tells it to end, and does not wait."""
        self._channel.close()

    def close(self, at_once: bool = False) -> None:
        """Ends the process and everything below it."""
        self.leave()
        try:
            self._process.wait(0 if at_once else END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
