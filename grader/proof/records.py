"""What was measured, as JSON under docs/results: read, merged and laid out so that a line is a run or a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grader.errors import JudgeError
from grader.result import write_atomically

FOLDER = Path("docs", "results")
RERUNS = "reruns.json"
TOLERANCES = "tolerances.json"


def read_record(root: Path, name: str) -> dict[str, Any]:
    """The record `name`; an empty one where there is none. Raises JudgeError for one that is damaged."""
    path = root / FOLDER / name
    try:
        body = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise JudgeError(f"the record '{path}' can't be read: {error}; restore or delete it") from None
    if not isinstance(body, dict):
        raise JudgeError(f"the record '{path}' holds a {type(body).__name__}, and a table is due")
    return body


def write_record(root: Path, name: str, body: dict[str, Any]) -> Path:
    """Writes the record `name`; the old or the new one is there at any time. Raises JudgeError."""
    path = root / FOLDER / name
    try:
        write_atomically(path, layout(body) + "\n")
        path.chmod(0o644)
    except OSError as error:
        raise JudgeError(f"the record '{path}' could not be written: {error.strerror}") from None
    return path


def layout(value: Any, indent: int = 0) -> str:
    """JSON in which whatever holds no list or table of its own takes one line."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if not any(isinstance(each, dict | list) for each in inner):
        return json.dumps(value, ensure_ascii=False)
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        rows = [
            f"{pad}{json.dumps(key, ensure_ascii=False)}: {layout(each, indent + 1)}" for key, each in value.items()
        ]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    rows = [pad + layout(each, indent + 1) for each in value]
    return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"
