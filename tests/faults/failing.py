"""What fails in the judge and around it: disks, memory, descriptors, the clock, bubblewrap."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import _pytest.timing

from grader import checks, parent, remote, summary
from grader.result import Report
from grader.sandbox import Sandbox
from grader.workers import Worker
from tests.faults.scene import (
    AUTO,
    EVER,
    JUDGE,
    JUDGE_ERROR,
    LOST,
    NO_REPORT,
    OFF,
    ONE,
    REQUIRE,
    TIME,
    TOML,
    USAGE,
    Fault,
    Scene,
)


def raising(
    where: Any, name: str, error: BaseException, times: int, only: Callable[..., bool] = lambda *_: True
) -> Any:
    """An injection: the first `times` calls of a function raise `error`."""

    def inject(scene: Scene) -> None:
        real, left = getattr(where, name), [times]

        def failing(*args: Any, **kwargs: Any) -> Any:
            if only(*args) and left[0] > 0:
                left[0] -= 1
                raise error
            return real(*args, **kwargs)

        scene.patch(where, name, failing)

    return inject


def closing(what: str) -> Callable[[Scene], None]:
    """An injection: one of the judge's own sockets is closed before the first call."""

    def inject(scene: Scene) -> None:
        ask, prepare, boxes, left = Worker.ask, Sandbox._prepare, [], [1]

        def note(box: Sandbox, *rest: Any) -> Worker:
            boxes.append(box)
            return prepare(box, *rest)

        def close_and_ask(worker: Worker, request: bytes, seconds: float) -> Any:
            if b'"call"' in request and left[0]:
                left[0] -= 1
                getattr(boxes[-1]._parent if what == "_channel" else worker, what).close()
            return ask(worker, request, seconds)

        scene.patch(Sandbox, "_prepare", note)
        scene.patch(Worker, "ask", close_and_ask)

    return inject


def tiny(where: str, options: str) -> Callable[[Scene], None]:
    """An injection: a real file system with next to no room, in place of one of the scene's folders."""

    def inject(scene: Scene) -> None:
        folder = scene.root / where
        kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
        scene.mounts.callback(subprocess.run, ["umount", "-l", folder], check=True)
        for path, content in kept.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    return inject


def may_mount() -> bool:
    """Root of a container may not, unless it was given the right."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False)
        return mounted.returncode == 0 and subprocess.run(["umount", folder], check=False).returncode == 0


def failures() -> Iterator[Fault]:
    for what, name in (("data", "_data"), ("control", "_control")):
        yield Fault(f"our end of the {what} socket closed", closing(name), tries=2)
    yield Fault("our end of the warm parent's socket closed", closing("_channel"), modes=(REQUIRE,))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    none = {"verdict": NO_REPORT, "code": JUDGE}
    yield Fault("disk full: the report", raising(os, "fsync", full, EVER), modes=ONE, **none)
    yield Fault("disk full: the report's folder", raising(tempfile, "mkstemp", full, EVER), modes=ONE, **none)
    yield Fault("disk full: the log of the warm parent", raising(tempfile, "TemporaryFile", full, EVER), **none)
    yield Fault("disk full: the temporary folder", raising(tempfile, "mkdtemp", full, EVER), modes=(OFF,), **none)

    if may_mount():
        yield Fault("disk full: a real one, the report", tiny("reports", "size=4k"), modes=ONE, **none)
        yield Fault("disk full: a real one, no file left", tiny("../tmp", "nr_inodes=1"), modes=(OFF,), **none)

    def workers_folder(path: Path, *_: Any) -> bool:
        return path.name.startswith("worker-")

    once, ever = raising(Path, "mkdir", full, 1, workers_folder), raising(Path, "mkdir", full, EVER, workers_folder)
    yield Fault("disk full: a worker's folder, for a moment", once, modes=(OFF,), tries=2)
    yield Fault("disk full: a worker's folder", ever, JUDGE_ERROR, JUDGE, modes=(OFF,), tries=2)
    for name, where, function, error in (
        ("out of memory while a reply is decoded", remote, "decode", MemoryError()),
        ("out of memory in a check", checks, "same", MemoryError()),
        ("a bug in a check", checks, "same", TypeError("a bug")),
    ):
        yield Fault(f"{name}, for a moment", raising(where, function, error, 1), modes=ONE, tries=2)
        yield Fault(name, raising(where, function, error, EVER), JUDGE_ERROR, JUDGE, modes=ONE, tries=2)

    def by(module: str, depth: int) -> Callable[..., bool]:
        return lambda *_: Path(traceback.extract_stack(limit=2 + depth)[0].filename).name == module

    none_left = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    once, ever = (raising(os, "pipe", none_left, times, by("sandbox.py", 1)) for times in (1, EVER))
    yield Fault("no descriptor left for a worker, for a moment", once, tries=2)
    yield Fault("no descriptor left for a worker", ever, JUDGE_ERROR, JUDGE, tries=2)
    yield Fault("out of memory after the suite", raising(summary, "_tasks", MemoryError(), 1), modes=ONE, **none)
    yield Fault("a bug after the suite", raising(Report, "to_json", KeyError("x"), 1), modes=ONE, **none)
    unstarted = raising(subprocess.Popen, "_execute_child", full, EVER, by("parent.py", 2))
    yield Fault("no process can be started", unstarted, modes=(OFF,), **none)
    yield Fault("no process can be started for bubblewrap", unstarted, NO_REPORT, USAGE, modes=(REQUIRE,))
    yield Fault("the lock file is missing", lambda scene: (scene.root / "requirements.lock").unlink(), modes=ONE)


def jumping(scene: Scene) -> None:
    """The clock goes an hour forth and back with every look at it."""
    real, step = time.time, [3600.0]

    def jump() -> float:
        step[0] = -step[0]
        return real() + step[0]

    scene.patch(time, "time", jump)
    scene.patch(_pytest.timing, "time", jump)


def clocks() -> Iterator[Fault]:
    def hanging(scene: Scene) -> None:
        jumping(scene)
        scene.toml.write_text(TOML.replace("test_seconds = 5.0", "test_seconds = 0.5"))
        scene.submit("def double(x):\n    while True: pass\n")

    yield Fault("the clock jumps", jumping, tries=1)
    yield Fault("the clock jumps, and the submission hangs", hanging, TIME, LOST, modes=ONE)


def bubblewraps() -> Iterator[Fault]:
    def having(script: str | None) -> Callable[[Scene], None]:
        def inject(scene: Scene) -> None:
            folder = scene.root.parent / "path"
            folder.mkdir()
            if script is not None:
                (folder / "bwrap").write_text(script)
                (folder / "bwrap").chmod(0o755)
            scene.patches.enter_context(mock.patch.dict(os.environ, {"PATH": str(folder)}))
            scene.patch(parent, "START_SECONDS", 3.0)

        return inject

    for name, script in (
        ("is missing", None),
        ("exits at once", "#!/bin/sh\nexit 1\n"),
        ("is killed at once", "#!/bin/sh\nkill -9 $$\n"),
        ("hangs", "#!/bin/sh\n/bin/sleep 600\n"),
        ("is no program", "\x7fELF"),
    ):
        yield Fault(f"bubblewrap {name}", having(script), modes=(AUTO, OFF) if script is None else (AUTO,))
        yield Fault(f"bubblewrap {name}", having(script), NO_REPORT, USAGE, modes=(REQUIRE,))
