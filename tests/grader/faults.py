"""Faults of the machine and of our own side, one after the other: whose each is said to be, and what it costs.

`make faults` prints the table, and `test_faults` asserts it row by row. A fault of ours is tried again; if it stays,
the verdict is `judge_error`, the exit code 3, and the earlier report is kept. No process, file or group is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import _pytest.timing

from grader import cgroup, checks, grade, plugin, remote, sandbox
from grader.__main__ import main
from grader.result import Report
from grader.sandbox import Isolation, Sandbox
from grader.workers import Worker

ALL, LOST, USAGE, JUDGE, INTERRUPTED = 0, 1, 2, 3, 130
ACCEPTED, RUN_TIME, WRONG, TIME = "accepted", "run_time_error", "wrong_answer", "time_limit_exceeded"
JUDGE_ERROR, NO_REPORT = "judge_error", "no report"
OURS, STUDENTS = "ours", "the student's"
AUTO, REQUIRE, OFF = "auto", "require", "off"
BOTH = (REQUIRE, OFF)
INSTALLED = shutil.which("bwrap") is not None
ONE = (REQUIRE,) if INSTALLED else (OFF,)  # where isolation makes no difference
EVER = 99  # times that a fault strikes
STRAY_SECONDS = 10.0  # for what is ending to have ended, on a loaded machine
PR_SET_CHILD_SUBREAPER = 36
EARLIER = "the report of an earlier run"

# Nothing here needs torch in the worker, so that a sandbox starts in a moment.
TOML = """
title = "Doubling"
summary = "Twice a number."
files = ["double.py"]
preload = []
[limits]
test_seconds = 5.0
memory_mb = 512
[[tasks]]
number = 1
title = "Twice"
points = 2
hints = ["Think of 2."]
[[tasks]]
number = 2
title = "Errors"
points = 1
hints = ["Raise it."]
"""
RIGHT = """
def double(x):
    if x < 0:
        raise ValueError(f"{x} is negative")
    return 2 * x
"""
SUITE = """
import os
import sys
import time

import pytest

from grader.checks import check_equal, check_raises
# HEAD


@pytest.fixture
def before():
    pass


@pytest.mark.task(1)
def test_doubles(submission, before):
    check_equal(submission.double(21), 42)
    check_equal(submission.double(4), 8)


# SECOND
@pytest.mark.task(2)
def test_refuses_what_is_negative(submission):
    # BODY
    check_raises(ValueError, submission.double, -1, mentions=("-1",))
"""


@dataclass
class Scene:
    """A course in a folder of its own, and what a fault changes while it is graded."""

    root: Path
    temporary: Path
    patches: contextlib.ExitStack
    source: str = "solutions"

    @property
    def suite(self) -> Path:
        return self.root / "tests/hidden/ex01_double/test_double.py"

    @property
    def toml(self) -> Path:
        return self.root / "exercises/ex01_double/exercise.toml"

    def report(self, name: str = "report") -> Path:
        return self.root / f"reports/ex01_double/{name}.json"

    def patch(self, where: Any, name: str, value: Any) -> None:
        self.patches.enter_context(mock.patch.object(where, name, value))

    def submit(self, code: str) -> None:
        """Hands in something else than the reference."""
        folder = self.root / "handed_in"
        (folder / "double.py").write_text(code)
        self.source = str(folder)


Play = Callable[[Scene, list[str]], int]  # grades; returns the exit code


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and how it is to be taken."""

    name: str
    inject: Callable[[Scene], None]
    verdict: str = ACCEPTED
    code: int = ALL
    modes: tuple[str, ...] = BOTH
    tries: int | None = None  # of the test that it strikes most, where the report tells
    play: Play | None = None  # in this process, if none is given
    replaces: bool | None = None  # whether the earlier report is replaced: by a grade, if nothing is given
    leaves: str = ""  # what nobody could have removed

    @property
    def whose(self) -> str:
        return STUDENTS if self.code == LOST else OURS


@dataclass
class Outcome:
    """How it was taken."""

    code: int
    verdict: str
    seconds: float
    strays: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def whose(self) -> str:
        return STUDENTS if self.code == LOST else OURS


# --- running one


def play(fault: Fault, mode: str) -> Outcome:
    """Grades the toy course while `fault` strikes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, contextlib.ExitStack() as patches:
        scene = build(Path(folder), patches)
        watch = Watch(scene)
        fault.inject(scene)
        watch.files = watch.seen()
        arguments = ["grade", "1", "--from", scene.source, "--sandbox", mode]
        code = (fault.play or play_here)(scene, arguments)
        patches.close()
        outcome = judge(fault, scene, code)
        outcome.strays = watch.strays(fault.leaves)
    outcome.problems += [f"left behind: {stray}" for stray in outcome.strays if stray.split()[0] != fault.leaves]
    outcome.seconds = time.monotonic() - began
    return outcome


def build(folder: Path, patches: contextlib.ExitStack) -> Scene:
    scene = Scene(folder / "course", folder / "tmp", patches)
    for path, text in {
        "exercises/ex01_double/exercise.toml": TOML,
        "exercises/ex01_double/double.py": "def double(x):\n    raise NotImplementedError\n",
        "solutions/ex01_double/double.py": RIGHT,
        "tests/hidden/ex01_double/test_double.py": SUITE,
        "reports/ex01_double/report.json": EARLIER,
        "requirements.lock": "torch==2.11.0\n",
    }.items():
        (scene.root / path).parent.mkdir(parents=True, exist_ok=True)
        (scene.root / path).write_text(text)
    scene.temporary.mkdir()
    (scene.root / "handed_in").mkdir()
    return scene


def play_here(scene: Scene, arguments: list[str]) -> int:
    """In this process: what is patched here is patched for the judge."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    nothing = scene.patches.enter_context(Path(os.devnull).open("w"))  # noqa: SIM115
    scene.patch(tempfile, "tempdir", str(scene.temporary))
    try:
        with contextlib.chdir(scene.root), contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            return main(arguments)
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def start(scene: Scene, arguments: list[str], **streams: Any) -> subprocess.Popen[bytes]:
    """In a process of its own, as a person starts it."""
    command = [sys.executable, "-m", "grader", *arguments]
    environment = {**os.environ, "TMPDIR": str(scene.temporary), "MARK": str(scene.root / "mark")}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
    settings = {"cwd": scene.root, "env": environment, "stdin": subprocess.DEVNULL, "preexec_fn": heed_signals}
    return subprocess.Popen(command, **settings, **streams)


def heed_signals() -> None:
    """A background job, as CI may be, ignores Ctrl-C, under `nohup` SIGHUP too, and so would all that it starts."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def play_apart(scene: Scene, arguments: list[str]) -> int:
    return start(scene, arguments).wait(60)


def judge(fault: Fault, scene: Scene, code: int) -> Outcome:
    """The outcome, and where it differs from what is due."""
    replaced = scene.report().read_text() != EARLIER
    beside = scene.report("report.judge_error")
    path = scene.report() if replaced else beside
    report = Report.from_json(path.read_text()) if path.is_file() else None
    outcome = Outcome(code, report.verdict.value if report else NO_REPORT, 0.0)
    due = fault.code in (ALL, LOST) if fault.replaces is None else fault.replaces
    tries = max((test.attempts for task in report.tasks for test in task.tests), default=0) if report else 0
    points = {ALL: (3.0, 3.0), LOST: (0.0, 2.0)}.get(code, (0.0, 3.0))
    for what, expected, got in (
        ("exit code", fault.code, code),
        ("verdict", fault.verdict, outcome.verdict),
        ("earlier report replaced", due, replaced),
        ("tries", fault.tries or tries, tries),
        ("points", True, report is None or points[0] <= report.points <= points[1]),
    ):
        if expected != got:
            outcome.problems.append(f"{what}: {expected} expected, {got} came")
    return outcome


class Watch:
    """Sees what is there before and after: processes, open descriptors, temporary files, memory groups."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        # Whoever loses its parent becomes our child, and is seen.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        gc.collect()
        self.processes = below(os.getpid())
        self.descriptors = descriptors()
        self.groups = groups()
        self.files = self.seen()

    def strays(self, known: str) -> list[str]:
        gc.collect()
        wait_until(lambda: all(stray.split()[0] == known for stray in self._now()), STRAY_SECONDS)
        found = self._now()
        for name in groups() - self.groups:
            for parent in cgroup._parents():
                with contextlib.suppress(OSError):
                    (parent / name).rmdir()
        for pid in below(os.getpid(), dead=True) - below(os.getpid()) - self.processes:
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)  # an orphan that came to us
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        return found

    def _now(self) -> list[str]:
        found = [f"process {pid}" for pid in below(os.getpid()) - self.processes]
        found += [f"temporary file {path.name}" for path in self.scene.temporary.iterdir()]
        found += [f"file {path}" for path in self.seen() - self.files]
        found += [f"group {name}" for name in groups() - self.groups]
        more = descriptors() - self.descriptors
        return found + ([f"{more} descriptors"] if more > 0 else [])

    def seen(self) -> set[Path]:
        kept = {self.scene.report(), self.scene.report("report.judge_error"), self.scene.root / "mark"}
        kept.add(self.scene.root / "handed_in/double.py")
        return {path for path in self.scene.root.rglob("*") if "__pycache__" not in path.parts} - kept


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the listing itself holds one


def groups() -> set[str]:
    """The memory groups of sandboxes whose judge is gone or is this process."""
    found = {path.name for parent in cgroup._parents() for path in parent.glob("dojo-*")}
    return {
        name for name in found if (pid := name.split("-")[1]) == str(os.getpid()) or not Path("/proc", pid).exists()
    }


def below(root: int, dead: bool = False) -> set[int]:
    """All processes below `root`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z" or dead:
                parents[int(entry.name)] = int(parent)
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return found - {root}


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
            if alive(int(child))
        ]
    return []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


# --- killing


def kill(pid: int) -> None:
    assert pid > 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))


def send(pid: int, number: signal.Signals) -> None:
    assert pid > 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def warm_parent(box: Sandbox) -> int:
    """bubblewrap is two processes, and the warm parent the third."""
    assert box._process is not None
    pid = box._process.pid
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
        killer, prepare, ask, finish, start = self, Sandbox._prepare, Worker.ask, Worker.finish, Sandbox._start

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

        def start_and_kill(box: Sandbox, *rest: Any) -> None:
            start(box, *rest)
            if killer.stage == "before it is ready" and killer.spend() and box._process is not None:
                killer.stop(box._process.pid)

        scene.patch(Sandbox, "_prepare", prepare_and_note)
        scene.patch(Sandbox, "_start", start_and_kill)
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
        assert box._process is not None
        if self.target == "worker":
            kill(frozen or self.worker_of(worker))
        elif self.target == "supervisor":
            kill(supervisor)
        elif self.target == "warm parent":
            kill(warm_parent(box))
        else:
            kill(box._process.pid)
        if frozen:
            send(frozen, signal.SIGCONT)


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


# --- what fails in the judge


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
                getattr(boxes[-1] if what == "_channel" else worker, what).close()
            return ask(worker, request, seconds)

        scene.patch(Sandbox, "_prepare", note)
        scene.patch(Worker, "ask", close_and_ask)

    return inject


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

    def by_sandbox(depth: int) -> Callable[..., bool]:
        return lambda *_: Path(traceback.extract_stack(limit=2 + depth)[0].filename).name == "sandbox.py"

    none_left = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    once, ever = raising(os, "pipe", none_left, 1, by_sandbox(1)), raising(os, "pipe", none_left, EVER, by_sandbox(1))
    yield Fault("no descriptor left for a worker, for a moment", once, tries=2)
    yield Fault("no descriptor left for a worker", ever, JUDGE_ERROR, JUDGE, tries=2)
    yield Fault("out of memory after the suite", raising(grade, "_tasks", MemoryError(), 1), modes=ONE, **none)
    yield Fault("a bug after the suite", raising(Report, "to_json", KeyError("x"), 1), modes=ONE, **none)
    unstarted = raising(subprocess.Popen, "_execute_child", full, EVER, by_sandbox(2))
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


# --- bubblewrap


def bubblewraps() -> Iterator[Fault]:
    def having(script: str | None) -> Callable[[Scene], None]:
        def inject(scene: Scene) -> None:
            folder = scene.root.parent / "path"
            folder.mkdir()
            if script is not None:
                (folder / "bwrap").write_text(script)
                (folder / "bwrap").chmod(0o755)
            scene.patches.enter_context(mock.patch.dict(os.environ, {"PATH": str(folder)}))
            scene.patch(sandbox, "START_SECONDS", 3.0)

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


# --- a corrupt suite


def edited(old: str, new: str) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        text = scene.suite.read_text()
        assert text.count(old) == 1
        scene.suite.write_text(text.replace(old, new))

    return inject


def suites() -> Iterator[Fault]:
    head, second, body = "# HEAD", "# SECOND", "# BODY"
    broken = "    pass\n"
    for name, inject in {
        "a syntax error": edited(head, "def ("),
        "an import error": edited(head, "import no_such_module"),
        "sys.exit at import": edited(head, "sys.exit(0)"),
        "pytest.exit at import": edited(head, "pytest.exit('enough', returncode=0)"),
        "a skip at import": edited(head, "pytest.skip('not today', allow_module_level=True)"),
        "no tests": lambda scene: scene.suite.write_text("VALUE = 3\n"),
        "not UTF-8": lambda scene: scene.suite.write_bytes(b"# \xe9\n" + SUITE.encode()),
        "all skipped": edited(head, "pytestmark = pytest.mark.skip"),
        "a skip in a test": edited(body, "pytest.skip('not today')"),
        "an expected failure": edited(second, "@pytest.mark.xfail"),
        "an expected failure that comes": edited(body, "pytest.xfail('a known bug')"),
        "an unexpected pass, strictly": edited(second, "@pytest.mark.xfail(strict=True)"),
        "a fixture that raises": edited(broken, "    raise RuntimeError('a bug')\n"),
        "a plain assert": edited(body, "assert 1 == 2"),
        "a bug": edited(body, "undefined_name"),
        "sys.exit in a test": edited(body, "sys.exit(0)"),
        "pytest.exit in a test": edited(body, "pytest.exit('enough')"),
        "pytest.exit(0) in a test": edited(body, "pytest.exit('enough', returncode=0)"),
        "pytest.fail": edited(body, "pytest.fail('no')"),
        "a test without a task": edited("@pytest.mark.task(2)\n", ""),
        "a test of an unknown task": edited("task(2)", "task(7)"),
        "a task without tests": edited("task(2)", "task(1)"),
        "two tests of one name": edited("test_refuses_what_is_negative", "test_doubles"),
        "a test that yields": edited(body, "yield"),
        "a test that returns a coroutine": edited("def test_refuses", "async def test_refuses"),
        "two suites": lambda scene: shutil.copy(scene.suite, scene.suite.with_name("test_more.py")),
        "missing": lambda scene: scene.suite.unlink(),
    }.items():
        report = NO_REPORT if name in ("two suites", "missing") else JUDGE_ERROR
        yield Fault(f"a corrupt suite: {name}", inject, report, JUDGE, modes=ONE)

    def wrong(scene: Scene) -> None:
        edited(second, "@pytest.mark.xfail")(scene)
        scene.submit("def double(x):\n    return 2 * x\n")

    yield Fault("a corrupt suite: an expected failure, wrong answer", wrong, JUDGE_ERROR, JUDGE, modes=ONE)
    leave = edited(body, "os._exit(0)")
    yield Fault("a corrupt suite: os._exit(0) in a test", leave, JUDGE_ERROR, JUDGE, ONE, play=play_apart)
    leave = edited(head, "os._exit(0)")
    yield Fault("a corrupt suite: os._exit(0) at import", leave, JUDGE_ERROR, JUDGE, ONE, play=play_apart)

    def hanging(where: str) -> Callable[[Scene], None]:
        def inject(scene: Scene) -> None:
            edited(where, "while True: time.sleep(0.01)")(scene)
            scene.patch(plugin, "BACKSTOP", 0.2)

        return inject

    yield Fault("a suite that hangs in a test", hanging(body), JUDGE_ERROR, JUDGE, modes=ONE, tries=2)
    yield Fault("a suite that hangs at import", hanging(head), JUDGE_ERROR, JUDGE, modes=ONE)
    moment = "    if not os.path.exists('x'):\n        os.mkdir('x')\n        raise RuntimeError\n    os.rmdir('x')\n"
    yield Fault("a fixture that raises, for a moment", edited(broken, moment), modes=ONE, tries=2)
    for name, text in {
        "no TOML": "title = ",
        "an unknown key": TOML.replace("title", "titel", 1),
        "a wrong type": TOML.replace("points = 2", 'points = "two"'),
        "no tasks": TOML.partition("[[tasks]]")[0],
        "empty": "",
    }.items():
        inject = lambda scene, text=text: scene.toml.write_text(text)  # noqa: E731
        yield Fault(f"a corrupt exercise.toml: {name}", inject, NO_REPORT, JUDGE, modes=ONE)


# --- signals, and a terminal that goes


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


# --- no fault at all, to compare with


def controls() -> Iterator[Fault]:
    def handing_in(code: str) -> Callable[[Scene], None]:
        return lambda scene: scene.submit(code)

    yield Fault("no fault", lambda _: None, tries=1)
    yield Fault("a wrong answer", handing_in("def double(x): return x\n"), WRONG, LOST, tries=1)
    leaves = "import os\ndef double(x): os._exit(0)\n"
    yield Fault("a submission that leaves", handing_in(leaves), RUN_TIME, LOST, tries=1)
    kills = "import os\ndef double(x): os.kill(os.getpid(), 9)\n"
    yield Fault("a submission that kills itself", handing_in(kills), RUN_TIME, LOST, tries=2)


def rows() -> list[tuple[Fault, str]]:
    """Every fault in every mode that it is about. Without bubblewrap, only what plain processes can show."""
    found = []
    for group in (controls, killings, failures, clocks, bubblewraps, suites, signals, outputs):
        for fault in group():
            found += [(fault, mode) for mode in fault.modes if INSTALLED or mode == OFF or group is bubblewraps]
    return found


def print_table(wanted: str = "") -> int:
    """Prints the rows whose names hold `wanted`; the exit code is 1 if one is not as it is to be."""
    print(f"{'fault':<60} {'sandbox':<8} {'whose':<14} {'verdict':<20} {'exit':>4}  {'stray':<6} {'s':>5}")
    wrong = 0
    began = time.monotonic()
    table = [(fault, mode) for fault, mode in rows() if wanted in f"{fault.name} {mode}"]
    for fault, mode in table:
        outcome = play(fault, mode)
        stray = ", ".join(sorted({each.split()[0] for each in outcome.strays})) or "none"
        line = (
            f"{fault.name:<60} {mode:<8} {outcome.whose:<14} {outcome.verdict.replace('_', ' '):<20} {outcome.code:>4}"
        )
        print(f"{line}  {stray:<6} {outcome.seconds:>5.1f}", *outcome.problems, sep="\n    ! ", flush=True)
        wrong += bool(outcome.problems)
    print(f"{len(table)} faults, {wrong} not taken as they should be, {time.monotonic() - began:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(print_table(*sys.argv[1:2]))
