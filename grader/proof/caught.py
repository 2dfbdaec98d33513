"""Which test caught each plant and each mutant last time: `caught.json`, beside the suite.

Asked first, that test mostly catches it again, and the others are spared. It is a hint about the order and no more: a
test that no longer catches its plant costs time, and nothing is believed because it stands here.
"""

from __future__ import annotations

import json
from pathlib import Path

from grader.catalog import Exercise
from grader.errors import JudgeError
from grader.result import write_atomically


def read_caught(exercise: Exercise) -> dict[str, str]:
    """The name of a plant or mutant → the name of a test; empty where nothing was noted yet. Raises JudgeError."""
    path = _path(exercise)
    try:
        table = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise JudgeError(f"'{path}' can't be read: {error}; delete it, and run `make verify WHOLE=1`") from None
    if not isinstance(table, dict):
        raise JudgeError(f"'{path}' holds no table: delete it, and run `make verify WHOLE=1`")
    return {str(name): str(test) for name, test in table.items()}


def write_caught(exercise: Exercise, caught: dict[str, str]) -> None:
    """Notes what was caught in a whole run; what is no longer there is forgotten. Raises JudgeError."""
    if caught == read_caught(exercise):
        return
    try:
        write_atomically(_path(exercise), json.dumps(caught, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
        _path(exercise).chmod(0o644)
    except OSError as error:
        raise JudgeError(f"'{_path(exercise)}' could not be written: {error.strerror}") from None


def _path(exercise: Exercise) -> Path:
    return exercise.hidden / "caught.json"
