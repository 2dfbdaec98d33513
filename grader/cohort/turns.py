"""Turns of a run's judges: while a timed submission is graded, no other one is at the same place.

A place is a GPU, or the CPUs of a machine. It has two locked files, a door and a room: who is to be alone waits for the
room while holding the door, so that nobody else enters. The kernel ends a turn with its judge, however that ends, and
knows all judges of a machine, whoever started them: a dispatcher, or processes of Ray.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from grader.errors import JudgeError

LOOK_SECONDS = 0.02  # between two tries at a lock
TELL_SECONDS = 1.0  # between two signs of life while waiting


class Turns:
    """The turns at one place. `run`: the name that all judges of a run share; "" where nobody needs to be alone."""

    def __init__(self, run: str, place: str) -> None:
        self._place = place.replace("/", "-")
        self._folder = folder_of(run) if run else None

    @contextmanager
    def taken(self, alone: bool, meanwhile: Callable[[], None]) -> Iterator[None]:
        """A turn, for as long as the block runs. Calls `meanwhile` now and then while it waits."""
        if self._folder is None:
            yield
            return
        with self._open("door") as door, self._open("room") as room:
            _lock(door, fcntl.LOCK_EX, meanwhile)
            _lock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, meanwhile)
            fcntl.flock(door, fcntl.LOCK_UN)
            yield

    def _open(self, name: str) -> IO[bytes]:
        assert self._folder is not None
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if self._folder.lstat().st_uid != os.getuid():
                raise JudgeError(f"'{self._folder}' is somebody else's: run again")
            return (self._folder / f"{self._place}.{name}").open("wb")
        except OSError as error:
            raise JudgeError(f"judges can't take turns in '{self._folder}': {error.strerror}") from None


def _lock(file: IO[bytes], kind: int, meanwhile: Callable[[], None]) -> None:
    told = time.monotonic()
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            meanwhile()


def folder_of(run: str) -> Path:
    """Where the locks of a run are, on each machine."""
    return Path(tempfile.gettempdir()) / f"dojo-turns-{run}"


def clear(run: str) -> None:
    """Removes the locks of a run whose judges have all ended, on this machine."""
    if run:
        shutil.rmtree(folder_of(run), ignore_errors=True)
