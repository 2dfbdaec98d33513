"""What students get holds nothing else, works on its own, and takes a later version without touching their work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.catalog import Catalog
from grader.handout.contents import contents
from grader.handout.manifest import NAME, read_manifest
from grader.handout.pack import COPY, pack
from grader.handout.update import update
from grader.result import write_atomically

ROOT = Path(__file__).resolve().parents[2]
SLUG = "ex01_double"
WORK = f"exercises/{SLUG}/double.py"
CANARY = "CANARY-1f2e"
SETTINGS = f'''
message = "Office hours on Friday"  # {CANARY} a comment
bonus = ["{SLUG}.2"]
[visibility]
{SLUG} = "after_due_date"
[due]
{SLUG} = 2026-03-01T23:59:00+01:00
[extensions."{CANARY} ada"]
{SLUG} = 2026-03-05T23:59:00+01:00
[seeds]
{CANARY} = 15551
[columns]
{SLUG} = "{CANARY}"
'''
MINE = "def double(x):\n    return x + x  # mine\n"


@pytest.fixture
def staff(course: Path) -> Path:
    """The toy course as staff have it, with canaries wherever something is not for students."""
    for name in (
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "pyproject.toml",
        "requirements.lock",
        "requirements-notebook.lock",
    ):
        (course / name).write_text(f"{name}\n")
    (course / f"exercises/{SLUG}/README.md").write_text("# Doubling\n")
    solution = course / f"solutions/{SLUG}/double.py"
    solution.write_text(solution.read_text().replace("    return 2 * x\n", f"    return 2 * x  # {CANARY}\n"))
    for path in (
        *(f"solutions/{SLUG}/notes.md", f"tests/hidden/{SLUG}/accepted/other.py", f"tests/hidden/{SLUG}/caught.json"),
        *(f"exercises/{SLUG}/double.py.1", f"exercises/{SLUG}/solution.py", f"exercises/{SLUG}/__pycache__/double.pyc"),
        *("reports/ex01_double/report.json", "gradebook.sqlite", ".git/config", ".dojo/state.json"),
        *("staff.mk", "docs/internal.md", ".env", "tests/test_exercises.py", "data/labels.csv"),
    ):
        (course / path).parent.mkdir(parents=True, exist_ok=True)
        (course / path).write_text(f"{CANARY} {path}\n")
    suite = course / f"tests/hidden/{SLUG}/test_double.py"
    suite.write_text(f"{suite.read_text()}# {CANARY}\n")
    (course / "course.toml").write_text(SETTINGS)
    (course / WORK).write_text(f"# {CANARY}: what a teacher tried out in place of the stub\n")
    return course


def handed_out(course: Path, out: Path) -> Path:
    return pack(Catalog(course), out).folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def git(repository: Path, *words: str) -> str:
    return subprocess.run(
        ["git", f"--git-dir={repository}", *words], capture_output=True, text=True, check=True
    ).stdout.strip()


# --- what is in it


def test_nothing_that_is_not_for_students_is_in_any_of_the_three(staff: Path, tmp_path: Path) -> None:
    packed = pack(Catalog(staff), tmp_path / "out")
    assert packed.repository is not None
    for place in (packed.folder, packed.repository):
        for name, content in files_of(place).items():
            assert CANARY.encode() not in content, name
    objects = git(packed.repository, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert len(objects) > 20
    for each in objects:  # what a repository holds is compressed, and may hang on no branch
        shown = subprocess.run(
            ["git", f"--git-dir={packed.repository}", "cat-file", "-p", each], capture_output=True, check=True
        ).stdout
        assert CANARY.encode() not in shown
    with zipfile.ZipFile(packed.archive) as archive:
        for name in archive.namelist():
            assert CANARY.encode() not in archive.read(name), name
            assert CANARY not in name


def test_of_the_settings_it_holds_what_is_for_students(staff: Path, tmp_path: Path) -> None:
    copy = handed_out(staff, tmp_path / "out")
    told = Catalog(copy).settings
    rules = told.rules[SLUG]
    assert told.message == "Office hours on Friday"
    assert (rules.bonus, rules.visibility, rules.due) == (
        frozenset({2}),
        "after_due_date",
        datetime(2026, 3, 1, 22, 59, tzinfo=UTC),
    )
    assert (told.seeds, told.policy.extensions, told.policy.columns) == ({}, {}, {})
    text = (copy / "course.toml").read_text()
    assert not [word for word in ("15551", "2026-03-05") if word in text]
    assert "course.toml" in read_manifest(copy).files


def test_the_three_hold_the_same_files(staff: Path, tmp_path: Path) -> None:
    packed = pack(Catalog(staff), tmp_path / "out")
    files = files_of(packed.folder)
    with zipfile.ZipFile(packed.archive) as archive:
        assert {name.removeprefix(f"{COPY}/"): archive.read(name) for name in archive.namelist()} == files
    assert packed.repository is not None
    assert sorted(git(packed.repository, "ls-tree", "-r", "--name-only", "main").splitlines()) == sorted(files)
    assert git(packed.repository, "rev-list", "--all", "--count") == "1"
    assert set(read_manifest(packed.folder).files) | {NAME} == set(files)


def test_the_same_course_gives_the_same_bytes(staff: Path, tmp_path: Path) -> None:
    one, other = (pack(Catalog(staff), tmp_path / name) for name in ("one", "other"))
    assert one.archive.read_bytes() == other.archive.read_bytes()
    assert one.repository is not None
    assert other.repository is not None
    assert git(one.repository, "rev-parse", "main") == git(other.repository, "rev-parse", "main")


def test_the_real_course_is_handed_out_without_a_line_of_its_solutions_or_hidden_tests() -> None:
    catalog = Catalog(ROOT)
    files = contents(catalog)
    everything = b"\n".join(files.values()).decode("utf-8")
    handed_lines = {line.strip() for line in everything.splitlines()}
    assert not [path for path in files if path.startswith(("solutions", "tests", "docs", ".ci"))]
    for exercise in catalog.exercises:
        for name in exercise.files:
            region = re.findall(
                r"# BEGIN SOLUTION.*?\n(.*?)# END SOLUTION", (exercise.solution / name).read_text(), re.DOTALL
            )
            assert region, name
            comments = {line.strip() for part in region for line in part.splitlines() if line.strip().startswith("# ")}
            assert not {line for line in comments if len(line) > 25} & handed_lines
        assert exercise.hidden_suite is not None
        tests = re.findall(r"^def (test_\w{25,})", exercise.hidden_suite.read_text(), re.MULTILINE)
        public = re.findall(r"^def (test_\w+)", exercise.public_suite.read_text(), re.MULTILINE)
        assert not [name for name in tests if name not in public and f"def {name}(" in everything]


def test_a_stub_is_derived_anew_and_kept_for_a_reset(staff: Path, tmp_path: Path) -> None:
    copy = handed_out(staff, tmp_path / "out")
    assert "raise NotImplementedError" in (copy / WORK).read_text()
    assert (copy / f".course/stubs/{SLUG}/double.py").read_bytes() == (copy / WORK).read_bytes()
    assert read_manifest(copy).work == [WORK]


@pytest.mark.parametrize("taken", [COPY, f"{COPY}.zip", f"{COPY}.git"])
def test_nothing_is_overwritten(
    staff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / taken).write_text("mine")
    monkeypatch.chdir(staff)
    assert main(["student", str(tmp_path / "out")]) == 2
    assert "is there already: move it away" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [taken]


def test_a_course_that_lacks_something_is_not_handed_out(
    staff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (staff / f"solutions/{SLUG}/double.py").unlink()
    monkeypatch.chdir(staff)
    assert main(["student", str(tmp_path / "out")]) == 3
    assert "a stub is derived from the solution" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# --- it works on its own


def dojo(copy: Path, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "grader", *arguments],
        input=answer,
        capture_output=True,
        text=True,
        cwd=copy,
        env=env,
        check=False,
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handed_out(ROOT, tmp_path_factory.mktemp("real"))


def test_it_grades_by_the_public_tests_and_says_that_they_are_only_these(real: Path) -> None:
    fresh = dojo(real, "grade", "3")
    assert fresh.returncode == 1
    assert "public tests" in fresh.stdout
    assert "the hidden ones decide the points" in fresh.stdout
    assert "not attempted" in fresh.stdout
    path = real / "exercises/ex03_training_loop/training_loop.py"
    stub = path.read_text()
    path.write_text((ROOT / "solutions/ex03_training_loop/training_loop.py").read_text())
    solved = dojo(real, "grade", "3")
    assert solved.returncode == 0, solved.stdout + solved.stderr
    assert "the hidden ones decide the points" in solved.stdout
    assert "+" in dojo(real, "diff", "3").stdout
    assert dojo(real, "reset", "3", "--yes").returncode == 0
    assert path.read_text() == stub


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        *((words, "is for the staff") for words in (["verify", "1"], ["stubs"], ["student", "out"], ["rerun", "1"])),
        *((words, "is for the staff") for words in (["calibrate", "7"], ["new", "90", "vae"])),
        (["solution", "1"], "is kept by the staff"),
        (["grade", "1", "--suite=hidden"], "only the public tests"),
    ],
)
def test_what_needs_the_staffs_files_says_so_in_one_line(real: Path, arguments: list[str], said: str) -> None:
    done = dojo(real, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line
    assert done.stdout == ""


# --- a later version


@pytest.fixture
def copy(staff: Path, tmp_path: Path) -> Path:
    """A student's copy, with the student's work in it."""
    folder = handed_out(staff, tmp_path / "first")
    (folder / WORK).write_text(MINE)
    (folder / ".dojo").mkdir()
    (folder / ".dojo/state.json").write_text("{}")
    return folder


def later(staff: Path, tmp_path: Path, stub: bool = False) -> Path:
    """The next edition, as a zip: a lesson is rewritten, a file is new, another is gone."""
    (staff / f"exercises/{SLUG}/README.md").write_text("# Doubling, explained better\n")
    (staff / f"exercises/{SLUG}/picture.svg").write_text("<svg/>\n")
    (staff / "Makefile").write_text("Makefile, later\n")
    if stub:
        path = staff / f"solutions/{SLUG}/double.py"
        path.write_text(path.read_text().replace('"""Doubling."""', '"""Doubling, and nothing else."""'))
    return pack(Catalog(staff), tmp_path / "second").archive


def test_what_is_as_it_was_handed_out_is_renewed_and_the_work_stays(copy: Path, staff: Path, tmp_path: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    new, changes = update(copy, later(staff, tmp_path))
    assert (copy / WORK).read_text() == MINE
    assert (copy / "notes.txt").read_text() == "mine"
    assert (copy / ".dojo/state.json").read_text() == "{}"
    assert (copy / f"exercises/{SLUG}/README.md").read_text() == "# Doubling, explained better\n"
    assert changes.added == [f"exercises/{SLUG}/picture.svg"]
    assert sorted(changes.replaced) == ["Makefile", f"exercises/{SLUG}/README.md"]
    assert (changes.beside, changes.left, changes.removed) == ([], [], [])
    assert read_manifest(copy) == new
    again = update(copy, tmp_path / "second" / COPY)[1]
    assert (again.added, again.replaced, again.beside) == ([], [], [])


def test_a_changed_stub_is_put_beside_the_work_and_is_what_a_reset_gives(
    copy: Path, staff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = later(staff, tmp_path, stub=True)
    monkeypatch.chdir(copy)
    assert main(["update", str(source)]) == 0
    assert f"{WORK}.new   the later version of a file that you have changed" in capsys.readouterr().out
    assert (copy / WORK).read_text() == MINE
    assert "nothing else" in (copy / f"{WORK}.new").read_text()
    assert main(["update", str(source)]) == 0
    assert "Nothing is new" in capsys.readouterr().out
    assert main(["reset", "1", "--yes"]) == 0
    assert "nothing else" in (copy / WORK).read_text()
    assert (copy / f"{WORK}.1").read_text() == MINE


def test_other_files_that_the_student_has_changed_stay_too(copy: Path, staff: Path, tmp_path: Path) -> None:
    (copy / "Makefile").write_text("my own targets\n")
    (copy / f"exercises/{SLUG}/picture.svg").write_text("my own picture\n")
    elsewhere = tmp_path / "elsewhere.md"
    elsewhere.write_text("# Doubling\n")
    (copy / f"exercises/{SLUG}/README.md").unlink()
    (copy / f"exercises/{SLUG}/README.md").symlink_to(elsewhere)
    _, changes = update(copy, later(staff, tmp_path))
    assert (copy / "Makefile").read_text() == "my own targets\n"
    assert (copy / "Makefile.new").read_text() == "Makefile, later\n"
    assert (copy / f"exercises/{SLUG}/picture.svg").read_text() == "my own picture\n"
    assert elsewhere.read_text() == "# Doubling\n"
    assert len(changes.beside) == 3


def test_what_is_no_longer_part_of_the_course_goes_unless_it_was_changed(
    copy: Path, staff: Path, tmp_path: Path
) -> None:
    (staff / f"exercises/{SLUG}/picture.svg").write_text("<svg/>\n")
    (staff / f"exercises/{SLUG}/figure.py").write_text("# a figure\n")
    update(copy, pack(Catalog(staff), tmp_path / "second").folder)
    (copy / f"exercises/{SLUG}/figure.py").write_text("# my figure\n")
    for name in ("picture.svg", "figure.py"):
        (staff / f"exercises/{SLUG}/{name}").unlink()
    _, changes = update(copy, pack(Catalog(staff), tmp_path / "third").folder)
    assert changes.removed == [f"exercises/{SLUG}/picture.svg"]
    assert changes.left == [f"exercises/{SLUG}/figure.py"]
    assert (copy / f"exercises/{SLUG}/figure.py").read_text() == "# my figure\n"


def test_stopped_in_the_middle_the_same_command_goes_on(
    copy: Path, staff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, written = later(staff, tmp_path, stub=True), []

    def failing(path: Path, text: str) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        write_atomically(path, text)

    with monkeypatch.context() as patch:
        patch.setattr("grader.handout.update.write_atomically", failing)
        patch.chdir(copy)
        assert main(["update", str(source)]) == 2
    assert (copy / WORK).read_text() == MINE
    update(copy, source)
    expected = files_of(tmp_path / "second" / COPY)
    expected[f"{WORK}.new"] = expected[WORK]
    expected |= {WORK: MINE.encode(), ".dojo/state.json": b"{}"}
    assert files_of(copy) == expected


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.with_name("nowhere.zip"), "neither the folder nor the zip of a course"),
        (lambda path: path.write_text("text") and path, "neither the folder nor the zip of a course"),
        (lambda path: rewritten(path, {}), "no copy that was handed out"),
        (lambda path: rewritten(path, {NAME: b"{"}), "is damaged"),
        (lambda path: rewritten(path, {NAME: manifest({"../../x": "0"})}), "outside of the course"),
        (lambda path: rewritten(path, {NAME: manifest({"/etc/x": "0"})}), "outside of the course"),
        (lambda path: rewritten(path, {NAME: manifest({"Makefile": "0"}), "Makefile": b"x"}), "is damaged: 'Makefile'"),
        (lambda path: rewritten(path, {NAME: manifest({}, work=["other.py"])}), "is another course"),
    ],
)
def test_what_is_no_later_copy_changes_nothing(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make, said: str
) -> None:
    before = files_of(copy)
    source = make(tmp_path / "later.zip")
    monkeypatch.chdir(copy)
    assert main(["update", str(source)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert files_of(copy) == before


def rewritten(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{COPY}/other.txt", "x")
        for name, content in files.items():
            archive.writestr(f"{COPY}/{name}", content)
    return path


def manifest(files: dict[str, str], work: list[str] | None = None) -> bytes:
    import json

    return json.dumps({"format": 1, "version": "9", "files": files, "work": work or [WORK]}).encode()


def test_a_checkout_of_the_staff_is_not_updated(
    staff: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(staff)
    assert main(["update", str(copy)]) == 2
    assert "is no copy that was handed out" in capsys.readouterr().err
