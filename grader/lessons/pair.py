"""A lesson's notebook as two files: `notebooks/ex03_training_loop.ipynb`, and the same as text, `….py`.

Jupytext keeps the two in step, in JupyterLab at each save. The text holds no outputs, so that a student can commit it.
What a student has changed stays: the notebook remembers what it was made as, so that a change can be seen.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.lessons.cells import Cell, cells_of
from grader.reading import Reading, text_of
from grader.result import write_atomically

FOLDER = "notebooks"  # of the course
FORMATS = "ipynb,py:percent"  # the text is Python with `# %%` between cells, which editors can run too
MADE_AS = "torch_dojo"  # of a notebook's metadata: the digest of its cells as they were made


@dataclass
class Pair:
    """Where a lesson's notebook is, and what is to be known of it."""

    notebook: Path
    remarks: list[str] = field(default_factory=list)

    @property
    def text(self) -> Path:
        return self.notebook.with_suffix(".py")


def prepare(lesson: Exercise | Reading, fresh: bool = False) -> Pair:
    """Makes the pair where there is none, or brings it up to date where nobody has changed it.

    `fresh`: begins anew; what is there is kept under a numbered name. Raises UsageError.
    """
    pair = Pair(lesson.root / FOLDER / f"{lesson.slug}.ipynb")
    made = notebook_of(lesson, pair.notebook.parent)
    try:
        if fresh and (kept := _set_aside(pair)):
            pair.remarks.append(f"your notebook is kept as '{kept}'")
        if pair.notebook.exists() or pair.text.exists():
            _bring_up_to_date(pair, made, lesson)
        else:
            _write(pair, made)
    except OSError as error:
        raise UsageError(f"'{error.filename or pair.notebook}' can't be written: {error.strerror or error}") from None
    return pair


def notebook_of(lesson: Exercise | Reading, folder: Path) -> Any:
    """The notebook that is to lie in `folder`: the same for the same lesson, byte for byte."""
    import jupytext

    text = text_of(lesson.folder)
    body = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "jupytext": {"formats": FORMATS, "notebook_metadata_filter": MADE_AS},
        },
        "cells": [_cell(place, each) for place, each in enumerate(cells_of(lesson, text, folder))],
    }
    notebook = jupytext.reads(json.dumps(body), fmt="ipynb")
    notebook.metadata[MADE_AS] = digest(notebook)
    return notebook


def _cell(place: int, cell: Cell) -> dict[str, Any]:
    """As the format has it, with an id that is no chance."""
    metadata = {"tags": [cell.tag]} if cell.tag else {}
    made = {"cell_type": cell.kind, "id": f"cell-{place}", "metadata": metadata, "source": cell.source}
    return made | ({"execution_count": None, "outputs": []} if cell.kind == "code" else {})


def digest(notebook: Any) -> str:
    """Of what is written in the cells; outputs don't count."""
    written = [(each.cell_type, each.source.rstrip()) for each in notebook.cells]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()[:16]


def _bring_up_to_date(pair: Pair, made: Any, lesson: Exercise | Reading) -> None:
    halves = [_read(path) for path in (pair.notebook, pair.text) if path.exists()]
    changed = any(each.metadata.get(MADE_AS) != digest(each) for each in halves)
    outdated = any(each.metadata.get(MADE_AS) != made.metadata[MADE_AS] for each in halves)
    if outdated and not changed:
        _write(pair, made)
        pair.remarks.append("the lesson has changed since, and the notebook with it")
        return
    if outdated:
        again = f"`make lesson EX={lesson.key} FRESH=1` makes a new one"
        pair.remarks.append(f"the lesson has changed since, and your notebook stays as it is: {again}")
    _sync(pair)


def _read(path: Path) -> Any:
    import jupytext

    try:
        return jupytext.read(path)
    except Exception as error:  # noqa: BLE001 - whatever a parser says of a damaged file
        said = (str(error).splitlines() or [type(error).__name__])[0]
        remedy = "FRESH=1 (--fresh) keeps it under another name and begins anew"
        raise UsageError(f"'{path}' is no notebook: {said}; {remedy}") from None


def _sync(pair: Pair) -> None:
    """The later of the two decides what is in the cells, as in JupyterLab; one that is missing is made."""
    there = sorted((path for path in (pair.text, pair.notebook) if path.exists()), key=_age)
    latest = _read(there[0])
    if len(there) == 2:
        other = _read(there[1])
        if digest(other) == digest(latest):
            return
        if other.metadata.get(MADE_AS) != digest(other):  # it has been written in, too
            pair.remarks.append(f"'{there[1].name}' was another: it is kept as '{_numbered([there[1]])[0].name}'")
    if there[0] == pair.notebook:
        _put(pair.text, latest)
    else:
        _put(pair.notebook, latest)


def _age(path: Path) -> int:
    return -path.stat().st_mtime_ns


def _write(pair: Pair, notebook: Any) -> None:
    for path in (pair.text, pair.notebook):
        _put(path, notebook)


def _put(path: Path, notebook: Any) -> None:
    import jupytext

    new = not path.exists()
    write_atomically(path, jupytext.writes(notebook, fmt="ipynb" if path.suffix == ".ipynb" else "py:percent"))
    if new:
        path.chmod(0o644)  # no secret, unlike a report


def _set_aside(pair: Pair) -> str:
    """Gives both files the first number that is free; returns the name of one, or nothing where there is none."""
    there = [path for path in (pair.notebook, pair.text) if path.exists()]
    return f"{FOLDER}/{_numbered(there)[0].name}" if there else ""


def _numbered(paths: list[Path]) -> list[Path]:
    """Renames them to the first number that is free for each of the pair, so that they still are one."""
    for number in itertools.count(1):
        kept = [path.with_suffix(f".{number}{path.suffix}") for path in paths]
        if not any(each.with_suffix(suffix).exists() for each in kept for suffix in (".ipynb", ".py")):
            break
    for path, aside in zip(paths, kept, strict=True):
        path.rename(aside)
    return kept
