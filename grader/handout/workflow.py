"""The workflow of a student's copy: the sample tests after each push, for GitHub's own pages and GitHub Classroom's."""

from __future__ import annotations

import re

from grader.catalog import Exercise
from grader.errors import JudgeError
from grader.formats.classroom import runner

PATH = ".github/workflows/classroom.yml"  # where GitHub Classroom looks for it
REPORTER = "classroom-resources/autograding-grading-reporter@v1"

HEAD = """\
# The sample tests after each push. GitHub Classroom shows the points; outside of it the job's page does.
# The tests that decide are not here, nor is any secret: whoever can write in this repository can read all of it.
name: Autograding Tests
on: [push, workflow_dispatch]
permissions:
  actions: read
  checks: write
  contents: read
jobs:
  run-autograding-tests:
    runs-on: ubuntu-22.04 # allows user name spaces, which the sandbox needs
    timeout-minutes: 45
    if: github.actor != 'github-classroom[bot]'
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
          cache: pip
          cache-dependency-path: requirements.lock
      - name: Set up
        run: |
          sudo apt-get update -qq && sudo apt-get install -y -qq bubblewrap
          make setup
      - name: Grade
        id: grade
        run: |
          code=0
          .venv/bin/dojo grade all || code=$?
          echo "code=$code" >> "$GITHUB_OUTPUT"
          [ "$code" -le 1 ] # 1: points were lost; more: the grader could not grade, which is nobody's 0
      - name: Results
        id: results
        run: |
          .venv/bin/dojo results github-output --out "$GITHUB_OUTPUT" --append
          .venv/bin/dojo results github-summary --out "$GITHUB_STEP_SUMMARY" --append
          .venv/bin/dojo results github-annotations
"""


def workflow(exercises: list[Exercise]) -> str:
    """The YAML: a runner for each task that has sample tests, so that all of Classroom's views show the same points."""
    names = [runner(exercise.slug, number) for exercise in exercises for number in sampled(exercise)]
    lines = [f'          {name.upper()}_RESULTS: "${{{{ steps.results.outputs.{name} }}}}"' for name in names]
    return (
        HEAD
        + "      - name: Report to GitHub Classroom\n"
        + f"        uses: {REPORTER}\n"
        + "        env:\n"
        + "\n".join(lines)
        + "\n        with:\n"
        + f"          runners: {','.join(names)}\n"
        + "      - name: Every point?\n"
        + "        run: exit ${{ steps.grade.outputs.code }}\n"
    )


def sampled(exercise: Exercise) -> list[int]:
    """The numbers of the tasks that the public tests look at."""
    try:
        text = exercise.public_suite.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise JudgeError(f"'{exercise.public_suite}' can't be read, and students are to get it") from None
    return sorted({int(number) for number in re.findall(r"^@pytest\.mark\.task\((\d+)\)", text, re.MULTILINE)})
