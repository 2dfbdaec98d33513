"""What a worker can do in the sandbox of this machine. One is started in it, and tries what a submission would."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.bubblewrap import find_bubblewrap
from grader.catalog import Limits
from grader.errors import DojoError
from grader.finding import Finding
from grader.parent import Isolation
from grader.sandbox import Mode, Sandbox
from grader.wire import decode, encode

INSTALL = "apt install bubblewrap (Debian, Ubuntu); elsewhere the package is called bubblewrap too"
# Settings of the kernel that keep a user from making name spaces: the file, the value that does, the remedy.
KERNEL = (
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
)
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


def examine_sandbox(root: Path) -> Iterator[Finding]:
    """Whether there is a sandbox, what mends it, and what it keeps from a worker."""
    try:
        with Sandbox([], Mode.AUTO) as sandbox:
            sandbox.wait_ready()
            isolated = sandbox.isolation is Isolation.BUBBLEWRAP
            found = sandbox.isolation.value + (f": {sandbox.notice}" if sandbox.notice else "")
            yield Finding("sandbox", found, isolated, remedy())
            if isolated:
                yield from _probe(sandbox, root)
    except DojoError as error:
        yield Finding("sandbox", str(error), False, remedy())


def remedy(kernel: Path = Path("/proc/sys")) -> str:
    """The command that makes bubblewrap work here, as far as can be seen."""
    if sys.platform != "linux":
        return "there is none for this system: grade strangers' code on Linux, or in WSL 2"
    if find_bubblewrap() is None:
        return INSTALL
    for name, value, command in KERNEL:
        path = kernel / name
        if path.is_file() and path.read_text().strip() == value:
            return f"as root: {command}"
    return "bwrap --unshare-all --ro-bind / / true tells why; in docker: --security-opt seccomp=unconfined"


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
