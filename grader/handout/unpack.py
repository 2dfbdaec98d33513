"""The course that an installed package brings along, unpacked where somebody wants to work."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from importlib import resources
from pathlib import Path

from grader.errors import UsageError
from grader.handout.pack import COPY

ARCHIVE = "course.zip"  # put beside this module when a wheel is built


def unpack(folder: Path) -> None:
    """Makes `folder`, whole or not at all. Raises UsageError where it is taken, or where no course came along."""
    source = resources.files("grader.handout").joinpath(ARCHIVE)
    if not source.is_file():
        raise UsageError("this installation brings no course along: unpack 'torch-dojo.zip', which your teachers have")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"'{folder}' holds something else: name a folder that is empty, or not there yet")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder.parent) as temporary:
            with zipfile.ZipFile(io.BytesIO(source.read_bytes())) as archive:
                archive.extractall(temporary)  # of our own making
            if folder.exists():
                folder.rmdir()
            shutil.move(Path(temporary) / COPY, folder)
    except OSError as error:
        raise UsageError(f"'{error.filename or folder}' can't be written: {error.strerror}") from None
