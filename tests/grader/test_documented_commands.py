"""Every command that the documents name is run, in a small course: it ends as it should, and without a traceback.

What is not run here is in `ELSEWHERE`, with the reason or the test that runs it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.grader.borrowed import lend_environment
from tests.grader.conftest import SOLUTION, TOML, write_exercise
from tests.grader.test_docs import DOCUMENTS, ROOT, commands_in, words_of

NUMBERS = (1, 2, 3, 4, 5)
TOP = ("CHANGELOG.md", "LICENSE", "Makefile", "README.md", "staff.mk", "pyproject.toml")
ELSEWHERE = {
    r"make (test|verify|bench|tamper|fuzz|faults|calibrate|rerun|data)$": "all of the course: hours, or CI itself",
    r"make (bench|calibrate) ": "hours; tests/grader/test_bench_cohort.py and test_calibrate.py run small ones",
    r"dojo verify$|make verify EX=3": "a small course has no plants; CI runs it on the real one",
    r"make rerun EX=3 FROM=all": "an hour; tests/grader/test_rerun.py runs a small one",
    r"make (new|verify|rerun) EX=18": "tests/grader/test_skeleton.py makes, grades and verifies a new exercise",
    r"make (site|dist)$": "tests/grader/test_docs.py and test_release.py",
    r"(make|dojo) watch": "it ends with q; tests/grader/test_watch.py drives it in a terminal",
    r"dojo start$": "it ends in the watch",
    r"make start$": "it ends in the watch",
    r"make lesson": "it opens a program; tests/grader/test_lessons.py",
    r".* OPEN=1": "it opens a browser",
    r"make .*ENGINE=ray": "tests/grader/test_cluster.py, on a local cluster",
    r"make .*DEVICE=cuda": "it needs a GPU",
    r"make .*EX=final|python final_project": "tests/grader/test_final_project.py",
    r"(make|dojo) similar": "it needs an optional package; tests/grader/test_similar.py",
    r"python -m grader.similar.measure": "minutes",
    r"pip install|pipx|uvx|python -m pip": "a network; tests/grader/test_release.py installs the wheel",
    r"git --git-dir=.* push": "a service",
    r"python -c|python -m pytest": "not ours",
    r"make (setup|clean)$": "the environment of this test is not to change",
}
REFUSED = {  # named in a sentence, without all that it needs, or nobody is there to answer: one line says so
    "dojo cohort --jobs 2": "which submissions?",
    "dojo gradescope --visibility": "requires an argument",
    "dojo results gradescope": "takes one exercise",
    "make reset EX=3": "nobody has answered, and nothing was changed",
}
NOT_A_COMMAND = re.compile(r"…|\b(DIR|FILE|FORMAT)\b")
STUDENTS = ("update FROM=torch-dojo.zip", "reset", "diff", "hint", "status")


def documented() -> list[str]:
    found = set()
    for path in DOCUMENTS:
        for line in commands_in(path):
            words = words_of(line)
            if len(words) > 1 and words[0] in ("make", "dojo", "python", "pip", "pipx", "uvx", "git"):
                found.add(shlex.join(words))
    return sorted(each for each in found if not NOT_A_COMMAND.search(each))


def form(command: str) -> str:
    """The same but for which exercise or student: one of them is enough."""
    return re.sub(r"\bEX=\d|(?<= )\d\b|(?<=--jobs )\d", "N", command)


def one_of_each_form() -> list[str]:
    return list({form(command): command for command in filter(here, documented())}.values())


def here(command: str) -> bool:
    return not any(re.match(pattern, command) for pattern in ELSEWHERE)


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course of five small exercises, solved, with a class, its gradebook and its roster."""
    root = tmp_path_factory.mktemp("documented")
    for number in NUMBERS:
        slug = f"ex{number:02}_double"
        hints = TOML.replace('["Think of 2."]', '["Think of 2.", "Add it to itself."]')
        write_exercise(root, slug, {"exercise.toml": hints, "README.md": "# Doubling\n\nTwice a tensor.\n"})
        for student in ("ada", "bob"):
            for folder in ("class", "submissions"):
                work = root / folder / student / slug / "double.py"
                work.parent.mkdir(parents=True)
                work.write_text(SOLUTION if student == "ada" else f"def double(x):\n    return x + x  # {number}\n")
    for name in (*TOP, "requirements.lock", "requirements-notebook.lock"):
        shutil.copy(ROOT / name, root / name)
    (root / "course.toml").write_text("[seeds]\nspring-2026 = 15551\n")
    (root / "class.csv").write_text("student,name\nada,Ada\nbob,Bob\n")
    with zipfile.ZipFile(root / "export.zip", "w") as export:
        for path in (root / "submissions").rglob("*.py"):
            export.write(path, path.relative_to(root / "submissions"))
    shutil.copy(root / "export.zip", root / "submissions.zip")
    lend_environment(root)
    assert run(root, "dojo cohort class").returncode == 0
    suite = root / "tests/hidden/ex03_double/test_double.py"
    suite.write_text(suite.read_text() + "# corrected\n")
    assert run(root, "dojo cohort class --ex 3").returncode == 0
    assert run(root, "dojo grade all --from solutions").returncode == 0
    return root


@pytest.fixture(scope="module")
def copy(staff: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's copy, with a later version beside it."""
    out = tmp_path_factory.mktemp("copy") / "out"
    assert run(staff, f"dojo student {out}").returncode == 0
    folder = out / "torch-dojo"
    shutil.copy(out / "torch-dojo.zip", folder)
    lend_environment(folder)
    return folder


def run(root: Path, command: str) -> subprocess.CompletedProcess[str]:
    """With the environment's programs first on the path, nobody at the keyboard, 80 columns."""
    path = f"{root / '.venv/bin'}:{os.environ['PATH']}"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        shlex.split(command),
        cwd=root,
        env={**clean, "PATH": path, "COLUMNS": "80", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.xdist_group("documented")
@pytest.mark.parametrize("command", one_of_each_form())
def test_it_ends_as_it_should(command: str, request: pytest.FixtureRequest) -> None:
    words = command.split()
    of_students = any(command.startswith(f"make {each}") for each in STUDENTS)
    root = request.getfixturevalue("copy" if of_students else "staff")
    for made in (
        *root.glob("*-gradescope.zip"),
        *root.glob("handout"),
    ):  # no file is overwritten
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    command = command.replace("path/to/student", "class/ada")
    done = run(root, command)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    if command in REFUSED:
        assert done.returncode == 2
        assert REFUSED[command] in said
        return
    if len(words) == 2 and done.returncode == 2:  # a name in a sentence; what it needs besides is said in a line
        assert len(done.stderr.splitlines()) <= 4, said
        return
    if words[1] in ("grade", "report") and ("not attempted" in said or "points" in done.stdout):
        assert done.returncode in (0, 1) or "Error 1" in done.stderr, said  # the stubs have no points yet
        return
    assert done.returncode == 0, said


def test_most_are_run_here() -> None:
    commands = documented()
    assert len(commands) > 100
    assert sum(map(here, commands)) >= len(commands) / 2


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_every_exception_is_needed(pattern: str) -> None:
    assert any(re.match(pattern, command) for command in documented()), "no document names such a command"
