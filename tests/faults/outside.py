"""Signals, and a terminal that goes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.faults.processes import wait_until
from tests.faults.scene import ACCEPTED, INTERRUPTED, JUDGE, LOST, NO_REPORT, ONE, WRONG, Fault, Play, Scene, start
from tests.faults.suites import edited


def signalled(number: signal.Signals) -> Play:
    def run(scene: Scene, arguments: list[str]) -> int:
        with start(scene, arguments) as process:
            wait_until((scene.root / "mark").exists, 60.0)
            time.sleep(0.2)
            process.send_signal(number)
            return process.wait(60)

    return run


def signals() -> Iterator[Fault]:
    def inject(scene: Scene) -> None:
        edited("# BODY", "open(os.environ['MARK'], 'w').close()")(scene)
        scene.submit("def double(x):\n    if x < 0:\n        import time; time.sleep(60)\n    return 2 * x\n")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        yield Fault(f"{number.name} in a test", inject, NO_REPORT, INTERRUPTED, play=signalled(number))
    # Nobody is left to remove the memory group, where there is one. It is empty.
    killed = signalled(signal.SIGKILL)
    yield Fault("SIGKILL in a test", inject, NO_REPORT, -signal.SIGKILL, play=killed, leaves="group")


def unread(scene: Scene, arguments: list[str]) -> int:
    """The reader of our output has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    with start(scene, arguments, stdout=writing) as process:
        os.close(writing)
        return process.wait(60)


def unread_for_long(scene: Scene, arguments: list[str]) -> int:
    """The pipe that we write to is full until somebody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    with start(scene, arguments, stdout=writing) as process:
        os.close(writing)
        wait_until(lambda: process.poll() is not None, 3.0)
        while os.read(reading, 65536):
            pass
        os.close(reading)
        return process.wait(60)


def closed(redirections: str) -> Play:
    """Our output is closed, or goes nowhere."""

    def run(scene: Scene, arguments: list[str]) -> int:
        command = ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "grader", *arguments]
        environment = {**os.environ, "TMPDIR": str(scene.temporary)}
        quiet = {"stderr": subprocess.DEVNULL, "check": False, "timeout": 60}
        return subprocess.run(command, cwd=scene.root, env=environment, **quiet).returncode

    return run


def outputs() -> Iterator[Fault]:
    def nothing(_: Scene) -> None:
        pass

    def wrong(scene: Scene) -> None:
        scene.submit("def double(x):\n    return 2 * x\n")

    yield Fault("nobody reads what is printed", nothing, modes=ONE, play=unread)
    yield Fault("nobody reads what is printed, wrong answer", wrong, WRONG, LOST, modes=ONE, play=unread)
    yield Fault("what is printed is read late", nothing, modes=ONE, play=unread_for_long)
    yield Fault("standard output and error are closed", nothing, play=closed("<&- >&- 2>&-"))
    for what, where in (("output is", ">/dev/full"), ("output and error are", ">/dev/full 2>&1")):
        full = closed(where)
        name = f"standard {what} a full disk"
        yield Fault(name, nothing, ACCEPTED, JUDGE, modes=ONE, play=full, replaces=True)
