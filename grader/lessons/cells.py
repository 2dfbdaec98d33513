"""A lesson's text as the cells of a notebook: prose, its ```python blocks, and a place to try one's own functions.

Nothing here knows a particular exercise: the cells come from its README.md, its stub and its `exercise.toml`.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.handout.workflow import sampled
from grader.reading import Reading
from grader.reset import stubs_for

FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
HEADING = re.compile(r"^#{1,6} ")
LINK = re.compile(r"\]\(([^)\s#:]+)(?=[)#])")
TASK = re.compile(r"task (\d+):")
OPENS = "```python"
LAST = "## Sources"  # what one tries comes before it
SETUP = """\
import sys

%load_ext autoreload
%autoreload 2
sys.path.insert(0, "{there}")  # where your file is
samples = f"'{{sys.executable}}' -m pytest -q --no-header --tb=short {there}"
"""


@dataclass(frozen=True)
class Cell:
    """`tag` is empty for what stands in the lesson, and says what an added cell is for."""

    kind: Literal["markdown", "code"]
    source: str
    tag: Literal["", "setup", "own", "samples", "grade"] = ""


def cells_of(lesson: Exercise | Reading, text: str, notebooks: Path) -> list[Cell]:
    """All cells of the notebook that is to lie in the folder `notebooks`."""
    there = Path(os.path.relpath(lesson.folder, notebooks)).as_posix()
    cells = [
        Cell("markdown", relinked(each.source, lesson.folder, there)) if each.kind == "markdown" else each
        for each in split(text)
    ]
    if isinstance(lesson, Reading):
        return cells
    place = next((number for number, each in enumerate(cells) if each.source.startswith(LAST)), len(cells))
    return [*cells[:place], *_your_turn(lesson, there), *cells[place:]]


def split(text: str) -> list[Cell]:
    """A markdown cell for each section's prose, and a code cell for each ```python block."""
    cells: list[Cell] = []
    lines: list[str] = []

    def end(kind: Literal["markdown", "code"]) -> None:
        if source := "\n".join(lines).strip("\n"):
            cells.append(Cell(kind, source))
        lines.clear()

    inside = ""  # "code" in a ```python block, in another block what closes it
    for line in text.splitlines():
        fence = FENCE.match(line)
        if inside == "code" and line.startswith("```"):
            end("code")
            inside = ""
            continue
        if inside:
            inside = "" if fence and inside != "code" and fence[1].startswith(inside) else inside
        elif line == OPENS:
            end("markdown")
            inside = "code"
            continue
        elif fence:
            inside = fence[1]
        elif HEADING.match(line):
            end("markdown")
        lines.append(line)
    end("code" if inside == "code" else "markdown")
    return cells


def joined(cells: list[Cell]) -> str:
    """The text that `split` makes these cells of."""
    texts = [f"{OPENS}\n{each.source}\n```" if each.kind == "code" else each.source for each in cells]
    return "\n\n".join(texts) + "\n"


def relinked(text: str, folder: Path, there: str) -> str:
    """Links to files beside the lesson, as they are to be seen from the notebook."""

    def seen(match: re.Match[str]) -> str:
        return f"]({there}/{match[1]}" if (folder / match[1]).exists() else match[0]

    return LINK.sub(seen, text)


def _your_turn(exercise: Exercise, there: str) -> Iterator[Cell]:
    """For each task its functions, imported from the student's file, and its sample tests; then the verdict."""
    files = ", ".join(f"[`{name}`]({there}/{name})" for name in exercise.files)
    yield Cell(
        "markdown",
        f"## Your turn\n\nWrite in {files}, save, and run a cell again: it uses what you saved last.",
        "setup",
    )
    yield Cell("code", SETUP.format(there=there).rstrip(), "setup")
    own = functions(_stubs(exercise))
    seen = sampled(exercise)
    for task in exercise.tasks:
        points = "1 point" if task.points == 1 else f"{task.points:g} points"
        yield Cell("markdown", f"### Task {task.number}: {task.title} ({points})", "own")
        if task.number in own:
            yield Cell("code", _shown(own[task.number]), "own")
        if task.number in seen:
            yield Cell("code", f"!{{samples}} --task {task.number}", "samples")
    hint = f"`make hint EX={exercise.key}` in a terminal gives a hint."
    yield Cell("markdown", f"### The verdict\n\nThe same as `make grade EX={exercise.key}`. {hint}", "grade")
    given = exercise.key if exercise.number is not None else f'"{exercise.key}"'
    yield Cell("code", f"from grader import grade\n\ngrade({given})", "grade")


@dataclass(frozen=True)
class Function:
    """A function or class of a stub."""

    module: str
    name: str
    told: str  # the expression that shows what it is to do


def functions(stubs: Mapping[str, str]) -> dict[int, list[Function]]:
    """The functions and classes of the stubs by the first task whose mark they hold."""
    found: dict[int, list[Function]] = {}
    for file, source in stubs.items():
        for node in ast.parse(source).body:
            marks = TASK.findall(ast.unparse(node))
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and marks and not node.name.startswith("_"):
                # A class's help is that of all that it inherits: some hundred lines for an nn.Module.
                told = f"help({node.name})" if isinstance(node, ast.FunctionDef) else f"print({node.name}.__doc__)"
                own = Function(file.removesuffix(".py"), node.name, told)
                found.setdefault(min(map(int, marks)), []).append(own)
    return found


def _stubs(exercise: Exercise) -> Mapping[str, str]:
    """Nothing where none were kept: then the notebook names no functions."""
    try:
        return stubs_for(exercise)
    except UsageError:
        return {}


def _shown(own: list[Function]) -> str:
    """Imports them, says what they are to do, and leaves a place to try them."""
    modules = dict.fromkeys(each.module for each in own)
    imports = [
        f"from {module} import {', '.join(sorted(each.name for each in own if each.module == module))}"
        for module in modules
    ]
    asked = [each.told for each in own]
    return "\n".join([*imports, "", *asked, "# try it here, on values that you can check by hand"])
