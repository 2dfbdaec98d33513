"""Which process holds a claim, and whether it is still alive: also after `kill -9`, a reboot, or a reused number."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Owner(NamedTuple):
    """A process. Empty parts are not known on this system."""

    host: str
    boot: str  # which start of the machine
    space: str  # the PID name space, in which `pid` has its meaning
    pid: int
    born: str  # when it was started, for numbers are used again

    @classmethod
    def this(cls) -> Owner:
        host, boot, space = _here()
        return cls(host, boot, space, os.getpid(), _born(os.getpid()))

    def ended(self) -> bool:
        """Whether it is certain that the process has ended. False where that can't be seen from here."""
        host, boot, space = _here()
        if self.host == host and self.boot != boot:
            return True  # the machine was started again since
        if (self.boot, self.space) != (boot, space) or self.host != host:
            return False
        return not _exists(self.pid) or _born(self.pid) != self.born


@cache
def _here() -> tuple[str, str, str]:
    return platform.node(), _read(PROC / "sys/kernel/random/boot_id"), _link(PROC / "self/ns/pid")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _born(pid: int) -> str:
    """The start of a process in ticks since the machine's; nothing for one that has ended and is not yet reaped."""
    fields = _read(PROC / f"{pid}/stat").rpartition(")")[2].split()
    if not fields or fields[0] in ("Z", "X"):
        return ""
    return fields[19]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
