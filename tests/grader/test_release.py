"""A wheel and a source distribution that work from a clean environment, without anything of the staff's."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.catalog import Catalog
from grader.handout.pack import pack

pytest.importorskip("build", reason="the package 'build' is not installed")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both, made from a copy of the checkout as `make dist` makes them."""
    folder = tmp_path_factory.mktemp("release")
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in ("grader", "exercises", "solutions", "tests", "final_project", "docs"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "course.zip"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, checkout / name)
    shutil.copy(pack(Catalog(ROOT), folder / "handout").archive, checkout / "grader/handout/course.zip")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "dist"


@pytest.fixture(scope="module")
def installed(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed where nothing else is."""
    target = tmp_path_factory.mktemp("installed")
    (wheel,) = released.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True)
    return target


def test_neither_holds_a_solution_or_a_hidden_test(released: Path) -> None:
    (wheel,), (source,) = released.glob("*.whl"), released.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as tar:
        names = [*archive.namelist(), *tar.getnames()]
        assert "grader/handout/course.zip" in names
        assert "grader/py.typed" in names
        assert {f"grader/{each}/templates" for each in ("page", "site", "handout", "gradescope", "similar")} <= {
            str(Path(name).parent) for name in names
        }
    parts = {part for name in names for part in Path(name).parts}
    assert not parts & {"solutions", "tests", "hidden", "tampering", "wrong_answer", "exercises", "docs"}


def test_from_a_clean_environment_it_makes_a_course_and_grades_in_it(installed: Path, tmp_path: Path) -> None:
    def dojo(*words: str, folder: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path.insert(0, {str(installed)!r}); from grader.__main__ import command; command()"
        line = [sys.executable, "-P", "-c", code, *words]
        return subprocess.run(
            line, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
        )

    lost = dojo("start")
    assert lost.returncode == 2
    assert "or make one: `dojo init`" in lost.stderr
    assert dojo("init").returncode == 0
    assert dojo("init").returncode == 2  # it is there already
    course = tmp_path / "torch-dojo"
    assert "Pairwise squared distances" in dojo("list", folder=course).stdout
    graded = dojo("grade", "2", folder=course)
    assert graded.returncode == 1, graded.stderr
    assert "not attempted: 0 of" in graded.stdout


def test_an_installation_without_a_course_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 2
    assert "brings no course along" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
