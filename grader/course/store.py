"""The file `.dojo/state.json` under the course's root: locked, written atomically, put aside where it can't be read.

It holds no path, so the folder may move. Two processes may change it at once. A write that is cut short leaves what was
there. A file of a later version is left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from grader.course.record import Newer, Record
from grader.errors import UsageError
from grader.result import write_atomically

FOLDER = ".dojo"
FILE = "state.json"
LOCK_SECONDS = 5.0  # a change takes milliseconds


class NewerState(UsageError):
    """The file was written by a later version: it is neither read nor changed."""


class Unwritable(UsageError):
    """What was to be remembered can't be."""


class Store:
    """Reads and changes the record. `remarks` are lines for the person, each told once."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER
        self._path = self._folder / FILE
        self._name = f"{FOLDER}/{FILE}"
        self.remarks: list[str] = []

    def read(self) -> Record:
        """The record as it is now; an empty one where there is none, or none that can be read. Raises NewerState."""
        try:
            return self._parse()
        except OSError as error:
            self.remarks.append(f"'{self._name}' can't be read: {error.strerror}; nothing in it is used")
            return Record()
        except ValueError:
            with contextlib.suppress(Unwritable), self.change() as record:
                return record
            self.remarks.append(f"'{self._name}' is damaged and can't be put aside; nothing in it is used")
            return Record()

    @contextlib.contextmanager
    def change(self) -> Iterator[Record]:
        """The record, to be changed; it is written when the block ends well. Raises NewerState, or Unwritable."""
        with self._locked():
            try:
                record = self._parse()
            except OSError as error:
                raise self._unwritable(error) from None
            except ValueError:
                self._put_aside()
                record = Record()
            before = record.to_json()
            yield record
            if record.to_json() == before:
                return
            try:
                write_atomically(self._path, record.to_json())
            except OSError as error:
                raise self._unwritable(error) from None

    def _parse(self) -> Record:
        """Raises ValueError where the file holds something else."""
        try:
            return Record.from_json(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return Record()
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        except Newer as newer:
            said = f"'{self._name}' was written by a later Torch Dojo ({newer}), and is left as it is"
            raise NewerState(f"{said}: update this copy of the course") from None

    def _put_aside(self) -> None:
        """Under the first free name; whatever it is, it may be of worth to somebody."""
        try:
            for number in itertools.count(1):
                aside = self._path.with_name(f"{FILE}.damaged.{number}")
                if not aside.exists():
                    self._path.rename(aside)
                    break
        except OSError as error:
            raise self._unwritable(error) from None
        self.remarks.append(f"'{self._name}' could not be read: it is kept as '{aside.name}', and a new one begins")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            try:
                self._folder.mkdir(exist_ok=True)
                file = stack.enter_context((self._folder / "lock").open("a"))
            except OSError as error:
                raise self._unwritable(error) from None
            self._lock(file)
            yield

    def _lock(self, file: IO[str]) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unwritable(f"'{self._name}' is held by another process of the course") from None
                time.sleep(0.01)
            except OSError:  # a file system without locks, as some network drives: a write is whole all the same
                return None

    def _unwritable(self, error: OSError) -> Unwritable:
        return Unwritable(f"'{self._name}' can't be written: {error.strerror}")
