"""The process of a judge: torch is imported and the suite collected once; each submission is graded in a fork.

Started by `Seat`. It imports nothing of a submission, and nothing of one outlasts its fork: neither what a suite keeps,
nor a worker. One exercise at a time, with a sandbox of its own.
"""

from __future__ import annotations

import contextlib
import gc
import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader import runner
from grader.catalog import Catalog, Exercise, find_root
from grader.cohort.turns import Turns
from grader.devices import cards, device_for
from grader.errors import DojoError, JudgeError, UsageError
from grader.grading import Settings, find_suite, open_sandbox
from grader.live.lanes import Lane, Tell, open_lanes
from grader.live.standing import read_drivers, settings_from
from grader.result import Report
from grader.sandbox import warm_by_default
from grader.submission import Submission
from grader.summary import Outcome, now, sum_up
from grader.worker import pages

if TYPE_CHECKING:
    import pytest

    from grader.recorder import Recorder


class Inbox:
    """Messages from the dispatcher, one a line."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self._buffer = bytearray()

    def next(self) -> dict[str, Any] | None:
        """Waits for the next one; None when the dispatcher has gone."""
        while (end := self._buffer.find(b"\n")) == -1:
            data = self.channel.recv(1 << 20)
            if not data:
                return None
            self._buffer += data
        message: dict[str, Any] = json.loads(self._buffer[:end])
        del self._buffer[: end + 1]
        return message

    def wait(self) -> None:
        """A sign of life, while it is another judge's turn. Raises ConnectionError where the dispatcher has gone."""
        self.send("waiting")

    def send(self, event: str, **body: Any) -> None:
        self.channel.sendall(json.dumps({"event": event, **body}).encode() + b"\n")


def main(descriptor: int) -> None:
    """Serves the socket `descriptor` until it closes."""
    inbox = Inbox(socket.socket(fileno=descriptor))
    catalog = Catalog(find_root(Path.cwd()))
    with contextlib.suppress(ConnectionError):  # the dispatcher has gone
        message = inbox.next()
        while message is not None:
            try:
                message = _stand(inbox, catalog.find(message["exercise"]), settings_from(message["settings"]))
            except DojoError as error:
                inbox.send("refused", reason=str(error), usage=isinstance(error, UsageError))
                return


def _stand(inbox: Inbox, exercise: Exercise, settings: Settings) -> dict[str, Any] | None:
    """Grades submissions of one exercise; returns the message that asks for another one."""
    suite, kind = find_suite(exercise, settings.suite)
    place = cards()[0] if device_for(exercise, settings.device) == "cuda" else "cpu"
    turns = Turns(settings.turns, place)
    opening = contextlib.ExitStack()
    opening.enter_context(turns.taken(False, inbox.wait))  # a start takes a core or two, which a timed one would miss
    with opening, open_sandbox(exercise, settings) as sandbox:
        runner.load()
        import numpy.ctypeslib  # noqa: F401 - the first tensor on the wire imports it, in each fork anew

        from grader.recorder import Recorder, Run

        sandbox.wait_ready()
        recorder = Recorder(Run(exercise, {}, sandbox, 0, sandbox.device), lambda _: None, lambda _: None)
        bench = Bench(inbox, recorder, suite, kind, turns, opening)
        runner.run(suite, exercise.root, recorder, bench)
        if recorder.faults:
            raise JudgeError(recorder.faults[0].strip().splitlines()[-1])
        return bench.following


@dataclass(frozen=True)
class Case:
    """A submission that is to be graded."""

    submission: Submission
    seed: int


class Bench:
    """A pytest plugin: where a session would run its tests, it waits for submissions and forks for each."""

    def __init__(
        self,
        inbox: Inbox,
        recorder: Recorder,
        suite: Path,
        kind: str,
        turns: Turns,
        opening: contextlib.ExitStack,
    ) -> None:
        self.inbox = inbox
        self.turns, self.opening = turns, opening
        self.recorder = recorder
        self.sandbox = recorder.run.sandbox
        self.suite, self.kind = suite, kind
        self.items: list[pytest.Item] = []
        self.following: dict[str, Any] | None = None  # what is to be done after this exercise

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Serves the inbox instead of running the tests once."""
        import pytest

        if not self.recorder.faults:
            self.items = list(session.items)
            read_drivers({item.getparent(pytest.Module) for item in self.items})
            gc.collect()
            gc.freeze()
            if sys.platform == "linux":
                pages.gather()
            self.opening.close()
            self.inbox.send("open", isolation=self.sandbox.isolation.value, device=self.sandbox.device)
            self._serve()
        session.items.clear()
        return True

    def _serve(self) -> None:
        while (message := self.inbox.next()) is not None and "exercise" not in message:
            self.sandbox.renew()
            case = Case(Submission(message["files"], message["sha256"]), message["seed"])
            with self.turns.taken(self.recorder.run.exercise.exclusive, self.inbox.wait):
                if warm_by_default():
                    self._in_a_fork(case)
                else:
                    self.inbox.send("graded", report=self._grade(case, self._pass_on).to_json())
        self.following = message

    def _in_a_fork(self, case: Case) -> None:
        def work(_: int, __: Iterator[int], tell: Tell) -> None:
            self.inbox.channel.close()
            self.sandbox.share(0, 1)
            tell({"event": "graded", "report": self._grade(case, tell).to_json()})

        (lane,) = open_lanes(1, [], work, self.sandbox.leave)
        self.sandbox.share(None, 1)
        if not self._listen(lane):
            self.inbox.send("lost")

    def _listen(self, lane: Lane) -> bool:
        """Passes on what the fork tells, its report when it has ended; whether there was one.

        Ends it when the dispatcher goes.
        """
        report: list[dict[str, Any]] = []
        while True:
            ready, _, _ = select.select([lane.pipe, self.inbox.channel.fileno()], [], [])
            if self.inbox.channel.fileno() in ready:  # nothing is asked of us before we have answered: it has gone
                lane.kill()
                raise ConnectionError
            rows, ended = lane.hear()
            for row in rows:
                if row["event"] == "graded":
                    report.append(row)
                else:
                    self._pass_on(row)
            if ended:
                for row in report:
                    self._pass_on(row)
                return bool(report)

    def _pass_on(self, row: dict[str, Any]) -> None:
        self.inbox.send(**row)

    def _grade(self, case: Case, tell: Tell) -> Report:
        """Runs the suite on a submission."""
        recorder, began, started = self.recorder, time.monotonic(), now()
        for found in (recorder.results, recorder.remarks, recorder.measured):  # of the one before, where nothing forks
            found.clear()
        run = replace(recorder.run, files=case.submission.files, seed=case.seed)
        recorder.aim(run, lambda _: tell({"event": "test"}))
        for item, following in zip(self.items, [*self.items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        missing = {item.name for item in self.items} - {result.name for result in recorder.results}
        faults = [*recorder.faults, *(f"a test without a result: {name}" for name in sorted(missing))]
        box = self.sandbox
        outcome = Outcome(
            box.device,
            case.seed,
            list(recorder.results),
            faults,
            list(recorder.remarks),
            list(recorder.measured),
            box.isolation.value,
            box.notice,
            box.versions,
        )
        seconds = time.monotonic() - began
        whole = self.kind == "hidden"
        return sum_up(run.exercise, case.submission, self.suite, self.kind, outcome, started, seconds, whole)


if __name__ == "__main__":
    main(int(sys.argv[1]))
