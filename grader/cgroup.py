"""A memory cgroup around a sandbox, where one may be made: the backstop behind the supervisors' watch.

It counts what no process shows, such as socket buffers and files that are parked in a queue. Version 1 and 2.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "dojo-"  # then the judge's process number, then something of its own
REMOVE_SECONDS = 2.0
SLACK = 1 << 20  # bytes: each processor holds some pages that it has been promised, at most 64 at a time


class MemoryGroup:
    """A cgroup of our own with a limit. `enter` is for the child that becomes the sandbox, before it executes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        version_1 = (folder / "memory.limit_in_bytes").exists()
        (folder / ("memory.limit_in_bytes" if version_1 else "memory.max")).write_text(str(limit))
        self._events = folder / ("memory.oom_control" if version_1 else "memory.events")
        self._procs = str(folder / "cgroup.procs")
        self._most = folder / "memory.max_usage_in_bytes" if version_1 else None
        self._limit = limit

    def enter(self) -> None:
        """Moves the calling process, and all that it will start, into the group."""
        descriptor = os.open(self._procs, os.O_WRONLY)
        os.write(descriptor, b"0")
        os.close(descriptor)

    @property
    def kills(self) -> int:
        """How many processes of the group the kernel has ended for want of memory."""
        return _count(self._events, "oom_kill")

    @property
    def full(self) -> bool:
        """Whether it has been at its own limit. A process also ends when a group around it, a container, is full."""
        if self._most is None:
            return _count(self._events, "oom") > 0
        with contextlib.suppress(OSError, ValueError):
            return int(self._most.read_text()) >= self._limit - SLACK
        return False

    def remove(self) -> None:
        """Removes the group, which has to be empty: the last of its processes may just be ending."""
        deadline = time.monotonic() + REMOVE_SECONDS
        while self.folder.is_dir() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.01)


def kills_around() -> int:
    """How many processes the kernel has ended for want of memory in the groups that we are in, such as a container."""
    names = ("memory.oom_control", "memory.events")
    return sum(_count(folder / name, "oom_kill") for folder in dict.fromkeys(_memory_folders()) for name in names)


def _count(events: Path, name: str) -> int:
    """A line of a file of counters, 0 where there is none."""
    with contextlib.suppress(OSError, ValueError):
        for line in events.read_text().splitlines():
            if line.startswith(f"{name} "):
                return int(line.split()[1])
    return 0


def make_group(name: str, limit: int) -> MemoryGroup | None:
    """A new group below our own, or None where that is not allowed: then the watch alone limits memory."""
    for parent in _parents():
        _sweep(parent)
        folder = parent / name
        with contextlib.suppress(OSError):
            folder.mkdir()
            try:
                return MemoryGroup(folder, limit)
            except OSError:
                folder.rmdir()
    return None


def _sweep(parent: Path) -> None:
    """Removes what a judge left behind that was killed: its number is in the name, and nobody has it any more."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        number = folder.name.removeprefix(PREFIX).partition("-")[0]
        if number.isdecimal() and not Path(f"/proc/{number}").exists():
            with contextlib.suppress(OSError):  # not empty yet, or somebody else was quicker
                folder.rmdir()


def _parents() -> list[Path]:
    """Those of our own cgroups below which others may be made."""
    return [folder for folder in _memory_folders() if os.access(folder / "cgroup.procs", os.W_OK)]


def _memory_folders() -> list[Path]:
    """Our own cgroups that can limit memory, as /proc/self/cgroup names them: version 1 first."""
    found = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                # In a container the path is the host's, and the container's own group is mounted at the root.
                found += [ROOT / "memory" / path.lstrip("/"), ROOT / "memory"]
            elif not controllers:
                found += [ROOT / path.lstrip("/"), ROOT]
    return found
