"""The warm parent as the judge sees it: a process that has torch loaded, and makes workers by forking.

In bubblewrap, or as a plain process. It runs nothing of a submission.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from grader.bubblewrap import PACKAGE, environment, options_for, package_folders
from grader.cgroup import MemoryGroup
from grader.endings import receive
from grader.errors import JudgeError
from grader.seccomp import write_filter
from grader.wire import Caps, FrameReader, decode, encode
from grader.workers import MEGABYTE

START_SECONDS = 120.0  # torch without bytecode on a loaded machine takes long to import
LOOK_SECONDS = 0.1  # between two looks at a warm parent that is starting
DYING_SECONDS = 0.2  # in which one that was killed closes its channel


class Isolation(StrEnum):
    """What stands between a worker and the machine."""

    BUBBLEWRAP = "bubblewrap"
    PROCESS = "plain process"


class ParentDied(JudgeError):
    """The warm parent ended before it was ready."""


class WarmParent:
    """One process, from its start to its end."""

    def __init__(
        self, preload: list[str], warm: bool, card: str, bwrap: str | None, log: IO[bytes], group: MemoryGroup | None
    ) -> None:
        """Starts it and tells it what to import, without waiting for it. `card`: the GPU that it sees, or "".

        Raises JudgeError if it can't be started.
        """
        self.isolation = Isolation.BUBBLEWRAP if bwrap else Isolation.PROCESS
        self.folder = None if bwrap else _temporary_folder()  # bubblewrap's are mounts inside
        self.started_by = os.getpid()  # the judge, or a fork of it
        self._log = log
        self._channel, theirs = socket.socketpair()
        self._reader = FrameReader(Caps(json_bytes=MEGABYTE, tensor_bytes=0))
        try:
            with theirs:
                self._process = self._start(theirs.fileno(), card, bwrap, group)
        except JudgeError:
            self._channel.close()
            self.remove_folder()
            raise
        setup = {"preload": preload, "warm": warm, "folder": str(self.folder) if self.folder else None}
        with contextlib.suppress(OSError):  # it has ended already: `hello` finds out why
            self._channel.sendall(encode({"isolated": bwrap is not None, **setup}))

    def _start(self, channel: int, card: str, bwrap: str | None, group: MemoryGroup | None) -> subprocess.Popen[bytes]:
        python = [sys.executable, "-I", "-S", "-B"]
        search = [str(PACKAGE.parent), *package_folders()]
        prefix: list[str] = []
        descriptors = [channel]
        rules = write_filter() if bwrap else None
        if bwrap:
            python[0] = os.path.realpath(sys.executable)
            # At places of our own: a checkout under /tmp would be covered by the workers' private /tmp.
            search = ["/dojo", *(f"/dojo/packages/{number}" for number in range(len(package_folders())))]
            prefix = [bwrap, *options_for(card)]
        if rules is not None:
            descriptors.append(rules.fileno())
            prefix += ["--seccomp", str(rules.fileno())]
        # sys.path is set by us: no .pth file, no user site, no PYTHONPATH, nothing of the submission's.
        start = f"import sys; sys.path += {search!r}; from grader.worker import warm; warm.main({channel})"
        with rules or contextlib.nullcontext():
            try:
                return subprocess.Popen(
                    [*prefix, *python, "-c", start],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    env=environment(card, self.folder or Path("/tmp")),
                    pass_fds=descriptors,
                    preexec_fn=group.enter if group else None,  # no thread of ours holds a lock yet
                    start_new_session=True,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise JudgeError(f"could not start a worker process: {error}") from None

    @property
    def pid(self) -> int:
        """Of the process that was started: bubblewrap's, where there is one."""
        return self._process.pid

    def hello(self) -> Any:
        """Waits until it has imported its modules: the versions of some. Raises ParentDied, JudgeError if it hangs."""
        deadline = time.monotonic() + START_SECONDS
        while (frame := self._reader.next_frame()) is None:
            ready, _, _ = select.select([self._channel], [], [], LOOK_SECONDS)
            data = receive(self._channel) if ready else b""
            if not ready and time.monotonic() < deadline and not self._bubblewrap_ended():
                continue
            if not ready and time.monotonic() >= deadline:
                raise JudgeError("the warm parent did not start: no reply in time")
            if not data:
                raise ParentDied(f"the warm parent did not start: {self.last_words() or 'it ended without a word'}")
            self._reader.feed(data)
        return decode(frame)["versions"]

    def _bubblewrap_ended(self) -> bool:
        """What it had begun to set up may hold our channel open for ever. Leaves it unreaped: see `stop`."""
        if self.isolation is Isolation.PROCESS:
            return False
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def last_words(self) -> str:
        """The last line that it printed."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def lives(self) -> bool:
        """It says nothing by itself: its channel has something to read when it has ended."""
        if self._channel.fileno() == -1:
            return False
        ended, _, _ = select.select([self._channel], [], [], DYING_SECONDS)
        return not ended

    def fork(self, descriptors: list[int]) -> None:
        """Has it make a worker, whose ends of its channels are `descriptors`. Raises OSError when it has gone."""
        socket.send_fds(self._channel, [encode({"op": "fork"})], descriptors)

    def stop(self) -> None:
        """Ends it, and with bubblewrap everything inside. May be called again."""
        self._channel.close()
        process = self._process
        if process.returncode is not None:
            return
        if self.isolation is Isolation.PROCESS:
            # It ends by itself when the channel closes, and its supervisors end their workers; the kill is for a hang.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
                return
        # bubblewrap's name space goes with it, and everything inside. Dead or not: its group may have more members,
        # and while we have not waited for it, nobody else gets its number.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def remove_folder(self) -> None:
        """Removes what its workers have left; after the last of them has ended."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _temporary_folder() -> Path:
    try:
        folder = Path(tempfile.mkdtemp(prefix="dojo-"))
    except OSError as error:
        raise JudgeError(f"there is no room for temporary files: {error}") from None
    folder.chmod(0o711)  # a worker that is not root passes through to its own
    return folder
