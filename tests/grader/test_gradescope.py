"""The zip for Gradescope, unpacked, installed and run as there; and what a submission finds in that place."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from grader.__main__ import main
from grader.bench.container import install
from grader.catalog import Catalog, Exercise
from grader.gradescope.bundle import bundle
from grader.gradescope.harness import Settings

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = Catalog(ROOT).find("2")
SOLUTION = (EXERCISE.solution / "reshape.py").read_text()
# Looks for what decides the points, and tries to write them itself.
NOSY = f"""
import glob, os, subprocess
found = []
place = "AUTOGRADER"
for root in (place, place + "/source", place + "/source/course", place + "/results", "/autograder"):
    try:
        found += [os.path.join(root, name) for name in os.listdir(root)]
    except OSError:
        pass
for path in glob.glob(place + "/**/test_reshape.py", recursive=True):
    try:
        found.append(open(path).read(20))
    except OSError:
        pass
try:
    open(place + "/results/results.json", "w").write('{{"score": 99}}')
    found.append("wrote results")
except OSError:
    pass
seen = [each for each in found if "hidden" in each or "wrote" in each or "def " in each]
print("::error::printed by a submission", seen)
{SOLUTION}
"""


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("autograder")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # pytest's own folders are private, and Gradescope's are not
    return folder, install(EXERCISE, folder)


def run(
    container: tuple[Path, dict[str, str]], source: str, **settings: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Grades a submission there; the process, and the results, {} where there are none."""
    folder, environment = container
    (folder / "results/results.json").unlink(missing_ok=True)
    (folder / "submission/reshape.py").write_text(source.replace("AUTOGRADER", str(folder)))
    (folder / "source/course/gradescope.json").write_text(Settings("2", **settings).to_json())
    script = folder / "source/run_autograder"
    done = subprocess.run([script], env=environment, capture_output=True, text=True, check=False)
    path = folder / "results/results.json"
    return done, json.loads(path.read_text()) if path.exists() else {}


def test_a_right_answer_gets_its_points(container: tuple[Path, dict[str, str]]) -> None:
    done, results = run(container, SOLUTION, visibility="after_published")
    assert done.returncode == 0, done.stderr
    assert results["score"] == sum(row["max_score"] for row in results["tests"]) == 10
    assert {row["visibility"] for row in results["tests"]} == {"after_published"}
    assert results["extra_data"]["suite"] == "hidden"
    assert stat.S_IMODE((container[0] / "results/results.json").stat().st_mode) == 0o644


def test_what_can_not_be_read_as_python_gets_none(container: tuple[Path, dict[str, str]]) -> None:
    done, results = run(container, "def f(:\n")
    assert done.returncode == 0
    assert results["score"] == 0
    assert "line 1" in results["tests"][0]["output"]


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_a_submission_finds_no_test_and_writes_no_result(container: tuple[Path, dict[str, str]], sandbox: str) -> None:
    """Without a sandbox it is the user `nobody`, to whom the tests are closed: for that it takes root."""
    if sandbox == "off" and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    done, results = run(container, NOSY, sandbox=sandbox)
    assert done.returncode == 0
    assert results["score"] == 8  # the layer is to print nothing, and this one does
    assert "printed by a submission" not in done.stdout + done.stderr
    told = "\n".join(row["output"] for row in results["tests"])
    assert "printed by a submission []" in told
    assert not [line for line in told.splitlines() if line.startswith("::")]


def test_where_the_judge_fails_there_are_no_results(container: tuple[Path, dict[str, str]]) -> None:
    suite = container[0] / "source/course/tests/hidden/ex02_reshape/test_reshape.py"
    whole = suite.read_text()
    suite.write_text("import no_such_module\n")
    try:
        done, results = run(container, SOLUTION)
    finally:
        suite.write_text(whole)
    assert (done.returncode, results) == (3, {})
    assert "Traceback" not in done.stderr


def test_the_zip_holds_what_grading_takes_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "deep/one.zip"
    bundle(EXERCISE, path, Settings("2"))
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert {"setup.sh", "run_autograder"} <= set(names)
        for name in ("setup.sh", "run_autograder"):
            assert archive.getinfo(name).external_attr >> 16 == 0o100755
        assert not [name for name in names if "ex01" in name or "wrong_answer" in name or "accepted" in name]
    bundle(EXERCISE, tmp_path / "other.zip", Settings("2"))
    assert (tmp_path / "other.zip").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2", "--visibility=now"], "VISIBILITY='now' is not one of visible, hidden"),
        (["2", "--sandbox=maybe"], "SANDBOX='maybe'"),
        (["2", "--out=taken.zip"], "is there already"),
        (["all"], "is for one exercise"),
        ([], "which exercise?"),
    ],
)
def test_what_was_meant_is_asked_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (tmp_path / "taken.zip").write_text("mine")
    monkeypatch.setattr("grader.commands.options.find_root", lambda _: ROOT)
    monkeypatch.chdir(tmp_path)
    assert main(["gradescope", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert (tmp_path / "taken.zip").read_text() == "mine"


@pytest.mark.parametrize("exercise", Catalog(ROOT).exercises, ids=lambda exercise: exercise.slug)
def test_each_exercise_is_found_in_its_zip(exercise: Exercise, tmp_path: Path) -> None:
    bundle(exercise, tmp_path / "one.zip", Settings(exercise.key))
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        archive.extractall(tmp_path)
    (unpacked,) = Catalog(tmp_path / "course").exercises
    assert unpacked.key == exercise.key
    assert unpacked.hidden_suite is not None
    assert [name for name in exercise.files if not (unpacked.solution / name).is_file()] == []
