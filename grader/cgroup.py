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


class MemoryGroup:
    """A cgroup of our own with a limit. `enter` is for the child that becomes the sandbox, before it executes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        version_1 = (folder / "memory.limit_in_bytes").exists()
        (folder / ("memory.limit_in_bytes" if version_1 else "memory.max")).write_text(str(limit))
        self._events = folder / ("memory.oom_control" if version_1 else "memory.events")
        self._procs = str(folder / "cgroup.procs")

    def enter(self) -> None:
        """Moves the calling process, and all that it will start, into the group."""
        descriptor = os.open(self._procs, os.O_WRONLY)
        os.write(descriptor, b"0")
        os.close(descriptor)

    @property
    def kills(self) -> int:
        """How many processes of the group the kernel has ended for want of memory."""
        with contextlib.suppress(OSError):
            for line in self._events.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0

    def remove(self) -> None:
        """Removes the group, which has to be empty: the last of its processes may just be ending."""
        deadline = time.monotonic() + REMOVE_SECONDS
        while self.folder.is_dir() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.01)


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
    return [folder for folder in found if os.access(folder / "cgroup.procs", os.W_OK)]
