"""Gives an exercise's stub back. What the student wrote is kept beside it, under a numbered name."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.handout.manifest import STUBS
from grader.result import write_atomically
from grader.stubs import stubs_of

UNTOUCHED = "raise NotImplementedError("  # what a stub holds, and a finished file does not


def keep_stubs(exercise: Exercise) -> None:
    """Keeps a copy of each file that still looks like a stub, for a later reset; where it can't, it says nothing."""
    if _derivable(exercise) or _handed_out(exercise, exercise.files[0]).is_file():
        return
    for name in exercise.files:
        kept = _kept(exercise, name)
        try:
            text = (exercise.folder / name).read_text("utf-8")
            if not kept.exists() and UNTOUCHED in text:
                write_atomically(kept, text)
        except (OSError, UnicodeDecodeError):
            continue


def _kept(exercise: Exercise, name: str) -> Path:
    return exercise.root / "reports" / exercise.slug / "stub" / name


def _handed_out(exercise: Exercise, name: str) -> Path:
    """Where a student's copy of the course has the stub."""
    return exercise.root / STUBS / exercise.slug / name


def reset(exercise: Exercise) -> list[Path]:
    """Puts the stubs back; returns the backups. Raises UsageError where there is no stub, or no place for a backup."""
    stubs = stubs_for(exercise)
    backups = []
    try:
        for name, stub in stubs.items():
            path = exercise.folder / name
            if path.exists() and path.read_bytes() != stub.encode():
                backups.append(_back_up(path))
            write_atomically(path, stub)
    except OSError as error:
        raise UsageError(f"'{error.filename}' could not be written: {error.strerror}") from None
    return backups


def stubs_for(exercise: Exercise) -> dict[str, str]:
    """What a reset would write. Raises UsageError where there is no stub."""
    if _derivable(exercise):
        return stubs_of(exercise)
    for place in (_handed_out, _kept):
        try:
            return {name: place(exercise, name).read_text("utf-8") for name in exercise.files}
        except (OSError, UnicodeDecodeError):
            continue
    raise UsageError(f"there is no stub of {exercise.slug} to go back to: unpack the course anew")


def _derivable(exercise: Exercise) -> bool:
    """Whether there is a solution. The final project's lies where the student works, and may be the student's own."""
    return exercise.number is not None and all((exercise.solution / name).is_file() for name in exercise.files)


def _back_up(path: Path) -> Path:
    """A copy of `path` as `path.1`, or the first number that is free."""
    content, mode = path.read_bytes(), path.stat().st_mode & 0o777
    for number in itertools.count(1):
        backup = path.with_name(f"{path.name}.{number}")
        try:
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            continue
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return backup
    raise AssertionError("numbers do not end")
