"""What was handed in, as a list of files: a folder, or a zip. No link is followed, nothing unpacked by its name."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.errors import DojoError
from grader.submission import MAX_BYTES

MAX_FILES = 200_000  # in one folder or zip
MAX_DEPTH = 20
# What the module `zipfile` raises for damaged, encrypted and unknown members.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError),
    *(OSError, OverflowError, MemoryError),
)


class Unreadable(DojoError):
    """A place, or a file of it, that can't be read; the reason."""

    exit_code = 2


@dataclass(frozen=True)
class Entry:
    """A file of a place. `parts`: its path below the place. `fault`: why it can't be used, where that is so."""

    parts: tuple[str, ...]
    fault: str = ""

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def folder(self) -> tuple[str, ...]:
        return self.parts[:-1]

    def __str__(self) -> str:
        return "/".join(self.parts)


class Folder:
    """A folder on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> Iterator[Entry]:
        """All files below it. A link to a folder is a file that can't be used."""
        yield from self._below(self.path, ())

    def _below(self, folder: Path, above: tuple[str, ...]) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as found:
                rows = sorted(found, key=lambda each: each.name)
        except OSError as error:
            yield Entry(above or (".",), f"can't be read: {error.strerror}")
            return
        for row in rows:
            parts = (*above, row.name)
            if row.is_dir(follow_symlinks=False):
                if len(parts) > MAX_DEPTH:
                    yield Entry(parts, f"lies more than {MAX_DEPTH} folders deep")
                else:
                    yield from self._below(Path(row.path), parts)
            elif row.is_symlink() and row.is_dir():
                yield Entry(parts, "a link to a folder")
            else:
                yield Entry(parts)

    def read(self, entry: Entry, most: int = MAX_BYTES + 1) -> bytes:
        """At most so many bytes. Raises Unreadable."""
        path = self.path.joinpath(*entry.parts)
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise Unreadable("a link or a special file")
            with path.open("rb") as file:
                return file.read(most)
        except OSError as error:
            raise Unreadable(f"can't be read: {error.strerror}") from None

    def close(self) -> None:
        pass


class Archive:
    """A zip. A member is read up to a bound, and written under a name of ours."""

    def __init__(self, path: Path) -> None:
        """Raises Unreadable."""
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self._members = {self._parts(each): each for each in self._zip.infolist() if not each.is_dir()}
        except UNREADABLE as error:
            raise Unreadable(f"a damaged zip, or none: {error}") from None
        if len(self._members) > MAX_FILES:
            raise Unreadable(f"a zip of more than {MAX_FILES:,} files")

    @staticmethod
    def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
        return PurePosixPath(member.filename).parts or (member.filename,)

    def entries(self) -> Iterator[Entry]:
        for parts, member in self._members.items():
            yield Entry(parts, self._fault(parts, member))

    def _fault(self, parts: tuple[str, ...], member: zipfile.ZipInfo) -> str:
        if parts[0].startswith("/") or ".." in parts or "\\" in member.filename or ":" in parts[0]:
            return "a name that leads out of the zip"
        if len(parts) > MAX_DEPTH:
            return f"lies more than {MAX_DEPTH} folders deep"
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            return "a link or a special file"
        return "encrypted" if member.flag_bits & 1 else ""

    def read(self, entry: Entry, most: int = MAX_BYTES + 1) -> bytes:
        """At most so many bytes, whatever it unpacks to: one more than a submission may have. Raises Unreadable."""
        try:
            with self._zip.open(self._members[entry.parts]) as file:
                return file.read(most)
        except UNREADABLE as error:
            raise Unreadable(f"damaged in the zip: {error}") from None

    def close(self) -> None:
        self._zip.close()


Place = Folder | Archive
