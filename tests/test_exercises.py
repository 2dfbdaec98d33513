"""The contract of the exercises, as far as it needs no grading: `make verify` does the rest.

The second half proves that `verify` itself notices what it is there to notice, on a course of one toy exercise.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from grader.catalog import Catalog, Exercise
from grader.grade import Settings
from grader.result import Verdict
from grader.stubs import drifted
from grader.verify import cases, verify

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


def plant(toy: Exercise, name: str, body: str) -> None:
    path = toy.hidden / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'"""A plant."""\n\n\ndef double(x):\n{body}')


def test_verify_holds_for_a_sound_exercise_and_names_each_thing_that_falls_short(toy: Exercise):
    right = '    if x.dim() == 0:\n        raise ValueError(f"{x.item()}")\n    return x + x\n'
    plant(toy, "accepted/sum_of_two.py", right)
    plant(toy, "accepted/really_wrong.py", "    return x\n")
    plant(toy, "wrong_answer/three_times.py", "    return 3 * x\n")
    plant(toy, "wrong_answer/really_right.py", right + "    # a bug, they say\n")
    plant(toy, "wrong_answer/really_an_error.py", "    return 1 / 0\n")
    plant(toy, "run_time_error/either.py", "    # either\n    return 3 * x\n")
    either = toy.hidden / "run_time_error/either.py"
    either.write_text(either.read_text().replace("\n\n\n", "\n# verdicts: run_time_error, wrong_answer\n\n\n", 1))
    (toy.folder / "notes.txt").write_text("a stray file")
    (toy.folder / "double.py").write_text("a drifted stub")
    short = {finding.name for finding in verify(toy, Settings(seed=3)) if not finding.ok}
    assert short == {
        "stub in step with solution",
        "files of the exercise",
        "accepted/really_wrong",
        "wrong_answer/really_right",
        "wrong_answer/really_an_error",
    }


def test_verify_notices_a_test_that_the_stub_passes(toy: Exercise):
    suite = toy.hidden_suite
    assert suite is not None
    blind = '\n\n@pytest.mark.task(2)\ndef test_blind(submission):\n    """Asks nothing."""\n'
    suite.write_text(suite.read_text() + blind)
    stub = next(finding for finding in verify(toy, Settings(seed=3)) if finding.name == "stub")
    assert not stub.ok
    assert "test_blind" in stub.note
