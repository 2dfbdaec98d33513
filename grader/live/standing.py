"""The process of a warm judge: torch is imported and the suite collected once; each run is a fork from there.

Started by `Station`. Two lanes are forked for a run, so that both cores work. Nothing that a suite does in a lane
outlasts the run.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import secrets
import select
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader import runner
from grader.catalog import Catalog, Exercise, find_root
from grader.driver import driver_source
from grader.effort import Effort, Selection
from grader.errors import DojoError, JudgeError
from grader.grading import Settings, find_suite, open_sandbox
from grader.live.lanes import LANES, Round, Tell, open_lanes
from grader.mentions import names_of_driver
from grader.sandbox import Mode, warm_by_default
from grader.worker import pages

if TYPE_CHECKING:
    import pytest

    from grader.recorder import Recorder
    from grader.result import TestResult

POOL = 64  # workers that wait for a save, at most
POOL_SHARE = 0.25  # of the memory that is free, at most
WORKER_MB = 12  # of its own, of one that waits
NAP = 0.02  # seconds between two workers that are prepared while nothing runs


def main(descriptor: int) -> None:
    """Serves the socket `descriptor` until it closes."""
    channel = socket.socket(fileno=descriptor)
    lines = channel.makefile("rb", buffering=0)  # what comes after the first line is for the floor
    try:
        first = json.loads(lines.readline())
        exercise = Catalog(find_root(Path.cwd())).find(first["exercise"])
        _stand(channel, exercise, settings_from(first["settings"]))
    except DojoError as error:
        _send(channel, "died", {"reason": str(error)})


def settings_from(row: dict[str, Any]) -> Settings:
    """Settings from their line."""
    kinds = {"sandbox": Mode, "effort": Effort, "selection": Selection, "first": tuple}
    return Settings(**{name: kinds[name](value) if name in kinds else value for name, value in row.items()})


def _stand(channel: socket.socket, exercise: Exercise, settings: Settings) -> None:
    suite, _ = find_suite(exercise, settings.suite)
    with open_sandbox(exercise, settings, lanes_of(exercise), exercise.warm) as sandbox:
        runner.load()
        import numpy.ctypeslib  # noqa: F401 - the first tensor on the wire imports it, in each lane anew

        from grader.recorder import Recorder, Run

        sandbox.wait_ready()
        recorder = Recorder(Run(exercise, {}, sandbox, 0, sandbox.device), lambda _: None, lambda _: None)
        floor = Floor(channel, recorder, settings)
        runner.run(suite, exercise.root, recorder, floor)
        if recorder.faults:
            raise JudgeError(recorder.faults[0].strip().splitlines()[-1])


def _send(channel: socket.socket, kind: str, body: dict[str, Any]) -> None:
    channel.sendall(json.dumps({"event": kind, "body": body}).encode() + b"\n")


class Floor:
    """A pytest plugin: where a session would run its tests, it stands still and forks for each run."""

    def __init__(self, channel: socket.socket, recorder: Recorder, settings: Settings) -> None:
        self.channel = channel
        self.recorder = recorder
        self.settings = settings
        self.sandbox = recorder.run.sandbox
        self.round: Round | None = None
        self.items: dict[str, pytest.Item] = {}
        self.forks = warm_by_default()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Serves the channel instead of running the tests once."""
        import pytest

        from grader.recorder import is_training, sentence, task_of

        if not self.recorder.faults:
            self.items = {item.name: item for item in session.items}
            self.sandbox.rehearse = True
            read_drivers({item.getparent(pytest.Module) for item in session.items})
            gc.collect()
            gc.freeze()
            if sys.platform == "linux":
                pages.gather()
            rows = [
                {"name": each.name, "sentence": sentence(each), "task": task_of(each), "training": is_training(each)}
                for each in session.items
            ]
            box = self.sandbox
            about = {"device": box.device, "isolation": box.isolation, "notice": box.notice, "versions": box.versions}
            _send(self.channel, "ready", {"items": rows, **about})
            with contextlib.suppress(OSError):  # whoever asked has gone
                self._serve()
            self._end_round()
        session.items.clear()
        return True

    def _serve(self) -> None:
        buffer = bytearray()
        in_turn = sum(1 for each in self.items.values() if "submission" in _fixtures(each))
        target = min(room(), in_turn) if self.forks else 1
        while True:
            pipes = [lane.pipe for lane in self.round.lanes] if self.round else []
            idle = self.round is None and self.sandbox.prepared < target
            ready, _, _ = select.select([self.channel.fileno(), *pipes], [], [], NAP if idle else None)
            if not ready:
                self._stock()
            if self.channel.fileno() not in ready:
                for pipe in ready:
                    self._hear(pipe)
            elif not self._obey(buffer):  # first, and alone: it may end the lanes whose pipes are ready too
                return

    def _obey(self, buffer: bytearray) -> bool:
        """Does what was asked for; False when whoever asks has gone."""
        data = self.channel.recv(1 << 20)
        buffer += data
        while (end := buffer.find(b"\n")) != -1:
            message = json.loads(buffer[:end])
            del buffer[: end + 1]
            self._end_round()
            if message["op"] == "run":
                self._begin(message)
        return bool(data)

    def _stock(self) -> None:
        with contextlib.suppress(JudgeError):  # the next run meets the fault, and tells it
            self.sandbox.stock(self.recorder.run.exercise.limits, self.sandbox.prepared + 1)

    def _begin(self, message: dict[str, Any]) -> None:
        self.sandbox.renew()
        seed = secrets.randbits(63) if self.settings.seed is None else self.settings.seed
        files, names = message["files"], [name for name in message["names"] if name in self.items]
        self.round = Round(message["run"], set(names), seed)
        if not self.forks:
            self._run(files, seed, iter(names), self._pass_on)
            self._close_round()
            return
        order = list(self.items)
        shared = any("shared_submission" in _fixtures(self.items[name]) for name in names)
        count = 1 if shared else min(lanes_of(self.recorder.run.exercise), len(names))

        def work(part: int, numbers: Iterator[int], tell: Tell) -> None:
            self.channel.close()
            self.sandbox.share(part, count)
            self._run(files, seed, (order[number] for number in numbers), tell)

        self.round.lanes = open_lanes(count, [order.index(name) for name in names], work, self.sandbox.leave)
        self.sandbox.share(None, count)  # they are the lanes' now
        if not self.round.lanes:
            self._close_round()

    def _run(self, files: dict[str, str], seed: int, names: Iterator[str], tell: Tell) -> None:
        recorder = self.recorder

        def finished(result: TestResult) -> None:
            touched = getattr(recorder, "touched", {}).get(result.name)
            used = None if touched is None else sorted(touched)
            tell({"event": "finished", "body": {"result": asdict(result), "touched": used}})

        recorder.aim(replace(recorder.run, files=files, seed=seed), finished)
        name = next(names, None)
        while name is not None:
            following = next(names, None)
            item, after = self.items[name], self.items[following] if following else None
            tell({"event": "started", "body": {"name": name}})
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            name = following
        measured = [asdict(each) for each in recorder.measured]
        told = {"faults": recorder.faults, "remarks": recorder.remarks, "measured": measured}
        tell({"event": "lane", "body": told})

    def _hear(self, pipe: int) -> None:
        """What a lane tells is passed on; its end is noted."""
        assert self.round is not None
        lane = next(each for each in self.round.lanes if each.pipe == pipe)
        rows, ended = lane.hear()
        for row in rows:
            self._pass_on(row)
        if ended:
            self.round.lanes.remove(lane)
            if not self.round.lanes:
                self._close_round()

    def _pass_on(self, row: dict[str, Any]) -> None:
        assert self.round is not None
        if self.round.take(row):
            _send(self.channel, row["event"], {"run": self.round.number, **row["body"]})

    def _close_round(self) -> None:
        done, self.round = self.round, None
        assert done is not None
        _send(self.channel, "done", done.end())

    def _end_round(self) -> None:
        """Ends a run under way."""
        ended, self.round = self.round, None
        for lane in ended.lanes if ended else []:
            lane.kill()


def lanes_of(exercise: Exercise) -> int:
    """How many tests run at a time: one by one where they are timed."""
    return 1 if exercise.exclusive else LANES


def room() -> int:
    """How many workers may wait: fewer on a small machine, and one at least."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))
        return max(1, min(POOL, int(POOL_SHARE * free / WORKER_MB)))
    return POOL


def read_drivers(modules: set[pytest.Module | None]) -> None:
    """Turns the suite's drivers into source, and looks for names in them, now and not in each lane anew."""
    for module in modules:
        for function in vars(module.obj).values() if module else ():
            if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") == "sub":
                with contextlib.suppress(ValueError, OSError):  # the test that uses it says so
                    names_of_driver(driver_source(function))


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", []))


if __name__ == "__main__":
    main(int(sys.argv[1]))
