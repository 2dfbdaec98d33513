"""The workflows that we hand out: their scripts run as a runner would run them, the service itself is imitated."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from grader.catalog import Catalog
from grader.handout.pack import pack
from grader.handout.workflow import PATH, REPORTER, sampled, workflow
from tests.grader.borrowed import lend_environment

ROOT = Path(__file__).resolve().parents[2]
SLUG = "ex01_double"
RIGHT = "def double(x):\n    if x.dim() == 0:\n        raise ValueError(f'{x.item()}')\n    return x + x\n"
HALF = "def double(x):\n    print('::error::owned by a submission')\n    return x + x\n"
TOP = ("CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.lock", "requirements-notebook.lock")
needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture
def staff(course: Path) -> Path:
    """The staff's checkout, as a repository whose environment is this one."""
    for name in TOP:
        (course / name).write_text("setup:\n\t@echo set up\n" if name == "Makefile" else f"{name}\n")
    (course / f"exercises/{SLUG}/README.md").write_text("# Doubling\n")
    lend_environment(course)
    return course


def repository(folder: Path) -> str:
    for words in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "all of it"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)
    return str(folder)


class Runner:
    """Runs the `run` steps of a job: expressions filled in, files for outputs and the summary."""

    def __init__(self, workspace: Path, temporary: Path, **environment: str) -> None:
        self.workspace = workspace
        self.summary, self._output = temporary / "summary", temporary / "output"
        self.summary.touch()
        self._environment = {**os.environ, **environment, "GITHUB_STEP_SUMMARY": str(self.summary)}
        self.outputs: dict[str, dict[str, str]] = {}
        self.log = ""

    def run(self, step: dict[str, Any]) -> int:
        self._output.write_text("")
        given = {name: self.fill(text) for name, text in step.get("env", {}).items()}
        environment = {**self._environment, "GITHUB_OUTPUT": str(self._output), **given}
        script = self.fill(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.workspace,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.log += done.stdout + done.stderr
        if "id" in step:
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in self._output.read_text().splitlines())
        return done.returncode

    def fill(self, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            step, name = found[1], found[2]
            return self.outputs.get(step, {}).get(name, "")

        return re.sub(r"\$\{\{ steps\.([\w-]+)\.outputs\.([\w-]+) \}\}", value, text)


def steps_of(text: str, job: str) -> dict[str, dict[str, Any]]:
    return {step.get("name", step.get("uses", "")): step for step in yaml.safe_load(text)["jobs"][job]["steps"]}


def reported(runner: Runner, step: dict[str, Any]) -> list[dict[str, Any]]:
    """What the reporter of GitHub Classroom reads: a variable for each runner, in capitals."""
    names = step["with"]["runners"].split(",")
    given = {name: runner.fill(text) for name, text in step["env"].items()}
    return [json.loads(base64.b64decode(given[f"{name.upper()}_RESULTS"])) for name in names]


@pytest.mark.parametrize(("answer", "table"), [(RIGHT, [2]), (HALF, [2]), (None, [0])])
def test_a_push_to_a_copy_is_graded_and_every_view_shows_the_same_points(
    staff: Path, tmp_path: Path, answer: str | None, table: list[int]
) -> None:
    copy = pack(Catalog(staff), tmp_path / "out").folder
    lend_environment(copy)
    if answer is not None:
        (copy / f"exercises/{SLUG}/double.py").write_text(answer)
    steps = steps_of((copy / PATH).read_text(), "run-autograding-tests")
    runner = Runner(copy, tmp_path)
    assert runner.run(steps["Grade"]) == 0
    assert runner.run(steps["Results"]) == 0
    results = reported(runner, steps["Report to GitHub Classroom"])
    passes = [result["max_score"] for result in results if result["tests"][0]["status"] == "pass"]
    # The public suite of the toy course looks at task 1 alone.
    assert [result["tests"][0]["score"] for result in results] == table
    assert sum(passes) == sum(table)
    assert runner.summary.read_text().startswith(f"## {sum(table)} of ")
    assert "public tests only" in runner.summary.read_text()
    assert runner.run(steps["Every point?"]) == int(runner.outputs["grade"]["code"])
    assert not [line for line in runner.log.splitlines() if "owned" in line and line.lstrip().startswith("::")]


def test_where_the_grader_fails_nothing_is_reported(staff: Path, tmp_path: Path) -> None:
    (staff / f"exercises/{SLUG}/test_public.py").write_text("import no_such_module\n")
    copy = pack(Catalog(staff), tmp_path / "out").folder
    lend_environment(copy)
    (copy / f"exercises/{SLUG}/double.py").write_text(RIGHT)
    steps = steps_of((copy / PATH).read_text(), "run-autograding-tests")
    assert Runner(copy, tmp_path).run(steps["Grade"]) != 0
    names = list(steps)
    assert names.index("Grade") < names.index("Results") < names.index("Report to GitHub Classroom")
    assert not [step for step in steps.values() if "always()" in str(step.get("if", ""))]


def test_the_real_copy_has_a_runner_for_each_task() -> None:
    exercises = Catalog(ROOT).exercises
    text = workflow(exercises)
    step = steps_of(text, "run-autograding-tests")["Report to GitHub Classroom"]
    names = step["with"]["runners"].split(",")
    assert step["uses"] == REPORTER
    assert len(names) == len(set(names)) == sum(len(sampled(exercise)) for exercise in exercises) > 20
    assert set(step["env"]) == {f"{name.upper()}_RESULTS" for name in names}
    assert "secrets." not in text


@needs_bubblewrap
def test_the_staffs_workflow_grades_the_class_with_the_hidden_tests(staff: Path, tmp_path: Path) -> None:
    server = tmp_path / "server"
    for student, answer in {"ada": RIGHT, "bob": HALF}.items():
        folder = server / f"course/dojo-{student}"
        (folder / f"exercises/{SLUG}").mkdir(parents=True)
        (folder / f"exercises/{SLUG}/double.py").write_text(answer)
        repository(folder)
    (staff / "roster.csv").write_text("student,repository\nada,course/dojo-ada\nbob,course/dojo-bob\neve,course/none\n")
    steps = steps_of((ROOT / "docs/ci/github-staff.yml").read_text(), "grade")
    runner = Runner(staff, tmp_path, TOKEN="secret-token", SERVER=f"file://{server}")
    steps["Submissions"]["env"] = {}
    for name in ("Submissions", "Grade", "Grades"):
        assert runner.run(steps[name]) == 0, runner.log
    assert "eve: 'course/none' can't be cloned" in runner.log
    assert "secret-token" not in runner.log
    rows = {line.split(",")[0]: line for line in (staff / "grades.csv").read_text().splitlines()}
    assert "3" in rows["ada"]
    assert "2" in rows["bob"]
    assert runner.run(steps["Grade"]) == 0  # an hour later
    assert "0 graded, 2 known already" in runner.log


@needs_bubblewrap
def test_gitlab_grades_from_the_staffs_checkout(staff: Path, tmp_path: Path) -> None:
    job = yaml.safe_load((ROOT / "docs/ci/gitlab-staff.yml").read_text())["grade"]
    project = tmp_path / "project"
    (project / f"exercises/{SLUG}").mkdir(parents=True)
    (project / f"exercises/{SLUG}/double.py").write_text(HALF)
    (project / f"exercises/{SLUG}/exercise.toml").write_text("what a student writes here counts for nothing\n")
    script = "\n".join(job["script"]).replace("/tmp/course", str(tmp_path / "course"))
    environment = {**os.environ, "COURSE_URL": repository(staff), "CI_PROJECT_DIR": str(project)}
    shell = ["bash", "-eo", "pipefail", "-c", script]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "hidden tests" in done.stdout
    assert "2 of 3 points" in done.stdout
    assert 'name="points" value="2"' in (project / "junit.xml").read_text()
    assert job["artifacts"]["reports"]["junit"] == "junit.xml"
