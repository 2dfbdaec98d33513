"""`dojo lesson`: what is in a notebook, its two files, what a student changed in them, and what is told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grader.__main__ import main
from grader.catalog import Catalog, Exercise
from grader.handout.pack import pack
from grader.lessons import jupyter
from grader.lessons.cells import cells_of, functions, joined, split
from grader.lessons.pair import prepare
from grader.proof.rules import examples
from grader.reading import Reading, text_of

jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed")
ROOT = Path(__file__).resolve().parents[2]
CATALOG = Catalog(ROOT)
LESSONS: list[Exercise | Reading] = [*CATALOG.readings, *CATALOG.exercises]
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.slug)
DONE, USAGE = 0, 2
README = """# Exercise 1: doubling

Twice a [tensor](https://pytorch.org), ![as a picture](picture.svg), `x[0](y)`.

```bash
echo prose
## no heading
```

## An example

```python
x = 1
assert 2 * x == 2
```

## Sources

- [beside](double.py#L1), [nowhere](gone.md)
"""


@pytest.fixture(autouse=True)
def inside(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(course)
    folder = course / "exercises/ex01_double"
    (folder / "README.md").write_text(README)
    (folder / "picture.svg").write_text("<svg/>")


@pytest.fixture
def reading(course: Path) -> Reading:
    folder = course / "exercises/lesson00_basics"
    folder.mkdir()
    (folder / "README.md").write_text("# Lesson 0: the basics\n\nRead.\n\n```python\nassert True\n```\n")
    return Catalog(course).readings[0]


def sources(path: Path, tagged: bool = False) -> list[str]:
    """Of the cells that stand in the lesson; `tagged`: of those that were added."""
    return [each.source for each in jupytext.read(path).cells if bool(each.metadata.get("tags")) == tagged]


# --- what is in it


@each_lesson
def test_both_files_say_what_the_lesson_says_and_nothing_else(lesson: Exercise | Reading, tmp_path: Path) -> None:
    text = text_of(lesson.folder)
    copy = tmp_path / lesson.folder.relative_to(ROOT)
    shutil.copytree(lesson.folder, copy)
    there = Path(os.path.relpath(copy, tmp_path / "notebooks")).as_posix()
    made = [each for each in cells_of(_moved(lesson, tmp_path), text, tmp_path / "notebooks") if not each.tag]
    back = joined(made).replace(f"]({there}/", "](")
    assert back == text
    pair = prepare(_moved(lesson, tmp_path))
    for path in (pair.notebook, pair.text):
        assert sources(path) == [each.source for each in made]


def _moved(lesson: Exercise | Reading, root: Path) -> Exercise | Reading:
    from dataclasses import replace

    return replace(lesson, root=root)


@each_lesson
def test_the_code_cells_are_the_blocks_that_are_tested(lesson: Exercise | Reading) -> None:
    code = [each.source for each in split(text_of(lesson.folder)) if each.kind == "code"]
    if isinstance(lesson, Exercise):
        assert code == [block.strip("\n") for block in examples(lesson)]
    assert code


@pytest.mark.parametrize("lesson", CATALOG.readings, ids=lambda lesson: lesson.slug)
def test_a_lesson_without_an_exercise_is_a_notebook_for_jupytext_too(lesson: Reading) -> None:
    cells = jupytext.read(lesson.folder / "README.md").cells
    code = [each.source for each in cells if each.cell_type == "code"]
    assert code == [each.source for each in split(text_of(lesson.folder)) if each.kind == "code"]


@pytest.mark.parametrize("lesson", CATALOG.readings, ids=lambda lesson: lesson.slug)
def test_a_lesson_without_an_exercise_asks_and_hides_the_answers(lesson: Reading) -> None:
    text = text_of(lesson.folder)
    answers = re.findall(r"<details>\n<summary>[^\n]+</summary>\n\n.+?\n\n</details>", text, re.DOTALL)
    assert len(answers) == text.count("<details>") >= 5
    assert text.count("check(None, ") >= 5


def test_sections_are_cells_links_lead_on_and_other_blocks_are_prose(toy: Exercise) -> None:
    pair = prepare(toy)
    first, example, code, last = sources(pair.notebook)
    assert "```bash\necho prose\n## no heading\n```" in first
    assert "](../exercises/ex01_double/picture.svg)" in first
    assert "(https://pytorch.org)" in first
    assert "`x[0](y)`" in first
    assert (example, code) == ("## An example", "x = 1\nassert 2 * x == 2")
    assert last == "## Sources\n\n- [beside](../exercises/ex01_double/double.py#L1), [nowhere](gone.md)"


def test_ones_own_functions_their_samples_and_the_verdict_come_before_the_sources(toy: Exercise) -> None:
    cells = jupytext.read(prepare(toy).notebook).cells
    tags = [each.metadata.get("tags", [""])[0] for each in cells]
    assert tags == ["", "", "", "setup", "setup", "own", "own", "samples", "own", "grade", "grade", ""]
    assert cells[5].source == "### Task 1: Twice (2 points)"
    assert cells[6].source.startswith("from double import double\n\nhelp(double)\n")
    assert cells[7].source == "!{samples} --task 1"  # the second task has no sample test
    assert cells[8].source == "### Task 2: Errors (1 point)"
    assert cells[10].source == "from grader import grade\n\ngrade(1)"


def test_a_function_is_shown_at_its_first_task() -> None:
    stub = """
class Layer(nn.Module):
    def __init__(self):
        raise NotImplementedError("task 2: begin")

    def forward(self, x):
        raise NotImplementedError("task 1: go")

def helper(x):
    return x

def last(x):
    raise NotImplementedError("task 3: end")
"""
    found = functions({"net.py": stub})
    assert {task: [(each.module, each.name, each.told) for each in own] for task, own in found.items()} == {
        1: [("net", "Layer", "print(Layer.__doc__)")],
        3: [("net", "last", "help(last)")],
    }


def test_the_same_lesson_gives_the_same_files(toy: Exercise) -> None:
    first = prepare(toy)
    before = [first.notebook.read_bytes(), first.text.read_bytes()]
    again = prepare(toy, fresh=True)
    assert [again.notebook.read_bytes(), again.text.read_bytes()] == before


def test_the_sample_tests_of_one_task_can_be_run_alone(toy: Exercise) -> None:
    def run(task: int) -> str:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--task", str(task), str(toy.folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=toy.root, env=environment, capture_output=True, text=True, check=False)
        return f"{done.stdout}{done.stderr}exit code {done.returncode}"

    (toy.folder / "double.py").write_text("def double(x):\n    return 2 * x\n")
    assert "1 passed" in run(1)
    assert "1 deselected" in run(2)


# --- what a student changed stays


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("half", ["notebook", "text"])
def test_a_change_stays_and_reaches_the_other_file(toy: Exercise, half: str) -> None:
    pair = prepare(toy)
    path: Path = getattr(pair, half)
    edit(path, "assert 2 * x == 2", "assert 3 * x == 3")
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 10))
    mine = path.read_bytes()
    again = prepare(toy)
    assert again.remarks == []
    assert path.read_bytes() == mine
    assert "x = 1\nassert 3 * x == 3" in sources(pair.notebook)
    assert sources(pair.notebook) == sources(pair.text)
    assert sorted(each.name for each in path.parent.iterdir()) == ["ex01_double.ipynb", "ex01_double.py"]


def test_changes_in_both_files_are_both_kept(toy: Exercise) -> None:
    pair = prepare(toy)
    edit(pair.text, "assert 2 * x == 2", "assert 3 * x == 3")
    edit(pair.notebook, "assert 2 * x == 2", "assert 4 * x == 4")
    os.utime(pair.notebook, (0, pair.text.stat().st_mtime + 10))
    again = prepare(toy)
    assert again.remarks == ["'ex01_double.py' was another: it is kept as 'ex01_double.1.py'"]
    assert "x = 1\nassert 4 * x == 4" in sources(pair.text)
    assert "x = 1\nassert 3 * x == 3" in sources(pair.text.with_name("ex01_double.1.py"))


@pytest.mark.parametrize("half", ["notebook", "text"])
def test_a_file_that_is_missing_is_made_from_the_other_one(toy: Exercise, half: str) -> None:
    pair = prepare(toy)
    edit(pair.notebook, "assert 2 * x == 2", "assert 3 * x == 3")
    edit(pair.text, "assert 2 * x == 2", "assert 3 * x == 3")
    getattr(pair, half).unlink()
    prepare(toy)
    for path in (pair.notebook, pair.text):
        assert "x = 1\nassert 3 * x == 3" in sources(path)


def test_a_later_lesson_replaces_a_notebook_that_nobody_has_changed(toy: Exercise) -> None:
    pair = prepare(toy)
    run = json.loads(pair.notebook.read_text())
    (code,) = [each for each in run["cells"] if each["source"] and "assert" in "".join(each["source"])]
    code |= {"execution_count": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["ran\n"]}]}
    pair.notebook.write_text(json.dumps(run))  # running a cell is no change of it
    edit(toy.folder / "README.md", "Twice a", "Two times a")
    again = prepare(toy)
    assert again.remarks == ["the lesson has changed since, and the notebook with it"]
    assert sources(pair.notebook)[0] == sources(pair.text)[0]
    assert "Two times a" in sources(pair.text)[0]


def test_a_later_lesson_leaves_a_notebook_that_somebody_has_changed(toy: Exercise) -> None:
    pair = prepare(toy)
    for path in (pair.notebook, pair.text):
        edit(path, "assert 2 * x == 2", "assert 3 * x == 3")
    mine = [pair.notebook.read_bytes(), pair.text.read_bytes()]
    edit(toy.folder / "README.md", "Twice a", "Two times a")
    again = prepare(toy)
    assert "your notebook stays as it is: `make lesson EX=1 FRESH=1` makes a new one" in again.remarks[0]
    assert [pair.notebook.read_bytes(), pair.text.read_bytes()] == mine
    fresh = prepare(toy, fresh=True)
    assert fresh.remarks == ["your notebook is kept as 'notebooks/ex01_double.1.ipynb'"]
    assert "Two times a" in sources(pair.text)[0]
    kept = [pair.notebook.with_suffix(".1.ipynb"), pair.notebook.with_suffix(".1.py")]
    assert [path.read_bytes() for path in kept] == mine
    prepare(toy, fresh=True)
    assert pair.notebook.with_suffix(".2.ipynb").exists()
    assert [path.read_bytes() for path in kept] == mine


def test_a_damaged_notebook_is_told_and_left_alone(toy: Exercise, capsys: pytest.CaptureFixture[str]) -> None:
    pair = prepare(toy)
    pair.notebook.write_text('{"cells": [')
    assert main(["lesson", "1", "--no-open"]) == USAGE
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "ex01_double.ipynb' is no notebook: " in err
    assert "FRESH=1 (--fresh) keeps it" in err
    assert pair.notebook.read_text() == '{"cells": ['
    assert main(["lesson", "1", "--no-open", "--fresh"]) == DONE
    assert pair.notebook.with_suffix(".1.ipynb").read_text() == '{"cells": ['


# --- the command


def test_without_opening_it_names_the_notebook(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson", "double", "--no-open"]) == DONE
    assert capsys.readouterr() == ("notebooks/ex01_double.ipynb\n", "")
    assert sorted(path.name for path in (course / "notebooks").iterdir()) == ["ex01_double.ipynb", "ex01_double.py"]


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("jupyterlab", "--LabApp.default_url=/lab/tree/notebooks/ex01_double.ipynb"),
        ("notebook", "notebooks/ex01_double.ipynb"),
    ],
)
def test_it_opens_in_the_jupyter_of_this_environment(
    toy: Exercise, monkeypatch: pytest.MonkeyPatch, server: str, place: str
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *words: started.append(words))
    monkeypatch.setattr(jupyter, "_has", {"jupytext", server}.__contains__)
    monkeypatch.chdir(toy.folder)
    assert main(["lesson", "1"]) == DONE
    ((program, words, environment),) = started
    assert program == words[0] == sys.executable
    assert words[1:5] == ["-m", server, place, f"--ServerApp.root_dir={toy.root}"]
    assert ("--allow-root" in words) == (os.geteuid() == 0)
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert Path.cwd() == toy.root


@pytest.mark.parametrize(
    ("there", "arguments", "missing"),
    [
        (set(), ["lesson", "1"], "jupytext and jupyterlab"),
        (set(), ["lesson", "1", "--no-open"], "jupytext"),
        ({"jupytext"}, ["lesson", "1"], "jupyterlab"),
    ],
)
def test_what_is_missing_is_one_line(
    course: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: set[str],
    arguments: list[str],
    missing: str,
) -> None:
    monkeypatch.setattr(jupyter, "_has", there.__contains__)
    assert main(arguments) == USAGE
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"dojo: a notebook needs {missing}: `make lesson EX=1` installs that")
    assert not (course / "notebooks").exists()


def test_where_it_can_not_be_written_is_one_line(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (course / "notebooks").write_text("in the way")
    assert main(["lesson", "1", "--no-open"]) == USAGE
    err = capsys.readouterr().err
    assert (err.count("\n"), "can't be written: " in err) == (1, True)
    (course / "exercises/ex01_double/README.md").unlink()
    assert main(["lesson", "1", "--no-open"]) == USAGE
    assert "can't be read: No such file" in capsys.readouterr().err


# --- lesson 0


@pytest.mark.parametrize("name", ["0", "00", "lesson00", "basics", "Lesson00_basics"])
def test_lesson_0_is_read_and_opened(reading: Reading, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", name]) == DONE
    assert capsys.readouterr().out == (reading.folder / "README.md").read_text()
    assert main(["lesson", name, "--no-open"]) == DONE
    assert capsys.readouterr().out == "notebooks/lesson00_basics.ipynb\n"


@pytest.mark.parametrize("command", ["grade", "hint", "watch", "report", "diff", "reset", "solution", "verify"])
def test_lesson_0_is_no_exercise(reading: Reading, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "0"]) == USAGE
    assert capsys.readouterr().err == (
        "dojo: lesson 0 is for reading, and has no points: `make lesson EX=0` opens it, "
        "`make read EX=0` shows it here\n"
    )


def test_the_list_says_that_lesson_0_is_for_reading(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == DONE
    first, second = capsys.readouterr().out.splitlines()
    assert first == "    0  lesson00_basics    to read  The basics: `make lesson EX=0`"
    assert second.split()[:2] == ["1", "ex01_double"]
    assert [each.key for each in Catalog(reading.root).exercises] == ["1"]


# --- in a copy that was handed out


def test_in_a_students_copy_it_is_the_same(tmp_path: Path) -> None:
    copy = pack(CATALOG, tmp_path / "out").folder
    for name in (
        "exercises/lesson00_basics/README.md",
        "exercises/lesson00_basics/graph.svg",
        "grader/lessons/pair.py",
    ):
        assert (copy / name).read_bytes() == (ROOT / name).read_bytes()
    assert (copy / "requirements-notebook.lock").is_file()
    (copy / "exercises/ex01_pairwise_distance/pairwise_distance.py").write_text("# nothing left of the stub\n")
    for name in ("0", "1"):
        command = [sys.executable, "-m", "grader", "lesson", name, "--no-open"]
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (DONE, "")
    made = copy / "notebooks/ex01_pairwise_distance.py"
    assert "from pairwise_distance import pairwise_squared_distance" in made.read_text()
    assert made.read_text() == prepare_in(tmp_path / "staff", "1")


def prepare_in(folder: Path, key: str) -> str:
    """The text of the notebook that the staff's checkout gives."""
    for name in ("exercises", "solutions"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return prepare(Catalog(folder).find(key)).text.read_text()


def test_an_ordinary_grade_needs_none_of_it() -> None:
    heavy = {"jupytext", "nbformat", "nbclient", "ipykernel", "jupyterlab"}
    code = f"import grader.session, grader.commands.group, sys; print({heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    pinned = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert not heavy & set(pinned)
