"""Processes of a sandbox that are killed or stopped, at each stage of a worker's life."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from grader import endings, workers
from grader.parent import Isolation, WarmParent
from grader.sandbox import Sandbox
from grader.workers import Worker
from tests.faults.processes import alive, children, kill, send, wait_until
from tests.faults.scene import (
    AUTO,
    EVER,
    JUDGE,
    JUDGE_ERROR,
    LOST,
    NO_REPORT,
    OFF,
    REQUIRE,
    RUN_TIME,
    USAGE,
    Fault,
    Scene,
)


def warm_parent(box: Sandbox) -> int:
    """bubblewrap is two processes, and the warm parent the third."""
    assert box._parent is not None
    pid = box._parent.pid
    for _ in range(2 if box.isolation is Isolation.BUBBLEWRAP else 0):
        wait_until(lambda pid=pid: children(pid) or not alive(pid), 2.0)
        pid = next(iter(children(pid)), pid)
    return pid


class Killer:
    """Kills one of a sandbox's processes at a stage of a worker's life, some times."""

    def __init__(self, target: str, stage: str, times: int) -> None:
        self.target, self.stage, self.times = target, stage, times
        self.crew: dict[int, tuple[Sandbox, int]] = {}  # of a Worker: its sandbox and its supervisor
        self.calls: dict[int, int] = {}

    def __call__(self, scene: Scene) -> None:
        self.left = self.times
        killer, prepare, ask, finish, start = self, Sandbox._prepare, Worker.ask, Worker.finish, WarmParent._start

        def prepare_and_note(box: Sandbox, *rest: Any) -> Worker:
            warm = warm_parent(box)
            known = set(children(warm))
            worker = prepare(box, *rest)
            wait_until(lambda: set(children(warm)) - known or not alive(warm), 2.0)
            killer.crew[id(worker)] = box, next(iter(set(children(warm)) - known), 0)
            killer.calls[id(worker)] = 0
            return worker

        def ask_or_die(worker: Worker, request: bytes, seconds: float) -> Any:
            with killer.struck(worker, killer.stage_of(worker, request)):
                return ask(worker, request, seconds)

        def finish_and_kill(worker: Worker) -> Any:
            done = finish(worker)
            if killer.stage == "between two tests" and killer.spend():
                killer.strike(worker)
            return done

        def start_and_kill(parent: WarmParent, *rest: Any) -> Any:
            process = start(parent, *rest)
            if killer.stage == "before it is ready" and killer.spend():
                killer.stop(process.pid)
            return process

        scene.patch(Sandbox, "_prepare", prepare_and_note)
        scene.patch(WarmParent, "_start", start_and_kill)
        scene.patch(Worker, "ask", ask_or_die)
        scene.patch(Worker, "finish", finish_and_kill)

    def stage_of(self, worker: Worker, request: bytes) -> str:
        if b'"begin"' in request:
            return "before it begins"
        if b'"bye"' in request:
            return "at the goodbye"
        self.calls[id(worker)] += 1
        return "during a call" if self.calls[id(worker)] == 1 else "between two calls"

    def spend(self) -> bool:
        self.left -= 1
        return self.left >= 0

    @contextlib.contextmanager
    def struck(self, worker: Worker, stage: str) -> Iterator[None]:
        if stage != self.stage or not self.spend():
            yield
            return
        if stage in ("before it begins", "between two calls"):
            self.strike(worker)
            yield
            return
        # Frozen first, so that the blow falls after the request has gone out and before there is an answer.
        victim = self.worker_of(worker)
        send(victim, signal.SIGSTOP)
        timer = threading.Timer(0.1, self.strike, [worker, victim])
        timer.start()
        try:
            yield
        finally:
            timer.join()

    def worker_of(self, worker: Worker) -> int:
        supervisor = self.crew[id(worker)][1]
        wait_until(lambda: children(supervisor), 2.0)
        return next(iter(children(supervisor)))

    def stop(self, pid: int) -> None:
        """What was started so far: bubblewrap is two processes, and the inner one may get by without the outer one."""
        assert pid > 1
        if self.target == "bubblewrap":
            kill(pid)
        else:
            os.killpg(pid, signal.SIGKILL)

    def strike(self, worker: Worker, frozen: int = 0) -> None:
        box, supervisor = self.crew[id(worker)]
        assert box._parent is not None
        if self.target == "worker":
            kill(frozen or self.worker_of(worker))
        elif self.target == "supervisor":
            kill(supervisor)
        elif self.target == "warm parent":
            kill(warm_parent(box))
        else:
            kill(box._parent.pid)
        if frozen:
            # Dead before it is let go: its end reaches it through its parents, and an answer could be quicker.
            wait_until(lambda: not alive(frozen), 1.0)
            send(frozen, signal.SIGCONT)


def stopping(scene: Scene) -> None:
    """The warm parent neither works nor ends, from the first worker on."""
    spawn = Sandbox._spawn

    def stop_and_spawn(box: Sandbox, *rest: Any) -> Worker:
        send(warm_parent(box), signal.SIGSTOP)
        return spawn(box, *rest)

    scene.patch(Sandbox, "_spawn", stop_and_spawn)
    scene.patch(workers, "BEGIN_SECONDS", 1.0)
    scene.patch(endings, "END_SECONDS", 1.0)


def killings() -> Iterator[Fault]:
    for stage, tries in (
        ("before it begins", 2),
        ("during a call", 2),
        ("between two calls", 2),
        ("at the goodbye", 1),  # its answers stand
    ):
        for target in ("worker", "supervisor"):
            yield Fault(f"{target} killed {stage}", Killer(target, stage, 1), tries=tries)
        yield Fault(f"warm parent killed {stage}", Killer("warm parent", stage, 1))
    yield Fault("warm parent killed before it is ready", Killer("warm parent", "before it is ready", 1), tries=1)
    yield Fault("warm parent killed between two tests", Killer("warm parent", "between two tests", 1))
    yield Fault("bubblewrap killed during a call", Killer("bubblewrap", "during a call", 1), tries=2, modes=(REQUIRE,))
    yield Fault("warm parent stopped", stopping, JUDGE_ERROR, JUDGE, tries=2)
    # What stays.
    ours = {"verdict": JUDGE_ERROR, "code": JUDGE, "tries": 2}
    yield Fault("worker killed before it begins, each time", Killer("worker", "before it begins", EVER), **ours)
    # Nobody can tell it from a submission that kills itself.
    theirs = {"verdict": RUN_TIME, "code": LOST, "tries": 2}
    yield Fault("worker killed during a call, each time", Killer("worker", "during a call", EVER), **theirs)
    yield Fault("supervisor killed during a call, each time", Killer("supervisor", "during a call", EVER), **ours)
    killer = Killer("warm parent", "during a call", EVER)
    yield Fault("warm parent killed during a call, each time", killer, modes=(REQUIRE,), **ours)
    killer = Killer("warm parent", "before it begins", EVER)
    yield Fault("warm parent killed before a worker begins, each time", killer, modes=(REQUIRE,), **ours)
    for mode, code in ((AUTO, JUDGE), (REQUIRE, USAGE), (OFF, JUDGE)):
        killer = Killer("warm parent", "before it is ready", EVER)
        yield Fault("warm parent killed before it is ready, each time", killer, NO_REPORT, code, modes=(mode,))
    yield Fault(
        "bubblewrap killed twice before it is ready", Killer("bubblewrap", "before it is ready", 2), modes=(AUTO,)
    )
