"""First process of a worker's PID name space: prepares its files and mounts, enforces its limits, measures it.

The worker can't signal, stop or trace it (the kernel shields process 1 of a name space, and it is not dumpable).
When it ends, for whatever reason, the kernel ends everything below it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.wire import Caps, FrameReader, WireError, decode, encode

SUBMISSION = Path("/submission")
SCRATCH = Path("/tmp/work")
TICK = 0.01  # seconds between two looks at the worker
FINE_TICK = 0.001  # while memory is being measured
THREADS = 32  # for each process that a worker may have
MAX_FILES = 16384  # in a temporary folder: an empty file takes the kernel's memory too
Serve = Callable[[int, Path, Path, "list[str]"], None]


@dataclass(frozen=True)
class Limits:
    """What a worker may use; the judge sends it."""

    memory_bytes: int
    scratch_bytes: int
    processes: int
    open_files: int


@dataclass
class Usage:
    """Memory of the worker and all below it, in bytes."""

    private: int = 0  # anonymous and shared pages, mapped
    file_pages: int = 0
    high_water: int = 0  # the kernel's own maximum of the resident set
    threads: int = 0


def supervise(control: socket.socket, data: int, output: int, isolated: bool, serve: Serve) -> int:
    """Starts the worker and watches it until it ends or the judge hangs up. Returns an exit code."""
    reader = FrameReader(Caps(json_bytes=16 << 20, tensor_bytes=0))
    setup = _receive(control, reader)
    if setup is None:
        return 0
    try:
        return _run(control, reader, setup, data, output, isolated, serve)
    finally:
        if not isolated:
            shutil.rmtree(setup["folder"], ignore_errors=True)  # the judge may have done so before we made it


def _run(
    control: socket.socket,
    reader: FrameReader,
    setup: dict[str, Any],
    data: int,
    output: int,
    isolated: bool,
    serve: Serve,
) -> int:
    limits = Limits(**setup["limits"])
    try:
        home, scratch = _prepare(setup, limits, isolated)
        armed, arm = os.pipe()
        worker = os.fork()
    except OSError as error:
        control.sendall(encode({"event": "fault", "message": f"could not prepare the worker: {error}"}))
        return 1
    if worker == 0:
        control.detach()  # its descriptor is about to be closed, and the number used again
        _become_worker(data, output, arm, limits, isolated)
        serve(data, home, scratch, setup["files_order"])
        os._exit(0)
    for descriptor in (data, output, arm):
        os.close(descriptor)
    if not os.read(armed, 1):
        control.sendall(encode({"event": "fault", "message": "a worker could not give up its rights"}))
        return 1
    if isolated:
        from grader.worker import kernel

        kernel.drop_capabilities()
    watch = Watch(control, reader, worker, limits, isolated, scratch)
    try:
        return watch.run()
    finally:
        watch.kill_all()


def _receive(control: socket.socket, reader: FrameReader) -> Any:
    while (frame := reader.next_frame()) is None:
        data = control.recv(65536)
        if not data:
            return None
        reader.feed(data)
    return decode(frame)


def _prepare(setup: dict[str, Any], limits: Limits, isolated: bool) -> tuple[Path, Path]:
    """Lays out the submission (read-only) and an empty scratch folder; returns both."""
    if isolated:
        from grader.worker import kernel

        quiet = kernel.MS_NOSUID | kernel.MS_NODEV
        size = f"size={limits.scratch_bytes},nr_inodes={MAX_FILES},mode=0755"
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("proc", "/proc", "proc", quiet | kernel.MS_NOEXEC)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")  # in one, the worker would be root again
        kernel.mount("tmpfs", "/tmp", "tmpfs", quiet, size)
        kernel.mount("tmpfs", "/dev/shm", "tmpfs", quiet | kernel.MS_NOEXEC, size)
        kernel.mount("tmpfs", str(SUBMISSION), "tmpfs", quiet, "size=16m,mode=0755")
        home, scratch = SUBMISSION, SCRATCH
    else:
        home = Path(setup["folder"]) / "submission"
        scratch = Path(setup["folder"]) / "work"
        home.mkdir()
        if sys.platform == "linux":
            from grader.worker import kernel

            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    scratch.mkdir()
    if not isolated and os.geteuid() == 0:
        os.chown(scratch, kernel.NOBODY, kernel.NOBODY)
    for name, text in setup["files"].items():
        (home / name).write_text(text, encoding="utf-8", newline="")
    if isolated:
        flags = kernel.MS_REMOUNT | kernel.MS_RDONLY | quiet
        kernel.mount("tmpfs", str(SUBMISSION), "tmpfs", flags, "size=16m,mode=0755")
    return home, scratch


def _become_worker(data: int, output: int, arm: int, limits: Limits, isolated: bool) -> None:
    """In the worker, before any code of the submission: no descriptors but its own, no rights, hard limits."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    low, high = sorted((data, arm))
    for start, end in ((3, low), (low + 1, high), (high + 1, 65536)):
        os.closerange(start, end)
    for name, value in (("CORE", 0), ("NOFILE", limits.open_files), ("FSIZE", limits.scratch_bytes)):
        number = getattr(resource, f"RLIMIT_{name}")
        ceiling = resource.getrlimit(number)[1]
        bounded = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(number, (bounded, bounded))
    if sys.platform == "linux":
        _give_up_rights(isolated)
    os.write(arm, b"1")
    os.close(arm)


def _give_up_rights(isolated: bool) -> None:
    from grader.worker import kernel

    if isolated:
        # Read-only for the worker alone: the supervisor resets the worker's memory marks there.
        kernel.unshare(kernel.CLONE_NEWNS)
        flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
        kernel.mount("none", "/proc", "", flags | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        kernel.drop_capabilities()
    elif os.geteuid() == 0:
        kernel.become_nobody()  # root's kill(-1, 9) would end every process of the machine
    kernel.die_with_parent()  # after the change of user, which forgets it
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # so that the supervisor may read its figures; it holds no secret


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
        # What a fork shares with the warm parent until it writes to it: not the worker's own memory.
        self.shared = _status(os.getpid()).get("RssAnon", 0)

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
        found = [os.getpid()]
        for pid in found:
            found += [child for child in _children(pid) if child not in found]
        return found[1:]

    def look(self, processes: list[int] | None = None) -> Usage:
        usage = Usage()
        for pid in self.processes() if processes is None else processes:
            status = _status(pid)
            usage.private += max(0, status.get("RssAnon", 0) - self.shared) + status.get("RssShmem", 0)
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
        deadline = time.monotonic() + 2.0
        while (processes := self.processes()) and time.monotonic() < deadline:
            for pid in processes:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0] != 0:
                    pass
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
