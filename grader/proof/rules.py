"""Rules about an exercise's files that can be checked without running any of them: one finding for each rule."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from grader.catalog import Exercise
from grader.proof.plants import OUTSIDE, cases
from grader.result import Verdict
from grader.stubs import drifted

LESSON_FILES = {"README.md", "exercise.toml", "test_public.py", "figure.py", "picture.svg"}
SECTIONS = ("The idea", "What is graded", "Sources")
LEAST_PLANTS = {Verdict.ACCEPTED: 2, Verdict.WRONG_ANSWER: 10, Verdict.TIME_LIMIT: 1, Verdict.RUN_TIME_ERROR: 1}
OPEN = "TO" + "DO"  # what the skeleton of a new exercise leaves for its author


@dataclass(frozen=True)
class Finding:
    """How a rule, or a case of a contract, came out."""

    name: str
    expected: str
    got: str
    ok: bool
    note: str = ""
    seconds: float = 0.0


def rules(exercise: Exercise) -> Iterator[Finding]:
    """Checks the files of `exercise`."""
    yield _rule("stub in step with solution", "the same", (f"{name} has drifted" for name in drifted(exercise)))
    if exercise.number is not None:
        yield _rule("files of the exercise", "none missing or stray", _strays(exercise))
    yield _rule("the parts of the lesson", "idea, picture, example, sources", _missing_parts(exercise))
    yield _rule("the figure of the report", "figure(submission, rng)", _without_figure(exercise))
    yield _rule("the lesson states the points", "a row for each task", _untold_points(exercise))
    yield _rule("nothing left to write", "none", _left_open(exercise))
    yield _rule("planted submissions", "enough of each kind, no two alike", _plants(exercise))
    yield _rule("tests of the hidden suite", "each with a task and a sentence", _tests(exercise))


def _rule(name: str, expected: str, problems: Iterable[str]) -> Finding:
    found = ", ".join(problems)
    return Finding(name, expected, found or expected, not found)


def _strays(exercise: Exercise) -> Iterator[str]:
    found = {path.name for path in exercise.folder.iterdir()}
    yield from (f"stray {name}" for name in sorted(found - LESSON_FILES - set(exercise.files) - OUTSIDE))
    yield from (f"no {name}" for name in sorted(LESSON_FILES - found))


def _lesson(exercise: Exercise) -> str:
    path = exercise.folder / "README.md"
    return path.read_text("utf-8") if path.is_file() else ""


def _missing_parts(exercise: Exercise) -> Iterator[str]:
    text = _lesson(exercise)
    yield from (f"no section '{name}'" for name in SECTIONS if not re.search(rf"^## {name}", text, re.MULTILINE))
    if not re.search(r"!\[[^\]]+\]\(picture\.svg\)", text):
        yield "no ![what is to be seen](picture.svg)"
    if not examples(exercise):
        yield "no ```python block"


def examples(exercise: Exercise) -> list[str]:
    """The worked examples of a lesson, as source."""
    return re.findall(r"^```python\n(.*?)^```", _lesson(exercise), re.MULTILINE | re.DOTALL)


def _without_figure(exercise: Exercise) -> Iterator[str]:
    path = exercise.folder / "figure.py"
    if not path.is_file():
        yield "no figure.py"
        return
    functions = {
        node.name: node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    }
    if "figure" not in functions or len(functions["figure"].args.args) != 2:
        yield "no function 'figure' of two parameters in figure.py"


def _untold_points(exercise: Exercise) -> Iterator[str]:
    text = _lesson(exercise)
    for task in exercise.tasks:
        if not re.search(rf"\|\s*{task.number}\s*\|.*\|\s*{task.points:g}\s*\|", text):
            yield f"no row of task {task.number} with {task.points:g} points"


def _left_open(exercise: Exercise) -> Iterator[str]:
    for folder in dict.fromkeys([exercise.folder, exercise.solution, exercise.hidden]):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".md", ".toml", ".svg") and (count := path.read_text("utf-8").count(OPEN)):
                yield f"{count} × {OPEN} in {path.relative_to(exercise.root)}"


def _plants(exercise: Exercise) -> Iterator[str]:
    every = list(cases(exercise))
    for verdict, least in LEAST_PLANTS.items():
        count = sum(case.name.startswith(f"{verdict.value}/") for case in every)
        if count < least:
            yield f"{count} of {least} in {verdict.value}/"
    same: dict[tuple[tuple[str, str], ...], str] = {}
    for case in every:
        twin = same.setdefault(tuple(sorted(case.files.items())), case.name)
        if twin != case.name:
            yield f"{case.name} is the same as {twin}"


def _tests(exercise: Exercise) -> Iterator[str]:
    if exercise.hidden_suite is None:
        yield f"no test_*.py in {exercise.hidden.relative_to(exercise.root)}"
        return
    tree = ast.parse(exercise.hidden_suite.read_text("utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    numbers = Counter(_task(test) for test in tests)
    for test in tests:
        if _task(test) not in range(1, len(exercise.tasks) + 1):
            yield f"{test.name} names no task of this exercise"
        if not ast.get_docstring(test):
            yield f"{test.name} has no docstring"
        if any(isinstance(node, ast.Assert) for node in ast.walk(test)):
            yield f"{test.name} uses assert, which would count as a fault of ours"
    yield from (f"task {task.number} has no test" for task in exercise.tasks if not numbers[task.number])


def _task(test: ast.FunctionDef) -> int:
    marks = " ".join(ast.unparse(decorator) for decorator in test.decorator_list)
    found = re.search(r"pytest\.mark\.task\((\d+)\)", marks)
    return int(found[1]) if found else 0
