"""What a student's copy was given: how the copy knows later which of its files are still as they came."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from grader.errors import UsageError

FOLDER = ".course"  # of the copy: the manifest, and the stubs for a reset
NAME = f"{FOLDER}/manifest.json"
STUBS = f"{FOLDER}/stubs"
FORMAT = 1


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """`files`: the hash of each, by its path below the copy. `work`: those that a student is to edit."""

    version: str
    files: dict[str, str]
    work: list[str]

    @classmethod
    def of(cls, version: str, files: Mapping[str, bytes], work: list[str]) -> Self:
        return cls(version, {path: sha256(content) for path, content in sorted(files.items())}, sorted(work))

    @property
    def edition(self) -> str:
        """The same for the same files, and for no others."""
        return sha256(json.dumps(self.files, sort_keys=True).encode())[:12]

    def to_json(self) -> str:
        body = {"format": FORMAT, "version": self.version, "files": self.files, "work": self.work}
        return json.dumps(body, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Raises UsageError for what is none, or names a file outside of the copy."""
        try:
            body = json.loads(text)
            if body["format"] != FORMAT:
                raise UsageError(f"'{where}' was made by another version of the course: format {body['format']!r}")
            files, work = dict(body["files"]), list(body["work"])
            paths = [*files, *work]
            if not all(isinstance(each, str) for each in (body["version"], *paths, *files.values())):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"'{where}' is damaged: it does not list the files of a course") from None
        for path in paths:
            pure = PurePosixPath(path)
            if pure.is_absolute() or ".." in pure.parts or str(pure) != path or "\\" in path:
                raise UsageError(f"'{where}' names a file outside of the course: {path!r}")
        return cls(body["version"], files, work)


def read_manifest(root: Path) -> Manifest:
    """Of a copy. Raises UsageError where the folder is none."""
    path = root / NAME
    try:
        return Manifest.from_json(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"'{root}' is no copy that was handed out: '{NAME}' is missing") from None
