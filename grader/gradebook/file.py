"""The file: made whole or not at all, opened only where it is a gradebook, one transaction at a time.

WAL, so that exports read while a cohort writes. `synchronous=FULL`, so that a result that was reported is on the disk
also when the power fails; NORMAL would lose the last ones. That costs one fsync a result, against seconds of grading.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.errors import DojoError, JudgeError, UsageError
from grader.gradebook import schema

BUSY_SECONDS = 30.0  # in which another process is to end its transaction, which takes milliseconds
MAGIC = b"SQLite format 3\0"
APPLICATION_AT = 68  # in the header: https://www.sqlite.org/fileformat2.html
OLDEST_SQLITE = (3, 37, 0)  # STRICT tables


class File:
    """A connection to a gradebook's file. It belongs to one thread of one process."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._pid = os.getpid()

    @classmethod
    def open(cls, path: Path) -> File:
        """For writing; it is made where there is none. Raises DojoError, and leaves a foreign file alone."""
        _check_sqlite()
        with told(path):
            if not path.exists():
                _make(path)
            _check_header(path)
            file = cls(path, _connect(path, "mode=rw"))
            try:
                with file.transaction() as connection:  # which also finds out whether it may be written
                    _check_version(path, connection)
                    schema.migrate(connection)
            except BaseException:
                file.close()
                raise
            return file

    @classmethod
    def read(cls, path: Path) -> File:
        """For reading alone. Raises UsageError where there is none."""
        _check_sqlite()
        with told(path):
            if not path.exists():
                raise UsageError(f"there is no gradebook at '{path}': name one with --gradebook")
            _check_header(path)
            file = cls(path, _connect_to_read(path))
            try:
                version = _check_version(path, file._connection)
            except BaseException:
                file.close()
                raise
        if version < schema.VERSION:
            file.close()
            cls.open(path).close()  # brings it up to this version
            return cls.read(path)
        return file

    @contextlib.contextmanager
    def transaction(self, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Everything in it happens, or nothing. Other writers wait. Not `durable`: a power failure may undo it."""
        self._check_process()
        with told(self.path):
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        self._check_process()
        with told(self.path):
            return [dict(row) for row in self._connection.execute(query, values)]

    def close(self) -> None:
        """The last one to close leaves a single file."""
        if self._pid == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise JudgeError("a gradebook was opened before a fork and used after it: open it again in the new process")


def _check_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise UsageError(f"a gradebook needs SQLite {oldest} or later, and this Python has {sqlite3.sqlite_version}")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", BUSY_SECONDS, isolation_level=None, uri=True)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "mode=ro")
    try:
        schema.version_of(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        # In a folder that can't be written SQLite has no place for its index of the log. Without a log it needs none.
        if name_of(error) not in ("SQLITE_CANTOPEN", "SQLITE_READONLY_DIRECTORY") or _size(_log(path)):
            raise
        return _connect(path, "immutable=1")
    return connection


def _make(path: Path) -> None:
    """Under another name first: whoever sees the file sees a complete one, and two who make it get the same."""
    if _size(_log(path)):
        raise UsageError(
            f"'{_log(path)}' is the log of a gradebook '{path.name}' that is gone: put both back, or move it"
        )
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN")
            schema.create(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()
        temporary.chmod(0o600)  # it will hold seeds and the code of hidden tests
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    folder_descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder_descriptor)
    finally:
        os.close(folder_descriptor)


def _check_header(path: Path) -> None:
    """Before SQLite sees the file: it would take an empty one for a new one, and work off a foreign one's log."""
    with path.open("rb") as file:
        header = file.read(APPLICATION_AT + 4)
    if header[: len(MAGIC)] != MAGIC:
        what = "an empty file" if not header else "another kind of file"
        raise UsageError(f"'{path}' is {what} and no gradebook, and is left as it is: name another one, or move it")
    if int.from_bytes(header[APPLICATION_AT:], "big") != schema.APPLICATION:
        raise UsageError(f"'{path}' is the SQLite file of another program, and is left as it is: name another one")


def _check_version(path: Path, connection: sqlite3.Connection) -> int:
    version = schema.version_of(connection)
    if version > schema.VERSION:
        said = f"the gradebook '{path}' was written by a later Torch Dojo (version {version}, this one knows"
        raise UsageError(f"{said} {schema.VERSION}), and is left as it is: update this copy of the course")
    return version


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """What SQLite and the system say of the file, as one line that tells what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _in_words(path, error) from None
    except UnicodeEncodeError as error:
        raise UsageError(f"a name of a student or an exercise is not UTF-8: {error.object!a}") from None
    except OSError as error:
        raise UsageError(f"the gradebook '{path}' can't be opened: {error.strerror}") from None


def name_of(error: sqlite3.Error) -> str:
    """SQLite's name of what went wrong: https://www.sqlite.org/rescode.html"""
    return getattr(error, "sqlite_errorname", "")


def _in_words(path: Path, error: sqlite3.Error) -> DojoError:
    name = name_of(error)
    kept = "what was recorded is kept"
    if name.startswith("SQLITE_FULL") or name == "SQLITE_IOERR_SHMSIZE":
        return JudgeError(f"no room is left for the gradebook '{path}': {kept}; make room and run again")
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM")):
        return UsageError(f"the gradebook '{path}' can't be written, nor its folder: {kept}; mend the permissions")
    if name.startswith("SQLITE_CANTOPEN"):
        return UsageError(f"the gradebook '{path}' can't be opened: its folder is to be one that can be written")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        said = f"the gradebook '{path}' is damaged ({error}), and is left as it is"
        return JudgeError(f"{said}: put a copy in its place, or save what can be read with `sqlite3 '{path}' .recover`")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JudgeError(f"the gradebook '{path}' is held by another process for {BUSY_SECONDS:g} seconds: {kept}")
    return JudgeError(f"the gradebook '{path}' failed ({name or type(error).__name__}: {error}): {kept}")
