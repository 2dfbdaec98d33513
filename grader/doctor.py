"""`dojo doctor`: is this machine fit to grade strangers' code? Each finding with the command that mends it.

The sandbox is not asked what it is: a worker is started in it, and tries what a submission would.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.catalog import Limits
from grader.errors import DojoError
from grader.parent import Isolation
from grader.sandbox import Mode, Sandbox
from grader.wire import decode, encode

PYTHONS = ((3, 11), (3, 13))
FREE_GB = 2
PACKAGES = ("torch", "torchvision", "safetensors", "pytest", "matplotlib")
# What a submission would try. It reports in plain data; on a sound machine each of these is False, or the number given.
PROBE = """
import ctypes, os, socket

def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return line.split(":")[1].strip()
    return ""

def tries(action):
    try:
        action()
    except (OSError, PermissionError):
        return False
    return True

def connect():
    with socket.socket() as one:
        one.settimeout(1)
        one.connect(("1.1.1.1", 53))

def probe(root, home):
    return {
        "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
        "sees the course": os.path.exists(root + "/tests"),
        "home": os.listdir(home) if os.path.exists(home) else [],
        "writes to the system": tries(lambda: open("/usr/dojo-probe", "w").close()),
        "has interfaces": [name for _, name in socket.if_nameindex() if name != "lo"] != [],
        "connects": tries(connect),
        "reads its parent": tries(lambda: open("/proc/1/environ", "rb").read()),
        "capabilities": int(status("CapEff") or "0", 16),
        "no new privileges": status("NoNewPrivs") == "1",
        "seccomp": status("Seccomp") == "2",
        "environment": len(os.environ),
    }
"""


@dataclass(frozen=True)
class Finding:
    """One thing about this machine. `remedy` is what mends it; `vital` things make `dojo doctor` end with 1."""

    name: str
    found: str
    ok: bool
    remedy: str = ""
    vital: bool = True


def examine(root: Path) -> Iterator[Finding]:
    """Everything that grading relies on, the quick things first."""
    version = sys.version_info[:2]
    fits = PYTHONS[0] <= version <= PYTHONS[1]
    yield Finding("Python", platform.python_version(), fits, "make clean, then make PYTHON=python3.12 setup")
    for name in PACKAGES:
        yield _package(name)
    free = shutil.disk_usage(root).free / 1e9
    yield Finding("free disk", f"{free:.0f} GB", free > FREE_GB, f"free {FREE_GB} GB where '{root}' lies")
    gpus = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    yield Finding("GPU", ", ".join(gpus) or "none", bool(gpus), "not needed: everything runs on a CPU", vital=False)
    yield _data()
    yield from _sandbox(root)


def _package(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name), True)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "not installed", False, "make setup")


def _data() -> Finding:
    named = os.environ.get("TORCH_DOJO_DATA")
    places = [Path(named)] if named else []
    found = next((place for place in [*places, Path("data")] if place.is_dir()), None)
    text = f"'{found}'" if found else "none: the generated sets are used"
    return Finding("data", text, found is not None, "not needed; make data downloads the public sets", vital=False)


def _sandbox(root: Path) -> Iterator[Finding]:
    install = "apt install bubblewrap (Debian, Ubuntu), and allow user name spaces"
    try:
        with Sandbox([], Mode.AUTO) as sandbox:
            sandbox.wait_ready()
            isolated = sandbox.isolation is Isolation.BUBBLEWRAP
            yield Finding("sandbox", sandbox.isolation.value, isolated, f"{install}: {sandbox.notice}")
            if isolated:
                yield from _probe(sandbox, root)
    except DojoError as error:
        yield Finding("sandbox", str(error), False, install)


def _probe(sandbox: Sandbox, root: Path) -> Iterator[Finding]:
    worker = sandbox.spawn({"probe.py": PROBE}, Limits(), 0)
    request = {"op": "call", "name": "probe", "args": (str(root), str(Path.home())), "kwargs": {}}
    reply = decode(worker.ask(encode(request), 30.0))
    worker.finish()
    seen: dict[str, Any] = reply.get("ok", {})
    if not seen:
        yield Finding("sandbox, from inside", str(reply)[:200], False, "please report this")
        return
    # An interpreter that lies in the home folder is there, and only the way to it.
    inside = Path(sys.base_prefix).is_relative_to(Path.home())
    way = {Path(sys.base_prefix).relative_to(Path.home()).parts[0]} if inside else set()
    seen["sees the home folder"] = not set(seen["home"]) <= way
    kept = ("sees the course", "sees the home folder", "writes to the system", "has interfaces", "connects")
    for name in (*kept, "reads its parent"):
        yield Finding(f"a worker {name}", "yes" if seen[name] else "no", not seen[name], "do not grade strangers here")
    yield Finding(
        "a worker's capabilities", f"{seen['capabilities']:#x}", seen["capabilities"] == 0, "please report this"
    )
    alone = seen["processes"] <= 2  # itself, and its supervisor
    yield Finding("processes that a worker sees", str(seen["processes"]), alone, "please report this")
    yield Finding("no new privileges", "yes" if seen["no new privileges"] else "no", bool(seen["no new privileges"]))
    remedy = "apt install libseccomp2, then make setup"
    yield Finding(
        "filter of system calls", "yes" if seen["seccomp"] else "no", bool(seen["seccomp"]), remedy, vital=False
    )


def report(root: Path) -> int:
    """Prints the findings. 0 if nothing vital is wrong, else 1."""
    sound = True
    for finding in examine(root):
        mark = "✓" if finding.ok else ("✗" if finding.vital else "·")
        print(f"{mark} {finding.name:<30} {finding.found}")
        if not finding.ok:
            print(f"  {'':<30} {finding.remedy}")
        sound = sound and (finding.ok or not finding.vital)
    print("\nfit to grade" if sound else "\nnot fit to grade strangers' code: see the lines with ✗")
    return 0 if sound else 1
