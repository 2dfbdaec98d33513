"""The files that students get. Each is named here, so that what else lies in the staff's checkout stays there."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from grader import __version__
from grader.catalog import Catalog, Exercise
from grader.errors import JudgeError
from grader.handout.manifest import NAME, STUBS, Manifest
from grader.handout.workflow import PATH, workflow
from grader.settings import course
from grader.settings.reduced import reduced
from grader.stubs import stubs_of

LESSON = ("README.md", "exercise.toml", "figure.py", "picture.svg", "test_public.py")
OPTIONAL = ("figure.py", "picture.svg")
TOP = ("CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.lock", "requirements-notebook.lock")
TEMPLATES = {"README.md": "README.md", "gitignore": ".gitignore"}
GRADER = ("*.py", "py.typed", "templates/*")  # of each package, as it is installed
STAYS = "bench"  # trains a network of its own on the final project's data


def contents(catalog: Catalog) -> dict[str, bytes]:
    """Everything that is handed out, by its path below the copy. Raises JudgeError for what is missing here."""
    root = catalog.root
    files: dict[str, bytes] = {}
    for name in TOP:
        files[name] = _read(root / name)
    for template, name in TEMPLATES.items():
        files[name] = resources.files("grader.handout").joinpath("templates", template).read_bytes()
    files[PATH] = workflow(catalog.exercises).encode()
    if settings := reduced(catalog.settings, [exercise.slug for exercise in catalog.exercises]):
        files[course.NAME] = settings.encode()
    for reading in catalog.readings:
        files |= {path.relative_to(root).as_posix(): _read(path) for path in reading.files}
    for exercise in catalog.exercises:
        files |= _lesson(exercise)
    package = Path(__file__).resolve().parent.parent
    for folder in sorted({package, *(path.parent for path in package.glob("*/__init__.py"))}):
        if folder.name != STAYS:
            files |= {
                f"grader/{path.relative_to(package).as_posix()}": path.read_bytes()
                for pattern in GRADER
                for path in sorted(folder.glob(pattern))
                if path.is_file()
            }
    work = [path for exercise in catalog.exercises for path in paths_of(exercise)]
    files[NAME] = Manifest.of(__version__, files, work).to_json().encode()
    return files


def paths_of(exercise: Exercise) -> list[str]:
    """Where the student's files of an exercise are in a copy."""
    folder = exercise.folder.relative_to(exercise.root).as_posix()
    return [f"{folder}/{name}" for name in exercise.files]


def _lesson(exercise: Exercise) -> dict[str, bytes]:
    """An exercise with its stubs, which are derived from the solution now: what lies in their place is not taken."""
    folder = exercise.folder.relative_to(exercise.root).as_posix()
    files = {
        f"{folder}/{name}": _read(exercise.folder / name)
        for name in LESSON
        if name not in OPTIONAL or (exercise.folder / name).exists()
    }
    try:
        stubs = {name: text.encode() for name, text in stubs_of(exercise).items()}
    except OSError as error:
        raise JudgeError(f"'{error.filename}' can't be read: a stub is derived from the solution") from None
    for path, content in zip(paths_of(exercise), stubs.values(), strict=True):
        files[path] = content
        files[f"{STUBS}/{exercise.slug}/{Path(path).name}"] = content
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise JudgeError(f"'{path}' can't be read, and students are to get it: {error.strerror}") from None
