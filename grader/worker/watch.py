"""Watches a worker: commands of the judge, the worker's end, its memory, its processes and threads."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from grader.wire import FrameReader, WireError, decode, encode

PROC = Path("/proc")
TICK = 0.01  # seconds between two looks at the worker
FINE_TICK = 0.001  # while memory is being measured
THREADS = 32  # for each process that a worker may have


@dataclass(frozen=True)
class Limits:
    """What a worker may use; the judge sends it."""

    memory_bytes: int
    scratch_bytes: int
    processes: int
    cpu_seconds: int  # of each process
    open_files: int


@dataclass
class Usage:
    """Memory of the worker and all below it, in bytes."""

    private: int = 0  # anonymous and shared pages, mapped
    file_pages: int = 0
    high_water: int = 0  # the kernel's own maximum of the resident set
    threads: int = 0


class Watch:
    """The supervisor's loop: commands of the judge, the worker's end, its memory and its processes."""

    def __init__(
        self, control: socket.socket, reader: FrameReader, worker: int, limits: Limits, isolated: bool, scratch: Path
    ) -> None:
        self.control = control
        self.reader = reader
        self.worker = worker
        self.limits = limits
        self.isolated = isolated
        self.scratch = scratch
        self.peak = Usage()
        self.measuring = False
        self.reaped = False  # the worker has ended, and its number may be another process's
        # What it holds before it has run anything, much of it shared with the warm parent: not the submission's memory.
        self.shared = _status(worker).get("RssAnon", 0)

    def run(self) -> int:
        self._tell({"event": "started"})
        while True:
            try:
                if not self._obey():
                    return 0
                reason = self._over_limit()
            except (WireError, OSError):
                return 1  # the judge has gone
            if reason is not None:
                self.kill_all()
                self._tell({"event": "limit", "what": reason[0], "size": reason[1]})
                return 0
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == self.worker:
                self.reaped = True
                code = os.waitstatus_to_exitcode(status)
                self._tell({"event": "exit", "code": code})
                return 0

    def _obey(self) -> bool:
        """Handles what the judge asked for. False when it has hung up."""
        ready, _, _ = select.select([self.control], [], [], FINE_TICK if self.measuring else TICK)
        if not ready:
            return True
        data = self.control.recv(65536)
        if not data:
            return False
        self.reader.feed(data)
        while (frame := self.reader.next_frame()) is not None:
            self._command(decode(frame)["op"])
        return True

    def _command(self, name: str) -> None:
        if name == "mark":
            # 5 resets the high-water mark; the worker can't: its /proc is read-only.
            with contextlib.suppress(OSError):
                Path(f"/proc/{self.worker}/clear_refs").write_text("5")
            self.measuring = True
            self.peak = self.look()
        self._over_limit()
        self.measuring = name == "mark"
        peak = self.peak
        self._tell({"usage": {"private": peak.private, "file_pages": peak.file_pages, "high_water": peak.high_water}})

    def _tell(self, message: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            self.control.sendall(encode(message))

    def _over_limit(self) -> tuple[str, str] | None:
        """Which limit is passed, and how large it is in words."""
        limits = self.limits
        processes = self.processes()
        if len(processes) > limits.processes:
            return "processes", str(limits.processes)
        now = self.look(processes)
        if now.threads > limits.processes * THREADS:
            return "threads", str(limits.processes * THREADS)
        files: dict[tuple[int, int], int] = {}
        for pid in processes:
            if not _add_memory_files(pid, files):
                return "hiding", ""
        stored = self._stored() + sum(files.values())
        peak = self.peak
        peak.private = max(peak.private, now.private)
        peak.file_pages = max(peak.file_pages, now.file_pages)
        peak.high_water = max(peak.high_water, now.high_water)
        return ("memory", f"{limits.memory_bytes >> 20} MB") if now.private + stored > limits.memory_bytes else None

    def processes(self) -> list[int]:
        """The worker and all that it started."""
        if self.isolated:
            own = os.getpid()
            return [pid for name in os.listdir("/proc") if name.isdigit() and (pid := int(name)) != own]
        if not PROC.is_dir():  # not Linux: what the worker starts is not seen, and ends with its group
            return [] if self.reaped else [self.worker]
        found = [os.getpid()]
        for pid in found:
            found += [child for child in _children(pid) if child not in found]
        return found[1:]

    def look(self, processes: list[int] | None = None) -> Usage:
        usage = Usage()
        for pid in self.processes() if processes is None else processes:
            status = _status(pid)
            usage.private += max(0, status.get("RssAnon", 0) - self.shared) + status.get("RssShmem", 0)
            usage.private += status.get("VmPTE", 0)  # page tables: reading one byte of every 2 MB takes nothing else
            usage.file_pages += status.get("RssFile", 0)
            usage.high_water += status.get("VmHWM", 0)
            usage.threads += status.get("Threads", 0)
        return usage

    def _stored(self) -> int:
        """Bytes in the private temporary folders and in System V's shared memory and queues, which are memory too."""
        if not self.isolated:
            return 0
        total = 0
        for folder in ("/tmp", "/dev/shm"):
            with contextlib.suppress(OSError):
                space = os.statvfs(folder)
                total += (space.f_blocks - space.f_bfree) * space.f_frsize
        return total + _column_sum("/proc/sysvipc/shm", 14) + _column_sum("/proc/sysvipc/msg", 3)

    def kill_all(self) -> None:
        """Ends the worker and all below it. With a PID name space the kernel does it again when we end."""
        if self.isolated and os.getpid() == 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # all at once; one by one, a fork bomb outruns us
        elif not self.reaped:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.worker, signal.SIGKILL)
        deadline = time.monotonic() + 2.0
        while (processes := self.processes()) and time.monotonic() < deadline:
            for pid in processes:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                    self.reaped |= ended == self.worker
            time.sleep(0.001)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def _add_memory_files(pid: int, sizes: dict[tuple[int, int], int]) -> bool:
    """Adds the memory files of a process, which need no mapping and no name. False if it hides its descriptors."""
    try:
        for task in os.listdir(f"/proc/{pid}/task"):  # a thread can have descriptors of its own
            for name in os.listdir(folder := f"/proc/{pid}/task/{task}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    if os.readlink(path := f"{folder}/{name}").startswith("/memfd:"):
                        file = os.stat(path)
                        sizes[file.st_dev, file.st_ino] = file.st_blocks * 512
    except PermissionError:
        # A process on its way out shows none either, and has no memory any more.
        return "RssAnon" not in _status(pid)
    except OSError:
        pass
    return True


def _column_sum(table: str, column: int) -> int:
    with contextlib.suppress(OSError):
        return sum(int(line.split()[column]) for line in Path(table).read_text().splitlines()[1:])
    return 0


def _status(pid: int) -> dict[str, int]:
    """The memory lines of /proc/PID/status, in bytes, and the number of threads."""
    values: dict[str, int] = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            key, _, rest = line.partition(":")
            if rest.endswith("kB"):
                values[key] = int(rest[:-2]) * 1024
            elif key == "Threads":
                values[key] = int(rest)
    return values
