"""Brings a later version of the course into a student's copy. What the student has written stays as it is.

A file that is still as it was handed out gives way to its later version. One that differs is the student's: it stays,
and where the later version has something new, that is put beside it. Killed in the middle, the same command goes on.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from grader.errors import UsageError
from grader.handout.manifest import NAME, Manifest, read_manifest, sha256
from grader.result import write_atomically

MOST_BYTES = 20_000_000  # of one file
MOST_FILES = 10_000
BESIDE = ".new"


@dataclass
class Changes:
    """What an update did, as paths below the copy."""

    replaced: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)  # the later version of a file that stays as the student has it
    left: list[str] = field(default_factory=list)  # no longer part of the course, and changed by the student


def update(root: Path, source: Path) -> tuple[Manifest, Changes]:
    """Raises UsageError, before anything is changed, for a source that is no later copy of the course."""
    old = read_manifest(root)
    files = read_copy(source)
    new = Manifest.from_json(files[NAME].decode("utf-8", "replace"), f"{source}/{NAME}")
    for path, digest in new.files.items():
        if sha256(files.get(path, b"")) != digest:
            raise UsageError(f"'{source}' is damaged: '{path}' is not what it was when it was packed")
    if set(old.work).isdisjoint(new.work):
        raise UsageError(f"'{source}' is another course: none of your exercises is in it")
    changes = Changes()
    try:
        for path in sorted({*old.files, *new.files}):
            _bring(root, path, old.files.get(path), files.get(path) if path in new.files else None, changes)
        write_atomically(root / NAME, new.to_json())  # last: until then the same command begins again
    except OSError as error:
        raise UsageError(
            f"'{error.filename}' can't be written: {error.strerror}; mend that, and the same command goes on"
        ) from None
    return new, changes


def _bring(root: Path, path: str, given: str | None, content: bytes | None, changes: Changes) -> None:
    """One file. `given`: its hash when it was handed out; `content`: what it is in the later version, if it is one."""
    place = root / path
    present = _hash_of(place)
    if content is None:
        if present == given:
            place.unlink()
            changes.removed.append(path)
        elif present is not None:
            changes.left.append(path)
        return
    wanted = sha256(content)
    if present == wanted:
        return
    if present is None and not place.is_symlink():
        _write(place, content)
        changes.added.append(path)
    elif present == given:
        _write(place, content)
        changes.replaced.append(path)
    elif given != wanted:
        beside = place.with_name(place.name + BESIDE)
        if _hash_of(beside) != wanted:
            _write(beside, content)
        changes.beside.append(path + BESIDE)


def _hash_of(path: Path) -> str | None:
    """Of a regular file; a link or a folder is the student's own, and equals nothing that was handed out."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return sha256(path.read_bytes()) if stat.S_ISREG(mode) else "not a file"


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, content.decode("utf-8"))
    path.chmod(0o644)


def read_copy(source: Path) -> Mapping[str, bytes]:
    """The files of a copy: a folder, or a zip. Raises UsageError for anything else."""
    try:
        found = _read_folder(source) if source.is_dir() else _read_zip(source)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"'{source}' is neither the folder nor the zip of a course: {error}") from None
    if NAME not in found:
        raise UsageError(f"'{source}' is no copy that was handed out: '{NAME}' is missing")
    return found


def _read_folder(folder: Path) -> dict[str, bytes]:
    """Those files that its manifest names: the folder may have been worked in."""
    manifest = read_manifest(folder)
    return {name: (folder / name).read_bytes() for name in [NAME, *manifest.files] if (folder / name).is_file()}


def _read_zip(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.infolist() if not each.is_dir()]
        if len(members) > MOST_FILES or any(each.file_size > MOST_BYTES for each in members):
            raise UsageError(f"'{path}' holds more than a course can")
        for member in members:
            inside = PurePosixPath(member.filename).parts[1:]  # below the folder that everything is in
            if inside:
                found["/".join(inside)] = archive.read(member)
    return found
