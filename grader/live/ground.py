"""What a warm judge rests on: the suite, the exercise's description, the grader itself, the installed packages."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grader.catalog import Exercise
from grader.live.saves import digest_of, signature_of
from grader.settings.course import NAME

LOOK_SECONDS = 1.0
Paths = Callable[[], Sequence[Path]]


class Ground:
    """Groups of files, by what they are called on the screen. A look costs a millisecond."""

    def __init__(self, groups: Mapping[str, Paths]) -> None:
        self._groups = groups
        self._seen = self._look()
        self._digests = self._read()
        self._moved = False
        self._due = time.monotonic() + LOOK_SECONDS

    def _look(self) -> list[object]:
        return [(path, signature_of(path)) for paths in self._groups.values() for path in paths()]

    def _read(self) -> dict[str, str]:
        return {name: digest_of(list(paths())) for name, paths in self._groups.items()}

    def changed(self) -> list[str]:
        """The groups whose contents have changed and come to rest since they were told last."""
        if time.monotonic() < self._due:
            return []
        self._due = time.monotonic() + LOOK_SECONDS
        before, self._seen = self._seen, self._look()
        if before != self._seen:
            self._moved = True  # a checkout of many files may be under way: wait for it to end
            return []
        if not self._moved:
            return []
        self._moved = False
        digests, self._digests = self._digests, self._read()
        return [name for name, digest in digests.items() if digest != self._digests[name]]


def ground_of(exercise: Exercise) -> Ground:
    """The ground of a warm judge of `exercise`."""
    package = Path(__file__).parents[1]
    torch = importlib.util.find_spec("torch")  # finds it without importing it
    version = [Path(torch.origin).with_name("version.py")] if torch and torch.origin else []
    return Ground(
        {
            "the tests": lambda: [*sorted(exercise.hidden.glob("*.py")), exercise.public_suite],
            "the exercise's description": lambda: [exercise.folder / "exercise.toml"],
            "the settings of the course": lambda: [exercise.root / NAME],
            "the grader": lambda: sorted(package.rglob("*.py")),
            "an installed package": lambda: [exercise.root / "requirements.lock", *version],
        }
    )
