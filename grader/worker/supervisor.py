"""First process of a worker's PID name space: prepares its files and mounts, enforces its limits, measures it.

The worker can't signal, stop or trace it (the kernel shields process 1 of a name space, and it is not dumpable).
When it ends, for whatever reason, the kernel ends everything below it.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from grader.wire import Caps, FrameReader, decode, encode
from grader.worker import serve
from grader.worker.watch import Limits, Watch

SUBMISSION = Path("/submission")
SCRATCH = Path("/tmp/work")
MAX_FILES = 16384  # in a temporary folder: an empty file takes the kernel's memory too


def supervise(control: socket.socket, data: int, output: int, isolated: bool) -> int:
    """Starts the worker and watches it until it ends or the judge hangs up. Returns an exit code."""
    reader = FrameReader(Caps(json_bytes=16 << 20, tensor_bytes=0))
    setup = _receive(control, reader)
    if setup is None:
        return 0
    try:
        return _run(control, reader, setup, data, output, isolated)
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
) -> int:
    limits = Limits(**setup["limits"])
    try:
        home, scratch = _prepare(setup, limits, isolated)
        armed, arm = os.pipe()
        waiting, go = os.pipe()
        worker = os.fork()
    except OSError as error:
        return _fault(control, f"could not prepare the worker: {error}")
    if worker == 0:
        control.detach()  # its descriptor is about to be closed, and the number used again
        _become_worker(data, output, (waiting, arm), limits, isolated)
        serve.get_ready(setup["imports"], setup["rehearse"])
        os.write(arm, b"1")
        os.close(arm)
        serve.serve(data, home, scratch, _await_files(waiting))
        os._exit(0)
    for descriptor in (data, output, arm, waiting):
        os.close(descriptor)
    if not os.read(armed, 1):
        return _fault(control, "a worker could not get ready")
    watch = Watch(control, reader, worker, limits, isolated, scratch)
    try:
        # A worker may wait here for long, prepared before there was anything to run. It costs nothing meanwhile.
        submission = _receive(control, reader)
        if submission is None:
            return 0
        try:
            _lay_out(submission["files"], home, isolated)
        except OSError as error:
            return _fault(control, f"could not prepare the worker: {error}")
        with os.fdopen(go, "w") as gate:
            json.dump(submission["order"], gate)
        return watch.run()
    finally:
        watch.kill_all()


def _fault(control: socket.socket, message: str) -> int:
    control.sendall(encode({"event": "fault", "message": message}))
    return 1


def _await_files(waiting: int) -> list[str]:
    """In the worker: the names of the files, once they lie there; ends it where there will be none."""
    with os.fdopen(waiting) as gate:
        names = gate.read()
    if not names:
        os._exit(0)
    return [str(name) for name in json.loads(names)]


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
        kernel.raise_loopback()
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
    return home, scratch


def _lay_out(files: dict[str, str], home: Path, isolated: bool) -> None:
    """Writes the submission, makes it read-only for everybody, and gives up our own rights."""
    for name, text in files.items():
        (home / name).write_text(text, encoding="utf-8", newline="")
    if isolated:
        from grader.worker import kernel

        flags = kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("tmpfs", str(SUBMISSION), "tmpfs", flags, "size=16m,mode=0755")
        kernel.drop_capabilities()


def _become_worker(data: int, output: int, gates: tuple[int, int], limits: Limits, isolated: bool) -> None:
    """In the worker, before any code of the submission: no descriptors but its own, no rights, hard limits."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # what was printed before a hang or a crash is to be read
    first = 3
    for kept in sorted((data, *gates)):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, 65536)
    cpu = limits.cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))  # a signal that says why, and then one that can't be held
    for name, value in (("CORE", 0), ("NOFILE", limits.open_files), ("FSIZE", limits.scratch_bytes)):
        number = getattr(resource, f"RLIMIT_{name}")
        ceiling = resource.getrlimit(number)[1]
        bounded = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(number, (bounded, bounded))
    if sys.platform == "linux":
        _give_up_rights(isolated)


def _give_up_rights(isolated: bool) -> None:
    from grader.worker import kernel

    # Where memory runs out all the same, the kernel is to end the worker, and not us or the warm parent.
    Path("/proc/self/oom_score_adj").write_text("1000")
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
