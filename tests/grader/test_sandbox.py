"""Sandboxes and workers: limits, ends, frames out of turn, and a machine on which bubblewrap is missing or fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.catalog import Limits
from grader.cgroup import MemoryGroup, make_group
from grader.errors import JudgeError, UsageError
from grader.parent import Isolation
from grader.sandbox import PATIENCE, Mode, Sandbox
from grader.wire import WireError, decode, encode
from grader.workers import Worker, WorkerEnd

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
MODES = [pytest.param(Mode.REQUIRE, id="bubblewrap", marks=needs_bubblewrap), pytest.param(Mode.OFF, id="process")]
LIMITS = Limits(test_seconds=20.0, memory_mb=256, scratch_mb=32, output_mb=2, processes=8, open_files=64)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")


@pytest.fixture(scope="module", params=MODES)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Without torch, which these tests do not need."""
    with Sandbox([], request.param) as sandbox:
        sandbox.wait_ready()
        yield sandbox


@pytest.fixture
def worker(sandbox: Sandbox) -> Iterator[Worker]:
    worker = sandbox.spawn({"answer.py": "value = 42\n"}, LIMITS, 1)
    yield worker
    worker.finish()


def request(body: str) -> bytes:
    """A request to run `body`."""
    source = "def driver(sub):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return encode({"op": "run", "name": "driver", "source": source, "args": (), "kwargs": {}})


def ask(worker: Worker, body: str, seconds: float = 20.0) -> Any:
    return decode(worker.ask(request(body), seconds))


def end_of(worker: Worker, body: str, seconds: float = 20.0) -> tuple[str, str]:
    """Why the worker could not answer; and it can't answer again either."""
    with pytest.raises(WorkerEnd) as caught:
        ask(worker, body, seconds)
    with pytest.raises(WorkerEnd) as again:
        ask(worker, "return 1")
    assert again.value is caught.value
    return caught.value.kind, caught.value.detail


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def below(root: int) -> set[int]:
    """All living processes below `root`."""
    found = {root}
    for pid in (todo := [root]):
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            children = {int(child) for task in tasks for child in (task / "children").read_text().split()}
        except OSError:
            continue
        todo += children - found
        found |= children
    return {pid for pid in found - {root} if alive(pid)}


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


# Answers and ends


def test_a_worker_answers_one_request_after_another(worker: Worker) -> None:
    assert ask(worker, "return sub.value") == {"ok": 42}
    assert ask(worker, "return [sub.value]") == {"ok": [42]}
    assert worker.finish() is None


def test_a_worker_has_a_user_name(worker: Worker) -> None:
    """Where nobody has an account; torch 2.11 asks for it when it is imported, on Python 3.12."""
    assert ask(worker, "import getpass; return getpass.getuser()") == {"ok": "student"}


def test_a_fresh_worker_knows_nothing_of_the_one_before(sandbox: Sandbox) -> None:
    for _ in range(2):
        worker = sandbox.spawn({"answer.py": "value = 42\n"}, LIMITS, 1)
        note = "import os; seen = os.path.exists('note'); open('note', 'w').close(); sub.value; import answer;"
        assert ask(worker, note + "old, answer.value = answer.value, 7; return seen, old") == {"ok": (False, 42)}
        assert worker.finish() is None


def test_workers_of_one_seed_draw_alike_and_of_two_seeds_do_not(sandbox: Sandbox) -> None:
    drawn = []
    for seed in (1, 1, 2):
        worker = sandbox.spawn({"answer.py": ""}, LIMITS, seed)
        drawn.append(ask(worker, "import random; return random.random()"))
        worker.finish()
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("import os; os._exit(0)", "exit code 0"),
        ("import os; os._exit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "signal SIGKILL"),
        ("import os; os.abort()", "signal SIGABRT"),
        ("import os; os.closerange(3, 64); import time; time.sleep(60)", "it closed the grader's channel"),
    ],
)
def test_an_end_is_explained(worker: Worker, body: str, detail: str) -> None:
    assert end_of(worker, body) == ("exit", detail)


@pytest.mark.parametrize("body", ["while True: pass", "import os; os.kill(os.getpid(), 19)"])
def test_a_silent_or_stopped_worker_ends_with_its_time(worker: Worker, body: str) -> None:
    started = time.monotonic()
    assert end_of(worker, body, 0.5) == ("time", "0.5 s")
    assert time.monotonic() - started < 10.0


def test_there_is_nothing_to_read_from_standard_input(worker: Worker) -> None:
    assert ask(worker, "return input()")["raised"]["type"] == "EOFError"


def test_a_worker_that_died_after_its_answer_keeps_the_answer(worker: Worker) -> None:
    body = "import os, threading; threading.Timer(0.1, os._exit, [1]).start(); return 5"
    assert ask(worker, body) == {"ok": 5}
    time.sleep(0.5)
    assert worker.finish() is None


def test_a_worker_that_died_while_it_is_measured_is_the_submissions_doing(worker: Worker) -> None:
    worker.mark_memory()
    assert ask(worker, "import os, threading; threading.Timer(0.1, os._exit, [1]).start(); return 5") == {"ok": 5}
    time.sleep(1.0)
    with pytest.raises(WorkerEnd) as caught:
        worker.peak_memory()
    assert (caught.value.kind, caught.value.detail) == ("exit", "exit code 1")


# Limits


def test_a_worker_over_its_memory_is_ended(worker: Worker) -> None:
    assert end_of(worker, "held = [bytes(1 << 20) + b'x' for _ in range(2000)]") == ("memory", "256 MB")


def test_the_memory_of_all_processes_counts(worker: Worker) -> None:
    body = """
    import os, time
    for _ in range(4):
        if os.fork() == 0:
            break
    held = b"x" * (100 << 20)
    time.sleep(60)
    """
    assert end_of(worker, body) == ("memory", "256 MB")


def test_memory_files_count_without_being_mapped_and_once(worker: Worker) -> None:
    body = """
    import os
    one = os.memfd_create("one")
    for _ in range(30):
        os.write(one, b"x" * (1 << 20))
    copies = [os.dup(one) for _ in range(20)]
    import time
    time.sleep(0.3)
    """
    assert ask(worker, body) == {"ok": None}
    more = "import os\nwhile True:\n    os.write(os.memfd_create('more'), b'x' * (1 << 24))"
    assert end_of(worker, more)[0] in ("memory", "exit")


def test_a_hidden_worker_is_ended(worker: Worker) -> None:
    body = "import ctypes, time; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); time.sleep(60)"
    if os.geteuid() == 0 and worker_is_plain(worker):
        pytest.skip("root may read it all the same")
    assert end_of(worker, body)[0] == "hiding"


def worker_is_plain(worker: Worker) -> bool:
    return worker._folder is not None


def test_measured_memory_is_that_of_the_call(worker: Worker) -> None:
    before = worker.mark_memory()
    ask(worker, "held = b'x' * (80 << 20); del held")
    peak = worker.peak_memory()
    extra = max(peak.private - before.private, peak.high_water - before.high_water)
    assert 78 << 20 < extra < 100 << 20


def test_a_worker_with_too_many_processes_is_ended(worker: Worker) -> None:
    body = "import os, time\nfor _ in range(6):\n    os.fork()\ntime.sleep(60)"
    assert end_of(worker, body) == ("processes", "8")


def test_a_worker_with_too_many_threads_is_ended(worker: Worker) -> None:
    body = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    assert end_of(worker, body) == ("threads", "256")


def test_a_worker_that_prints_too_much_is_ended_and_the_first_part_kept(worker: Worker) -> None:
    assert end_of(worker, "print('begin', flush=True)\nwhile True: print('x' * 10_000)") == ("output", "2 MB")
    assert worker.printed.startswith("begin\n")
    assert len(worker.printed) <= 64 * 1024


def test_what_was_printed_is_there_to_read_after_an_answer(worker: Worker) -> None:
    assert ask(worker, "print('no line ends here', end=''); return 1") == {"ok": 1}
    worker.finish()
    assert worker.printed == "no line ends here"


def test_what_was_printed_before_a_hang_is_there_to_read(worker: Worker) -> None:
    assert end_of(worker, "print('so far'); import time; time.sleep(60)", 3.0)[0] == "time"
    assert worker.printed == "so far\n"


def test_a_file_can_not_be_larger_than_the_scratch_folder(worker: Worker) -> None:
    answer = ask(worker, "open('large', 'wb').write(bytes(40 << 20))")
    assert answer["raised"]["type"] == "OSError"


def test_the_scratch_folder_is_bounded(sandbox: Sandbox, worker: Worker) -> None:
    if sandbox.isolation is Isolation.PROCESS:
        pytest.skip("a plain process writes to the machine's own disk; a single file is bounded")
    answer = ask(worker, "for number in range(20): open(f'{number}', 'wb').write(bytes(4 << 20))")
    assert answer["raised"]["type"] == "OSError"
    answer = ask(worker, "for number in range(20): open(f'/dev/shm/{number}', 'wb').write(bytes(4 << 20))")
    assert answer["raised"]["type"] == "OSError"


def test_open_files_are_bounded(worker: Worker) -> None:
    assert ask(worker, "import os\nwhile True: os.dup(0)")["raised"]["type"] == "OSError"


# The channel

WRITE = """
import os, socket, gc, struct
(channel,) = [each.fileno() for each in gc.get_objects() if isinstance(each, socket.socket) and each.fileno() >= 0]
def frame(text, blob=0):
    return struct.pack("<4sIQ", b"TDJ1", len(text), blob) + text
"""


@pytest.mark.parametrize(
    "body",
    [
        "os.write(channel, b'x' * 16)",
        "os.write(channel, struct.pack('<4sIQ', b'TDJ1', 0xFFFFFFFF, 0))",
        "os.write(channel, struct.pack('<4sIQ', b'TDJ1', 2, 2**63))",
    ],
)
def test_what_is_not_a_frame_ends_the_worker(worker: Worker, body: str) -> None:
    assert end_of(worker, WRITE + body + "\nimport time; time.sleep(60)")[0] == "garbage"


@pytest.mark.parametrize("text", ["b''", "b'{'", "b'[' * 100_000", "b'1.5'", "b'{\"T\":0}'", "b'\\xff'", "b'NaN'"])
def test_a_frame_that_is_no_value_raises_the_wires_own_error(worker: Worker, text: str) -> None:
    with pytest.raises(WireError):
        ask(worker, f"{WRITE}os.write(channel, frame({text}))\nimport time; time.sleep(60)")


@pytest.mark.parametrize("surplus", ["frame(b'true')", "b'x'", "frame(b'true') * 3"])
def test_a_reply_too_many_is_found_at_the_end(worker: Worker, surplus: str) -> None:
    assert ask(worker, f"{WRITE}os.write(channel, frame(b'1') + {surplus}); return 2") == 1
    assert worker.finish() is not None


def test_a_reply_too_many_is_found_at_the_next_request(worker: Worker) -> None:
    ask(worker, f"{WRITE}os.write(channel, frame(b'1') + frame(b'2')); return 3")
    with pytest.raises(WorkerEnd) as caught:
        ask(worker, "return 4")
    assert caught.value.kind == "garbage"


def test_an_answer_before_the_question_has_gone_out_is_refused(worker: Worker) -> None:
    body = f"{WRITE}\nimport time, threading\nthreading.Timer(0.3, os.write, [channel, frame(b'1')]).start()\n"
    body += "import grader.worker.serve as serve\nserve.FrameReader.feed = lambda *rest: time.sleep(3)\nreturn 0"
    assert ask(worker, body) == {"ok": 0}
    with pytest.raises(WorkerEnd) as caught:
        worker.ask(encode({"op": "run", "padding": "x" * (3 << 20)}), 10.0)
    assert caught.value.kind == "garbage"


def test_descriptors_that_are_sent_to_the_judge_are_not_taken(worker: Worker) -> None:
    before = open_descriptors()
    body = f"{WRITE}\nhold = socket.socket(fileno=os.dup(channel))\n"
    body += "socket.send_fds(hold, [frame(b'1')], [0, 1, 2]); return 0"
    assert ask(worker, body) == 1
    assert open_descriptors() == before


# What is left


def test_a_hundred_workers_leave_nothing(sandbox: Sandbox) -> None:
    for _ in range(3):
        sandbox.spawn({"answer.py": ""}, LIMITS, 1).finish()
    descriptors = open_descriptors()
    for _ in range(100):
        worker = sandbox.spawn({"answer.py": "value = 1\n"}, LIMITS, 1)
        assert ask(worker, "return sub.value") == {"ok": 1}
        assert worker.finish() is None
    assert abs(open_descriptors() - descriptors) <= PATIENCE  # those of workers that are just ending
    at_rest = 5 if sandbox.isolation is Isolation.BUBBLEWRAP else 3
    assert wait_until(lambda: len(below(os.getpid())) == at_rest)
    if sandbox.folder is not None:
        assert wait_until(lambda: len(list(sandbox.folder.iterdir())) == 1)  # the next worker's


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
return os.getpid()
"""


@pytest.mark.parametrize("mode", MODES)
def test_close_leaves_no_process_and_no_folder(mode: Mode) -> None:
    others: set[int] = set()  # of another sandbox, which may be about to fork a worker that is to wait
    while others != (others := below(os.getpid())):
        time.sleep(1.0)
    sandbox = Sandbox([], mode)
    worker = sandbox.spawn({"answer.py": ""}, LIMITS, 1)
    assert "ok" in ask(worker, DAEMON)
    pids = below(os.getpid()) - others
    assert len(pids) >= 4
    sandbox.close()
    assert wait_until(lambda: not any(map(alive, pids)))
    worker.finish()
    assert sandbox.folder is None or not sandbox.folder.exists()
    sandbox.close()  # once more does no harm


JUDGE = f"""
import sys, time
from grader.catalog import Limits
from grader.cgroup import MemoryGroup, make_group
from grader.sandbox import Mode, Sandbox
from grader.wire import encode
sandbox = Sandbox([], Mode(sys.argv[1]))
worker = sandbox.spawn({{"answer.py": ""}}, Limits(), 1)
source = "def driver(sub):\\n" + "\\n".join("    " + line for line in {DAEMON!r}.splitlines())
worker.ask(encode({{"op": "run", "name": "driver", "source": source, "args": (), "kwargs": {{}}}}), 20.0)
print(sandbox.folder or "", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_judge_that_is_killed(mode: Mode, number: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", JUDGE, mode.value]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as judge:
        assert judge.stdout is not None
        folder = judge.stdout.readline().strip()
        pids = below(judge.pid)
        judge.send_signal(number)
    assert len(pids) >= 4
    assert wait_until(lambda: not any(map(alive, pids)))
    assert (folder == "") == (mode is Mode.REQUIRE)
    assert wait_until(lambda: list(tmp_path.iterdir()) == [])


# Bubblewrap missing or failing


@pytest.fixture
def path_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Sets a PATH on which `bwrap` is a script, or missing."""

    def set_path(script: str | None) -> None:
        if script is not None:
            (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "bwrap").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return set_path


def assert_works(sandbox: Sandbox) -> None:
    worker = sandbox.spawn({"answer.py": "value = 3"}, LIMITS, 1)
    assert ask(worker, "return sub.value") == {"ok": 3}
    assert worker.finish() is None


def test_without_bubblewrap_plain_processes_run_and_say_so(path_with: Callable[[str | None], None]) -> None:
    path_with(None)
    with Sandbox([], Mode.AUTO) as sandbox:
        assert_works(sandbox)
        assert (sandbox.isolation, sandbox.notice) == (Isolation.PROCESS, "bubblewrap is not installed")


def test_required_bubblewrap_that_is_missing_is_refused(path_with: Callable[[str | None], None]) -> None:
    path_with(None)
    with pytest.raises(UsageError, match=r"install .*'bubblewrap'"):
        Sandbox([], Mode.REQUIRE)


@pytest.mark.parametrize("script", ["echo 'no name spaces here' >&2; exit 1", "kill -9 $$", "exit 0"])
def test_where_bubblewrap_fails_plain_processes_run_and_say_so(
    script: str, path_with: Callable[[str | None], None]
) -> None:
    path_with(script)
    with Sandbox([], Mode.AUTO) as sandbox:
        assert_works(sandbox)
        assert sandbox.isolation is Isolation.PROCESS
        assert sandbox.notice.startswith("bubblewrap does not work here")
        if "echo" in script:
            assert "no name spaces here" in sandbox.notice


def test_required_bubblewrap_that_fails_is_refused(path_with: Callable[[str | None], None]) -> None:
    path_with("echo 'no name spaces here' >&2; exit 1")
    sandbox = Sandbox([], Mode.REQUIRE)
    with pytest.raises(UsageError, match="no name spaces here"):
        sandbox.wait_ready()
    sandbox.close()


def test_switched_off_bubblewrap_is_not_tried(path_with: Callable[[str | None], None]) -> None:
    path_with("exit 1")
    with Sandbox([], Mode.OFF) as sandbox:
        sandbox.wait_ready()
        assert (sandbox.isolation, sandbox.notice) == (Isolation.PROCESS, "")


@pytest.mark.parametrize("mode", MODES)
def test_a_warm_parent_that_can_not_start_is_a_fault_of_ours(mode: Mode) -> None:
    error = JudgeError if mode is Mode.OFF else UsageError
    with Sandbox(["no_such_module"], mode) as sandbox, pytest.raises(error, match="no_such_module"):
        sandbox.wait_ready()


def test_a_warm_parent_that_is_killed_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    others = below(os.getpid())
    with Sandbox([], Mode.OFF) as sandbox:
        sandbox.wait_ready()
        for pid in below(os.getpid()) - others:
            os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not below(os.getpid()) - others)  # of the others, some may be ending too
        assert_works(sandbox)
    assert list(tmp_path.iterdir()) == []


def test_cpu_time_is_limited_apart_from_wall_time(sandbox: Sandbox) -> None:
    worker = sandbox.spawn({"one.py": ""}, replace(LIMITS, cpu_seconds=1.0), 0)
    assert end_of(worker, "while True: pass", 60.0) == ("time", "1 s of CPU time")
    worker.finish()


PARKED = """
import os, socket

near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for _ in range(100):
    file = os.memfd_create("x")
    os.write(file, b"z" * (16 << 20))
    socket.send_fds(near, [b"x"], [file])
    os.close(file)
"""


def make_the_next_worker_starve_first(group: MemoryGroup) -> None:
    """Of two workers the kernel may end either when memory runs out; now it ends the one that waits, then the other."""
    deadline = time.monotonic() + 20.0
    workers: list[Path] = []
    while len(workers) < 2 and time.monotonic() < deadline:
        folders = [Path("/proc", number) for number in (group.folder / "cgroup.procs").read_text().split()]
        workers = [each for each in folders if (each / "oom_score_adj").read_text() == "1000\n"]
        time.sleep(0.01)
    working, _ = sorted(workers, key=lambda each: int((each / "stat").read_text().rpartition(")")[2].split()[19]))
    try:
        (working / "oom_score_adj").write_text("900")
    except PermissionError:
        pytest.skip("only root may say which process the kernel is to end")


def test_memory_that_no_process_shows_is_limited_by_a_cgroup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.sandbox.PARENT_MB", 200)
    with Sandbox([], Mode.AUTO, memory_mb=64) as sandbox:
        if sandbox.memory_group is None:
            pytest.skip("no memory cgroup may be made here")
        limits = replace(LIMITS, memory_mb=64, test_seconds=60.0)
        worker = sandbox.spawn({"one.py": ""}, limits, 0)
        for _ in range(2):
            make_the_next_worker_starve_first(sandbox.memory_group)
            assert end_of(worker, PARKED, 60.0) == ("memory", "64 MB")
            worker.finish()
            worker = sandbox.spawn({"one.py": ""}, limits, 0)
            assert ask(worker, "return 1") == {"ok": 1}
        worker.finish()
    assert not sandbox.memory_group.folder.exists()


def test_a_supervisor_that_the_kernel_ends_with_its_worker_is_no_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed worker had parked is freed a moment later, and meanwhile the kernel looks for somebody else."""
    monkeypatch.setattr("grader.sandbox.PARENT_MB", 200)
    with Sandbox([], Mode.AUTO, memory_mb=64) as sandbox:
        if sandbox.memory_group is None:
            pytest.skip("no memory cgroup may be made here")
        worker = sandbox.spawn({"one.py": ""}, replace(LIMITS, memory_mb=64, test_seconds=60.0), 0)
        kernel_ends_first = {"0\n": "1000", "1000\n": "0"}  # the supervisors, and not the workers
        try:
            for number in (sandbox.memory_group.folder / "cgroup.procs").read_text().split():
                score = Path("/proc", number, "oom_score_adj")
                score.write_text(kernel_ends_first[score.read_text()])
        except PermissionError:
            pytest.skip("only root may say which process the kernel is to end")
        assert end_of(worker, PARKED, 60.0) == ("memory", "64 MB")
        worker.finish()
        worker = sandbox.spawn({"one.py": ""}, replace(LIMITS, memory_mb=64, test_seconds=60.0), 0)
        assert ask(worker, "return 1") == {"ok": 1}
        worker.finish()


FULL_CONTAINER = """
import sys
from grader.catalog import Limits
from grader.cgroup import make_group
from grader.errors import JudgeError
from grader.sandbox import Mode, Sandbox
from grader.wire import encode
container = make_group(sys.argv[3], 200 << 20)
if container is None:
    sys.exit("none")
print(container.folder, flush=True)
container.enter()
if sys.argv[1] == "alone":  # as in a container in which no group may be made
    import grader.sandbox
    grader.sandbox.make_group = lambda name, limit: None
wants = "len(b'1' * (400 << 20))"
if sys.argv[2] == "its child":
    body = f"    if child := os.fork():\\n        return os.waitpid(child, 0)[1]\\n    {wants}\\n    os._exit(0)"
else:
    body = f"    return {wants}"
source = f"import os\\n\\ndef driver(sub):\\n{body}"
with Sandbox([], Mode.AUTO, memory_mb=1024) as sandbox:
    worker = sandbox.spawn({"one.py": ""}, Limits(memory_mb=1024), 1)
    try:
        reply = worker.ask(encode({"op": "run", "name": "driver", "source": source, "args": (), "kwargs": {}}), 60.0)
        print(reply)
    except JudgeError as error:
        print(error)
    worker.finish()
"""


@pytest.mark.parametrize("who", ["the worker", "its child"])
@pytest.mark.parametrize("groups", ["alone", "nested"])
def test_a_container_that_is_too_small_is_no_fault_of_the_submission(groups: str, who: str) -> None:
    """It may use 1 GB and asks for 400 MB; the container around the judge has 200 MB."""
    name = f"dojo-{os.getpid()}-container"  # it is swept away by whoever makes a group once nobody has that number
    command = [sys.executable, "-c", FULL_CONTAINER, groups, who, name]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if ran.stderr.endswith("none\n"):
        pytest.skip("no memory cgroup may be made here")
    folder, _, said = ran.stdout.partition("\n")
    wait_until(lambda: not (Path(folder) / "cgroup.procs").read_text())
    Path(folder).rmdir()
    assert "ran out of memory before a worker had the 1024 MB" in said, ran.stderr


def test_a_memory_group_of_a_judge_that_was_killed_is_swept_away() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = make_group(f"dojo-{gone.pid}-left", 64 << 20)
    if left is None:
        pytest.skip("no memory cgroup may be made here")
    ours = make_group(f"dojo-{os.getpid()}-ours", 64 << 20)
    assert ours is not None
    assert not left.folder.exists()
    assert ours.folder.exists()
    ours.remove()


LISTENS = """
import socket, threading
hidden = socket.socket(socket.AF_UNIX)
hidden.bind("\\0dojo-meeting")
hidden.listen()
loopback = socket.socket()
loopback.bind(("127.0.0.1", 47113))
loopback.listen()
kept = sub.kept = (hidden, loopback)
return [socket.create_connection(("127.0.0.1", 47113), 5.0).getpeername()[1]]
"""

CALLS = """
import socket
reached = []
for family, address in ((socket.AF_UNIX, "\\0dojo-meeting"), (socket.AF_INET, ("127.0.0.1", 47113))):
    caller = socket.socket(family)
    caller.settimeout(5.0)
    try:
        caller.connect(address)
        reached.append(str(address))
    except OSError:
        pass
return reached
"""


def test_workers_that_live_at_the_same_time_do_not_meet_on_any_network() -> None:
    with Sandbox([], Mode.AUTO) as sandbox:
        if sandbox.isolation is Isolation.PROCESS:
            pytest.skip("separate processes alone do not hold this")
        one, other = (sandbox.spawn({"one.py": ""}, LIMITS, 0) for _ in range(2))
        assert ask(one, LISTENS) == {"ok": [47113]}  # a network of its own, to itself
        assert ask(other, CALLS) == {"ok": []}
        one.finish()
        other.finish()


@pytest.mark.parametrize(
    ("text", "reply"),
    [("raise RuntimeError('no')", "import_failed"), ("other = 1", "missing")],
    ids=["broken", "other"],
)
def test_a_driver_that_catches_everything_does_not_hide_that_there_is_no_function(
    sandbox: Sandbox, text: str, reply: str
) -> None:
    worker = sandbox.spawn({"answer.py": text}, LIMITS, 1)
    swallowed = "try:\n    sub.evaluate(1)\nexcept BaseException:\n    pass\nreturn 1"
    assert list(ask(worker, swallowed)) == [reply]
    assert ask(worker, "return 2") == {"ok": 2}
    worker.finish()
