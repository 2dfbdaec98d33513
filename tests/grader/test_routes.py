"""One piece of work in a student's copy, graded by every route there is: the points are the same.

Real exercise, real copy, real hidden suite; of the services only what they run themselves is imitated.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from grader.bench.container import install
from grader.catalog import Catalog
from grader.handout.pack import pack
from tests.grader.borrowed import lend_environment

ROOT = Path(__file__).resolve().parents[2]
SLUG = "ex02_reshape"
WORK = f"exercises/{SLUG}/reshape.py"
HALF = ROOT / f"tests/hidden/{SLUG}/wrong_answer/repr_by_default.py"
TOP = ("CHANGELOG.md", "LICENSE", "MANIFEST.in", "pyproject.toml", "README.md", "grader")
LOCKS = ("requirements.lock", "requirements-notebook.lock")
pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The staff's checkout, of one exercise, whose environment is this one."""
    folder = tmp_path_factory.mktemp("staff") / "course"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in (*TOP, *LOCKS):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for name in ("exercises", "solutions", "tests/hidden"):
        shutil.copytree(ROOT / name / SLUG, folder / name / SLUG, ignore=ignored)
    (folder / "Makefile").write_text("setup:\n\t@echo set up\n")
    lend_environment(folder)
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o755)  # the folders of pytest are private, those of the services are not
    return folder


@pytest.fixture(scope="module")
def copy(staff: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's copy with work that earns some of the points."""
    folder = pack(Catalog(staff), tmp_path_factory.mktemp("out") / "copy").folder
    shutil.copy(HALF, folder / WORK)
    return folder


@pytest.fixture(scope="module")
def points(staff: Path, copy: Path) -> float:
    """By the staff's own command."""
    dojo(staff, "grade", "2", "--suite", "hidden", "--from", str(copy), "--report", str(staff / "report.json"))
    report = json.loads((staff / "report.json").read_text())
    assert 0 < report["points"] < report["max_points"] == 10
    return float(report["points"])


def dojo(staff: Path, *words: str) -> str:
    """What the command prints. It ends with 0, or with 1 where points are missing."""
    command = [str(staff / ".venv/bin/dojo"), *words]
    done = subprocess.run(command, cwd=staff, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def test_every_form_of_the_results_has_the_points_of_the_report(staff: Path, points: float) -> None:
    forms = {
        form: dojo(staff, "results", form, "2", "--report", "report.json")
        for form in ("junit", "classroom", "gradescope")
    }
    properties = {
        each.get("name"): each.get("value") for each in ElementTree.fromstring(forms["junit"]).iter("property")
    }
    assert properties["points"] == f"{points:g}"
    runners = json.loads(forms["classroom"]).values()
    assert sum(result["tests"][0]["score"] for result in runners) == points
    assert sum(result["max_score"] for result in runners if result["tests"][0]["status"] == "pass") == points
    assert json.loads(forms["gradescope"])["score"] == points


def test_a_class_has_the_points_in_the_gradebook_and_in_its_exports(staff: Path, copy: Path, points: float) -> None:
    shutil.copytree(copy / "exercises", staff / "submissions/ada/exercises")
    dojo(staff, "cohort", "submissions", "--gradebook", "g.sqlite")
    dojo(staff, "gradebook", "export", "--gradebook", "g.sqlite", "--format", "generic", "--out", "grades.csv")
    (row,) = csv.DictReader((staff / "grades.csv").read_text().splitlines())
    assert row["student"] == "ada"
    assert f"{points:g}" in row.values()


def test_gitlab_has_them(staff: Path, copy: Path, points: float, tmp_path: Path) -> None:
    job = yaml.safe_load((ROOT / "docs/ci/gitlab-staff.yml").read_text())["grade"]
    checkout = tmp_path / "course"
    script = "\n".join(line for line in job["script"] if "clone" not in line).replace("/tmp/course", str(checkout))
    checkout.symlink_to(staff)
    environment = {**os.environ, "COURSE_URL": "", "CI_PROJECT_DIR": str(copy)}
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=environment, capture_output=True, check=False)
    assert f'name="points" value="{points:g}"' in (copy / "junit.xml").read_text()


def test_gradescope_has_them(staff: Path, copy: Path, points: float, tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    environment = install(Catalog(staff).find("2"), tmp_path)
    shutil.copy(copy / WORK, tmp_path / "submission/reshape.py")
    done = subprocess.run(
        [tmp_path / "source/run_autograder"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results/results.json").read_text())["score"] == points


def test_the_sample_tests_of_the_copy_give_the_same_points_there_and_here(staff: Path, copy: Path) -> None:
    """In the copy there are no others, so these are points of their own: for them too it does not matter who grades."""
    reports = []
    for folder, words in ((copy, ()), (staff, ("--suite", "public", "--from", str(copy)))):
        command = [sys.executable, "-m", "grader", "grade", "2", *words, "--report", str(folder / "sample.json")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
        reports.append(json.loads((folder / "sample.json").read_text()))
    mine, theirs = reports
    assert mine["suite"] == theirs["suite"] == "public"
    assert mine["points"] == theirs["points"] > 0
