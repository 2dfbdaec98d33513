"""The contract of the exercises, as far as it needs no grading: `make verify` does the rest."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from grader.catalog import Catalog, Exercise
from grader.result import Verdict
from grader.stubs import drifted
from grader.verify import cases

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = Catalog(ROOT).exercises
LEAST = {Verdict.ACCEPTED: 2, Verdict.WRONG_ANSWER: 10, Verdict.TIME_LIMIT: 1, Verdict.RUN_TIME_ERROR: 1}
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.slug)


def test_the_numbers_are_the_order_without_a_gap():
    numbers = [exercise.number for exercise in EXERCISES if exercise.number is not None]
    assert numbers == list(range(1, len(numbers) + 1))


@each_exercise
def test_the_stub_is_what_the_solution_makes_it(exercise: Exercise):
    assert drifted(exercise) == []


@each_exercise
def test_there_are_enough_plants_of_each_kind(exercise: Exercise):
    names = [case.name for case in cases(exercise)]
    for verdict, least in LEAST.items():
        found = [name for name in names if name.startswith(f"{verdict.value}/")]
        assert len(found) >= least, f"{exercise.slug} has {len(found)} plants in '{verdict.value}'"


@each_exercise
def test_no_two_plants_are_the_same(exercise: Exercise):
    files = [tuple(sorted(case.files.items())) for case in cases(exercise)]
    assert len(set(files)) == len(files)


@each_exercise
def test_every_test_of_the_suite_names_a_task_and_says_what_it_is_about(exercise: Exercise):
    assert exercise.hidden_suite is not None
    tree = ast.parse(exercise.hidden_suite.read_text("utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    numbers = {task.number for task in exercise.tasks}
    for test in tests:
        marks = " ".join(ast.unparse(decorator) for decorator in test.decorator_list)
        found = re.search(r"pytest\.mark\.task\((\d+)\)", marks)
        assert found, f"{test.name} has no task"
        assert int(found[1]) in numbers
        assert ast.get_docstring(test), f"{test.name} has no docstring"
        asserts = [node for node in ast.walk(test) if isinstance(node, ast.Assert)]
        assert not asserts, f"{test.name} uses assert, which would count as a fault of ours"


@each_exercise
def test_the_examples_of_the_lesson_run(exercise: Exercise):
    text = (exercise.folder / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks or exercise.number is None, f"the lesson of {exercise.slug} has no worked example"
    for block in blocks:
        exec(compile(block, f"{exercise.slug}/README.md", "exec"), {"__name__": "example"})


@each_exercise
def test_the_lesson_states_the_points_of_every_task(exercise: Exercise):
    text = (exercise.folder / "README.md").read_text("utf-8")
    for task in exercise.tasks:
        assert re.search(rf"\|\s*{task.number}\s*\|.*\|\s*{task.points:g}\s*\|", text), f"task {task.number}"
