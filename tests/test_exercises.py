"""The contract of the exercises, as far as it needs no grading: `make verify` does the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.catalog import Catalog, Exercise
from grader.proof.rules import examples, rules

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = Catalog(ROOT).exercises
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.slug)


def test_the_numbers_are_the_order_without_a_gap():
    numbers = [exercise.number for exercise in EXERCISES if exercise.number is not None]
    assert numbers == list(range(1, len(numbers) + 1))


@each_exercise
def test_the_files_of_an_exercise_follow_the_rules(exercise: Exercise):
    found = list(rules(exercise))
    assert len(found) >= 5
    assert [finding for finding in found if not finding.ok] == []


@each_exercise
def test_the_examples_of_the_lesson_run(exercise: Exercise):
    for block in examples(exercise):
        exec(compile(block, f"{exercise.slug}/README.md", "exec"), {"__name__": "example"})
