"""An export reaches its file whole or not at all, a line at a time; or standard output."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from grader.errors import JudgeError


def pour(lines: Iterable[str], path: Path | None) -> None:
    """Writes lines, each with its own end. Raises JudgeError where they can't be written; an older file stays then."""
    if path is None:
        for line in lines:
            sys.stdout.write(line)
        return
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise JudgeError(f"'{path}' can't be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file():
            shutil.copymode(path, temporary)  # a new file is its owner's alone: grades are nobody else's business
        Path(temporary).replace(path)
    except OSError as error:
        raise JudgeError(f"'{path}' can't be written: {error.strerror}; an older file is as it was") from None
    finally:
        Path(temporary).unlink(missing_ok=True)
