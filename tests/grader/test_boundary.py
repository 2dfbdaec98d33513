"""The boundary, proven: every planted attack earns nothing, sees nothing, leaves nothing, and the next test runs on."""

# Drivers run in the worker, and are written with as few modules as can be.
# ruff: noqa: PTH108, PTH115, PTH118, PTH123, PTH208, SIM105, SIM115

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.catalog import Exercise, Limits
from grader.driver import driver_source
from grader.parent import Isolation
from grader.result import Report, Verdict
from grader.sandbox import Mode, Sandbox
from grader.wire import decode, encode
from tests.tampering.corpus import (
    ATTACKS,
    CANARY,
    NEEDS_BUBBLEWRAP,
    SEED,
    Attack,
    hand_in,
    leaks,
    put_beside,
    results_of,
    strays,
)

CHECKOUT = Path(__file__).resolve().parents[2]
# On the toy course an error is all that its second task asks for.
ON_THE_TOY = [attack for attack in ATTACKS if not attack.needs_whole_suite]
HONEST = """
def double(x):
    if x.dim() == 0:
        raise ValueError(f"a scalar {x.item()}")
    return x + x
"""
needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
pytestmark = needs_linux


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The judge's folder for temporary files, where nothing is to stay; the judge's environment holds a secret."""
    folder = tmp_path_factory.mktemp("judge")
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    os.environ["DOJO_SECRET"] = "CANARY-ENVIRONMENT"
    yield folder
    tempfile.tempdir = before
    del os.environ["DOJO_SECRET"]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(Mode.REQUIRE, id="bubblewrap", marks=needs_bubblewrap),
        pytest.param(Mode.OFF, id="process"),
    ],
)
def warm(request: pytest.FixtureRequest, temporary: Path) -> Iterator[Sandbox]:
    """One sandbox for all attacks, as a cohort's submissions would share it."""
    with Sandbox(["torch"], request.param) as sandbox:
        sandbox.wait_ready()
        yield sandbox


@pytest.fixture
def caged(warm: Sandbox) -> Sandbox:
    """The same, for what bubblewrap alone can promise."""
    if warm.isolation is not Isolation.BUBBLEWRAP:
        pytest.skip("separate processes alone do not hold this")
    return warm


@pytest.fixture
def guarded(toy: Exercise) -> Exercise:
    """The toy course, with a canary in everything that a submission must not see."""
    for name, text in {
        "solution/double.py": "# CANARY-SOLUTION",
        "hidden/test_double.py": 'SECRET = "CANARY-" + "SUITE" + "CONSTANT"',
        "hidden/labels.json": "CANARY-LABEL",
        "folder/exercise.toml": "# CANARY-SETTINGS",
        "root/reports/ex01_double/report.json": "CANARY-REPORT",
    }.items():
        where, _, rest = name.partition("/")
        path = getattr(toy, where) / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"\n{text}\n")
    limits = replace(toy.limits, test_seconds=30.0, memory_mb=512, scratch_mb=64)
    return replace(toy, limits=limits)


def run(toy: Exercise, code: str, sandbox: Sandbox, folder: Path) -> Report:
    return hand_in(toy, code, folder, sandbox)


@pytest.mark.parametrize("attack", ON_THE_TOY, ids=lambda attack: attack.name)
def test_attack(attack: Attack, guarded: Exercise, warm: Sandbox, temporary: Path, tmp_path: Path) -> None:
    if warm.isolation is Isolation.PROCESS and attack.name in NEEDS_BUBBLEWRAP:
        pytest.skip("separate processes alone do not hold this")
    files = sorted(guarded.root.rglob("*"))

    report = run(attack.limited(guarded), attack.source, warm, tmp_path / "attack")

    assert report.points == 0
    assert report.verdict in attack.verdicts, [(test.verdict, test.failure) for test in results_of(report)]
    assert Verdict.JUDGE_ERROR not in {test.verdict for test in results_of(report)}
    assert list(leaks(report)) == []
    if "searched" in attack.source:
        assert "searched" in results_of(report)[0].printed  # it came to its end, and found nothing
    assert list(strays(warm, temporary)) == []
    ours = [path for path in sorted(guarded.root.rglob("*")) if "attack" not in path.parts]
    assert [path for path in ours if path not in files and "__pycache__" not in path.parts] == []
    # The same sandbox goes on.
    honest = run(guarded, HONEST, warm, tmp_path / "honest")
    assert (honest.verdict, honest.points) == (Verdict.ACCEPTED, 3)


def test_the_attacks_say_what_they_try() -> None:
    for attack in ATTACKS:
        assert attack.source.startswith('"""'), attack.name
        assert attack.verdicts, attack.name
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) >= 60
    assert set(names) >= NEEDS_BUBBLEWRAP


def test_the_instructor_alone_sees_the_suite_and_the_seed(guarded: Exercise, warm: Sandbox, tmp_path: Path) -> None:
    report = run(guarded, "def double(x):\n    return x\n", warm, tmp_path / "wrong")
    assert "CANARY-SUITE" in report.to_json()  # the canaries are where a leak would show them
    assert str(SEED) in report.to_json()
    assert not CANARY.search(report.for_student().to_json())
    assert str(SEED) not in report.for_student().to_json()


def test_notes_for_the_next_student_are_not_found(guarded: Exercise, caged: Sandbox, tmp_path: Path) -> None:
    code = next(attack.source for attack in ATTACKS if attack.name == "carries_from_test_to_test")
    for student in ("first", "second"):
        report = run(guarded, code, caged, tmp_path / student)
        assert [test.printed for test in results_of(report)] == ["searched for notes\n"] * 2


@pytest.mark.parametrize("mode", [pytest.param(Mode.REQUIRE, marks=needs_bubblewrap), Mode.OFF])
def test_files_beside_the_submission_are_not_taken(
    mode: Mode, guarded: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "attack"
    put_beside(folder, "double")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "helper.py"))
    with Sandbox(["torch"], mode) as sandbox:
        honest = run(guarded, HONEST, sandbox, folder)
        borrowed = run(guarded, "from helper import double\n", sandbox, folder)
    assert (honest.verdict, honest.points, honest.max_points) == (Verdict.ACCEPTED, 3, 3)
    assert (borrowed.verdict, borrowed.points) == (Verdict.RUN_TIME_ERROR, 0)
    assert list(folder.rglob("*.ran")) == []


# What a worker is, seen from inside. Each driver runs in the place of a submission.


def look(sandbox: Sandbox, driver: Any, *args: Any) -> Any:
    worker = sandbox.spawn({"double.py": "answer = 1\n"}, Limits(), SEED)
    request = {"op": "run", "name": driver.__name__, "source": driver_source(driver), "args": args, "kwargs": {}}
    reply = decode(worker.ask(encode(request), 30.0))
    assert worker.finish() is None
    assert "ok" in reply, reply
    return reply["ok"]


def own_folder(sub):
    import os
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        return Path(folder).parent == Path(os.environ["TMPDIR"])


@pytest.mark.parametrize("mode", [pytest.param(Mode.REQUIRE, marks=needs_bubblewrap), Mode.OFF])
def test_a_worker_has_a_temporary_folder_of_its_own_whatever_its_parent_has_imported(mode: Mode) -> None:
    with Sandbox(["tempfile", "torch", "torch._dynamo"], mode) as sandbox:
        assert look(sandbox, own_folder) is True


def environment(sub):
    import os

    return dict(os.environ)


def test_the_environment_is_ours_to_the_letter(warm: Sandbox) -> None:
    seen = look(warm, environment)
    assert set(seen) <= {
        *("PATH", "HOME", "USER", "TMPDIR", "LANG", "PWD", "PYTHONHASHSEED", "CUDA_VISIBLE_DEVICES"),
        "CUDA_DEVICE_ORDER",
        "CUBLAS_WORKSPACE_CONFIG",
        *(
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "OMP_WAIT_POLICY",
            "MPLBACKEND",
            "MPLCONFIGDIR",
        ),
        *("PYTORCH_NVML_BASED_CUDA_CHECK", "KMP_INIT_AT_FORK", "LC_CTYPE", "GLIBC_TUNABLES"),
    }
    assert not CANARY.search(str(seen))


def descriptors(sub):
    import os

    kinds = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            kinds[int(name)] = os.readlink(f"/proc/self/fd/{name}").partition(":")[0]
        except FileNotFoundError:
            pass  # the listing's own
    return kinds


def test_only_the_standard_streams_and_one_socket_are_open(warm: Sandbox) -> None:
    seen = look(warm, descriptors)
    assert [seen.pop(number) for number in (0, 1, 2)] == ["/dev/null", "pipe", "pipe"]
    assert list(seen.values()) == ["socket"]


def rights(sub):
    import ctypes
    import subprocess

    with open("/proc/self/status") as file:
        rows = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    libc = ctypes.CDLL(None)
    refused = {
        "unshare user": libc.unshare(0x10000000),
        "unshare mounts": libc.unshare(0x20000),
        "unshare network": libc.unshare(0x40000000),
        "mount": libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, b""),
        "remount": libc.mount(b"none", b"/", None, 32 | 4096, b""),
        "unmount": libc.umount2(b"/proc", 2),
    }
    after_exec = subprocess.run(["grep", "CapEff", "/proc/self/status"], capture_output=True, text=True).stdout
    rows["CapEff after exec"] = after_exec.split()[1]
    return {key: rows[key] for key in rows if key.startswith("Cap") or key in ("NoNewPrivs", "Uid")}, refused


def test_a_worker_has_no_rights_and_gets_none(warm: Sandbox) -> None:
    status, refused = look(warm, rights)
    assert status["NoNewPrivs"] == "1"
    root_without_bubblewrap = warm.isolation is Isolation.PROCESS and os.geteuid() == 0
    if root_without_bubblewrap:
        assert status["Uid"].split() == ["65534"] * 4
        assert int(status["CapEff"], 16) == 1 << 2  # to read what root may: the interpreter may lie in root's home
        assert int(status["CapBnd"], 16) == 0
    elif warm.isolation is Isolation.BUBBLEWRAP:
        assert {int(value, 16) for name, value in status.items() if name.startswith("Cap")} == {0}
        assert len([name for name in status if name.startswith("Cap")]) == 6
        assert set(refused.values()) == {-1}


def processes(sub):
    import os

    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    opened = []
    for name in ("environ", "mem", "maps", "auxv", "fd/0", "fd/3", "fd/4", "fdinfo/3", "map_files", "cwd/.", "root/."):
        path = f"/proc/1/{name}"
        try:
            os.listdir(path) if name in ("map_files", "cwd/.", "root/.") else open(path, "rb").read(16)
            opened.append(name)
        except OSError:
            pass
    for name in ("exe", "cwd", "root", "ns/pid", "fd/3"):
        try:
            opened.append(os.readlink(f"/proc/1/{name}"))
        except OSError:
            pass
    for number in (9, 15, 19):
        os.kill(1, number)  # the kernel drops it: process 1 of a name space has no handler for it
    return seen, os.getpid(), opened


def test_a_worker_sees_itself_and_an_untouchable_parent(caged: Sandbox) -> None:
    seen, own, opened = look(caged, processes)
    assert seen == [1, own]
    assert opened == []


def writable(sub, folders):
    import os

    found = []
    for folder in folders:
        path = os.path.join(folder, "dojo-probe")
        try:
            open(path, "w").close()
            os.unlink(path)
            found.append(folder)
        except OSError:
            pass
    for path in (
        "/proc/self/oom_score_adj",
        "/proc/self/clear_refs",
        "/proc/sys/kernel/hostname",
        "/submission/double.py",
    ):
        try:
            open(path, "r+").close()
            found.append(path)
        except OSError:
            pass
    return found


def test_only_the_private_temporary_folders_can_be_written(caged: Sandbox) -> None:
    places = ["/", "/dev", "/dev/shm", "/etc", "/dojo", "/dojo/grader", "/dojo/packages", "/dojo/packages/0", "/root"]
    places += ["/proc", "/sys", "/submission", "/tmp", "/tmp/work", "/usr", "/usr/local", "/home", "/var/tmp", "/run"]
    places += [sys.base_prefix, str(Path(sys.base_prefix).parent), str(Path.home())]
    assert look(caged, writable, places) == ["/dev/shm", "/tmp", "/tmp/work"]


def visible(sub, roots, skipped):
    import os

    found = []
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in skipped]
            found += [os.path.join(folder, name) for name in files]
    return found, sorted(os.listdir("/"))


def test_homes_and_the_course_are_not_there(caged: Sandbox, guarded: Exercise) -> None:
    roots = [
        str(guarded.root),
        str(CHECKOUT),
        str(Path.home()),
        "/root",
        "/home",
        "/work",
        "/var",
        "/opt",
        "/srv",
        "/mnt",
    ]
    found, top = look(caged, visible, roots, [sys.base_prefix])
    assert found == []
    known = {"bin", "dev", "dojo", "etc", "lib", "lib32", "lib64", "proc", "sbin", "submission", "tmp", "usr"}
    assert set(top) <= known | {Path(sys.base_prefix).parts[1]}


def network(sub, port):
    import errno
    import socket

    with socket.socket() as probe:
        probe.settimeout(2)
        code = probe.connect_ex(("127.0.0.1", port))
    with open("/proc/net/dev") as file:
        interfaces = [line.split(":")[0].strip() for line in file.readlines()[2:]]
    flags = {}
    for name in interfaces:
        try:
            with open(f"/sys/class/net/{name}/flags") as file:
                flags[name] = int(file.read(), 16) & 1
        except FileNotFoundError:
            flags[name] = 0
    return errno.errorcode.get(code, "connected"), interfaces


def test_there_is_no_network_and_no_way_to_the_judges_ports(caged: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        outcome, interfaces = look(caged, network, server.getsockname()[1])
        with pytest.raises(TimeoutError):
            server.accept()
    assert outcome in ("ENETUNREACH", "ECONNREFUSED")
    assert interfaces in ([], ["lo"])


def modules(sub):
    import sys

    return sorted(name for name in sys.modules if name.partition(".")[0] in ("grader", "pytest", "_pytest"))


def test_of_the_grader_only_the_worker_and_the_wire_are_loaded(warm: Sandbox) -> None:
    seen = look(warm, modules)
    assert "grader.wire" in seen
    assert [name for name in seen if not name.startswith(("grader.worker", "grader.wire")) and name != "grader"] == []
