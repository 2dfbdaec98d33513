"""Every lesson's notebook is executed, each in a kernel of its own, with the solutions in the place of the stubs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grader.catalog import Catalog, Exercise
from grader.lessons.pair import prepare
from grader.reading import Reading
from grader.stubs import solution_of

pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")
pytest.importorskip("jupytext", reason="jupytext is not installed")

ROOT = Path(__file__).resolve().parent.parent
CATALOG = Catalog(ROOT)
LESSONS: list[Exercise | Reading] = [*CATALOG.readings, *CATALOG.exercises]
CELL_SECONDS = 60
AT_ONCE = 2  # kernels; each spends two seconds on importing torch
# Sample tests and verdicts are run for all exercises elsewhere (`make verify`): here one shows that the cells work.
WHOLE = "1"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which somebody has solved everything."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("exercises", "solutions", "final_project"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for exercise in Catalog(folder).exercises:
        if exercise.number is not None:
            for name, text in solution_of(exercise).items():
                (exercise.folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def executed(course: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Any]]]:
    """What comes of each notebook that a selected test asks for, two at a time, in the order of the tests."""
    names = " ".join(item.name for item in request.session.items if item.path == request.path)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(AT_ONCE) as pool:
        patch.setenv("IPYTHONDIR", str(course / ".ipython"))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # without it, jupyter_core warns of a change to come
        lessons = [*Catalog(course).readings, *Catalog(course).exercises]
        chosen = [each for each in lessons if each.key == WHOLE or f"[{each.slug}]" in names]
        yield {each.slug: pool.submit(execute, prepare(each).notebook, each.key == WHOLE) for each in chosen}
        pool.shutdown(cancel_futures=True)


def execute(path: Path, whole: bool = False) -> Any:
    """Runs a notebook; `whole`: also the first sample tests and the verdict. Raises a cell's error."""
    import nbformat

    notebook = nbformat.read(path, 4)
    tags = [each.metadata.get("tags", [""])[0] for each in notebook.cells]
    first = tags.index("samples") if whole else None
    notebook.cells = [
        cell
        for place, (cell, tag) in enumerate(zip(notebook.cells, tags, strict=True))
        if place == first or tag not in ("samples", "grade") or (tag == "grade" and whole)
    ]
    return run_cells(notebook, path.parent)


def run_cells(notebook: Any, folder: Path) -> Any:
    """In a kernel of its own, started in `folder`. `asyncio.run` closes the loop, as nbclient alone does not."""
    from nbclient import NotebookClient

    settings = {"timeout": CELL_SECONDS, "kernel_name": "python3", "resources": {"metadata": {"path": str(folder)}}}
    return asyncio.run(NotebookClient(notebook, **settings).async_execute())


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.slug)
def test_the_notebook_runs_from_top_to_bottom(lesson: Exercise | Reading, executed: dict[str, Future[Any]]) -> None:
    notebook = executed[lesson.slug].result()
    code = [each for each in notebook.cells if each.cell_type == "code"]
    assert code
    assert [each.execution_count for each in code] == list(range(1, len(code) + 1))


def test_a_students_own_functions_their_samples_and_the_verdict_are_shown(executed: dict[str, Future[Any]]) -> None:
    lesson = CATALOG.find(WHOLE)
    notebook = executed[lesson.slug].result()
    shown: dict[str, str] = {}
    for cell in notebook.cells:
        for tag in cell.metadata.get("tags", []) if cell.cell_type == "code" else []:
            shown[tag] = shown.get(tag, "") + "".join(map(text_of, cell.outputs))
    assert "Help on function pairwise_squared_distance" in shown["own"]
    assert re.search(r"\d passed, \d+ deselected", COLOUR.sub("", shown["samples"]))
    assert re.search(r"accepted: (\d+) of \1 points", shown["grade"])  # those of the public tests: no others are here


def text_of(output: Any) -> str:
    return output.get("text") or output.get("data", {}).get("text/plain", "")


def test_a_cell_that_fails_fails_the_test(course: Path) -> None:
    from nbclient.exceptions import CellExecutionError

    folder = course / "exercises/lesson07_wrong"
    folder.mkdir()
    (folder / "README.md").write_text("# Lesson 7: wrong\n\n```python\nassert 1 + 1 == 3\n```\n")
    try:
        (lesson,) = [each for each in Catalog(course).readings if each.number == 7]
        with pytest.raises(CellExecutionError, match="AssertionError"):
            execute(prepare(lesson).notebook)
    finally:
        shutil.rmtree(folder)


def test_an_edit_of_ones_file_reaches_the_notebook_without_a_restart(course: Path) -> None:
    """The set-up cell's autoreload: the same cell, run again after a save, uses what was saved."""
    import nbformat
    from nbformat.v4 import new_code_cell

    exercise = Catalog(course).find("2")
    notebook = nbformat.read(prepare(exercise).notebook, 4)
    (setup,) = [each for each in notebook.cells if each.metadata.get("tags") == ["setup"] and each.cell_type == "code"]
    file = course / "exercises" / exercise.slug / "added.py"
    file.write_text("def answer():\n    return 1\n")
    change = f"import pathlib; pathlib.Path({str(file)!r}).write_text('def answer():\\n    return 22\\n')"
    cells = [setup, *map(new_code_cell, ("from added import answer\nanswer()", change, "answer()"))]
    ready = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
    run_cells(ready, course / "notebooks")
    file.unlink()
    assert [text_of(each.outputs[0]) for each in (ready.cells[1], ready.cells[3])] == ["1", "22"]
