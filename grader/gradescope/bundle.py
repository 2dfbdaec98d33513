"""The zip for Gradescope: two scripts at its root, and of the course what grading one exercise takes.

It holds the hidden suite and the solution, as it has to. In the container they lie in `/autograder/source`, which only
root can read once a submission is started; that is in a sandbox, or where none works it is the user `nobody`.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from grader.catalog import Catalog, Exercise
from grader.errors import JudgeError, UsageError
from grader.gradescope.harness import SETTINGS, Settings
from grader.settings.course import NAME
from grader.settings.reduced import reduced

EPOCH = (1980, 1, 1, 0, 0, 0)
TEMPLATES = Path(__file__).parent / "templates"
EXECUTABLE, PLAIN = 0o100755 << 16, 0o100644 << 16
TOP = ("pyproject.toml", "requirements.lock", "README.md", "LICENSE")
PACKAGE = ("*.py", "py.typed", "templates/*")
STAYS = ("bench", "proof", "cohort", "gradebook", "live", "similar", "handout/templates")


def bundle(exercise: Exercise, out: Path, settings: Settings) -> list[str]:
    """Writes the zip; returns the names in it. Raises UsageError where it can't, or something is there already."""
    if exercise.hidden_suite is None:
        raise UsageError(
            f"there is no hidden suite of exercise {exercise.key} here: bundle it from the staff's checkout"
        )
    files = _files(exercise) | {SETTINGS: settings.to_json().encode()}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("setup.sh", "run_autograder"):
            _add(archive, name, (TEMPLATES / name).read_bytes(), EXECUTABLE)
        for name, data in sorted(files.items()):
            _add(archive, f"course/{name}", data, PLAIN)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("xb") as file:
            file.write(content.getvalue())
    except FileExistsError:
        raise UsageError(f"'{out}' is there already: move it away, or name another file") from None
    except OSError as error:
        raise UsageError(f"'{out}' can't be written: {error.strerror}") from None
    return sorted(files)


def _add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = mode
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def _files(exercise: Exercise) -> dict[str, bytes]:
    """The grader, and of the exercises this one: lesson, solution, and the suite without its plants."""
    root = exercise.root
    assert exercise.hidden_suite is not None
    paths = [root / name for name in TOP]
    package = Path(__file__).resolve().parent.parent
    for pattern in PACKAGE:
        paths += [path for path in package.glob(f"**/{pattern}") if path.is_file()]
    paths += [path for path in exercise.folder.iterdir() if path.is_file() and path.suffix in (".py", ".toml", ".md")]
    paths += [exercise.solution / name for name in exercise.files]
    paths.append(exercise.hidden_suite)
    files: dict[str, bytes] = {}
    for path in paths:
        base = package.parent if path.is_relative_to(package) else root
        name = path.relative_to(base).as_posix()
        if not name.startswith(tuple(f"grader/{each}" for each in STAYS)):
            try:
                files[name] = path.read_bytes()
            except OSError as error:
                raise JudgeError(f"'{path}' can't be read, and belongs into the zip: {error.strerror}") from None
    if course := reduced(Catalog(root).settings, [exercise.slug]):
        files[NAME] = course.encode()
    return files
