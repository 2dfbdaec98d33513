"""The gradebook's file when something is wrong with it: one line, a documented exit code, and nothing lost."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.errors import DojoError, JudgeError, UsageError
from grader.gradebook import file, schema
from grader.gradebook.attempt import Attempt, Result
from grader.gradebook.book import Gradebook
from grader.gradebook.claims import Claim
from tests.grader.cohort_of import cohort, result

USAGE, JUDGE = 2, 3
SEED = 6


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("template") / "gradebook.sqlite"
    with Gradebook.open(where) as book:
        record_all(book, cohort(SEED, students=10, exercises=2, attempts=2), [])
    return where


@pytest.fixture
def path(tmp_path: Path, template: Path) -> Path:
    """A gradebook of some results."""
    return Path(shutil.copy(template, tmp_path))


def record_all(book: Gradebook, results: Iterable[Result], stored: list[Attempt]) -> None:
    """Notes in `stored` what the gradebook has confirmed, also where it fails in the middle."""
    for each in results:
        stored.append(book.record(each).attempt)


def mounted(folder: Path, options: str) -> bool:
    """Root of a container may not, unless it was given the right."""
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", options, "none", folder]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system with next to no room."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not mounted(folder, "size=512k"):
        pytest.skip("needs root that may mount")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


# --- what is no gradebook


def truncated(path: Path) -> None:
    with path.open("r+b") as opened:
        opened.truncate(path.stat().st_size // 2)


def torn(path: Path) -> None:
    """A page in the middle of the tables is noise."""
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content) - 4096, 3 * 4096):
        content[start : start + 4096] = random.Random(start).randbytes(4096)
    path.write_bytes(content)


def foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE attempt (other)")
    connection.commit()
    connection.close()


def newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()


def without_its_file(path: Path) -> None:
    """Its log alone is there; SQLite would take that for the log of a new file, or delete it."""
    path.unlink()
    path.with_name(f"{path.name}-wal").write_bytes(b"x" * 5000)


DAMAGES: list[tuple[Callable[[Path], object], int, str]] = [
    (truncated, JUDGE, "is damaged"),
    (torn, JUDGE, "is damaged"),
    (foreign, USAGE, "another program"),
    (newer, USAGE, "written by a later Torch Dojo (version 3, this one knows 2)"),
    (
        lambda path: path.write_bytes(random.Random(SEED).randbytes(9000)),
        USAGE,
        "another kind of file and no gradebook",
    ),
    (lambda path: path.write_text("student,points\n"), USAGE, "another kind of file and no gradebook"),
    (lambda path: path.write_bytes(path.read_bytes()[:50]), USAGE, "another program"),
    (lambda path: path.write_bytes(b""), USAGE, "an empty file and no gradebook"),
    (lambda path: (path.unlink(), path.mkdir()), USAGE, "can't be opened: Is a directory"),
    (lambda path: path.unlink(), USAGE, "there is no gradebook at"),
]
NAMES = ["truncated", "torn", "foreign", "newer", "noise", "text", "cut off in its header", "empty", "folder", "none"]


@pytest.mark.parametrize(("damage", "code", "said"), DAMAGES, ids=NAMES)
@pytest.mark.parametrize(
    "command", ["summary", "export", "check", "show student0001", "excuse student0001 1 --reason ill"]
)
def test_a_file_that_is_no_sound_gradebook_is_told_in_a_line_and_left_alone(
    course: Path,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], object],
    code: int,
    said: str,
    command: str,
) -> None:
    damage(path)
    before = content(path.parent)
    monkeypatch.chdir(course)
    assert main(["gradebook", *command.split(), "--gradebook", str(path)]) == code
    out, err = capsys.readouterr()
    assert said in err
    assert f"'{path}'" in err
    assert err.startswith("dojo: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    assert content(path.parent) == before


def content(folder: Path) -> dict[str, bytes]:
    """What is in the gradebook's files. SQLite's index of the log is no part of it."""
    files = (each for each in folder.iterdir() if each.is_file() and not each.name.endswith("-shm"))
    return {each.name: each.read_bytes() for each in files if each.stat().st_size}


def test_a_log_without_its_gradebook_is_not_overwritten(path: Path) -> None:
    without_its_file(path)
    before = content(path.parent)
    with pytest.raises(UsageError, match="is the log of a gradebook"):
        Gradebook.open(path)
    assert content(path.parent) == before


@pytest.mark.parametrize("seed", range(12))
def test_any_damaged_byte_is_found_or_harms_nothing(path: Path, seed: int) -> None:
    """Whatever byte changes: the gradebook says so, or holds what it held. Never a traceback, never another grade."""
    chance = random.Random(seed)
    with Gradebook.read(path) as book:
        held = [(each, book.body(each.id)) for each in book.attempts()]
    content = bytearray(path.read_bytes())
    for _ in range(20):
        content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    with contextlib.suppress(DojoError), Gradebook.open(path) as book:
        problems = list(book.check())
        assert problems or [(each, book.body(each.id)) for each in book.attempts()] == held


# --- what can't be written


def test_a_full_disk_loses_nothing_and_is_told_in_a_line(small: Path) -> None:
    where = small / "gradebook.sqlite"
    stored: list[Attempt] = []
    book = Gradebook.open(where)
    with pytest.raises(JudgeError, match="no room is left for the gradebook"):
        record_all(book, cohort(SEED, students=1000, exercises=1, attempts=1, tests=200), stored)
    book.close()
    assert len(stored) > 3
    after_the_flood(where, stored)


def test_a_full_disk_where_no_file_can_be_made(small: Path) -> None:
    (small / "ballast").write_bytes(b"x" * (512 * 1024 - 4096))
    with pytest.raises(JudgeError, match="no room is left for the gradebook"):
        Gradebook.open(small / "gradebook.sqlite")
    assert [each.name for each in small.iterdir()] == ["ballast"]


def test_a_gradebook_that_may_not_grow_loses_nothing(path: Path) -> None:
    """The same without a mount: SQLite is told that there are no more pages."""
    with Gradebook.open(path) as book:
        stored = book.attempts()
        pages = book.file.rows("PRAGMA page_count")[0]["page_count"]
        book.file.rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JudgeError, match="no room is left"):
            record_all(book, cohort(SEED + 1, students=50, exercises=1, attempts=1, tests=100), stored)
        book.file.rows("PRAGMA max_page_count = 1000000")
        assert book.attempts() == stored
        assert book.record(result("late")).new  # the same connection goes on once there is room
    after_the_flood(path, stored, more=1)


def after_the_flood(where: Path, stored: list[Attempt], more: int = 0) -> None:
    with Gradebook.read(where) as book:
        assert book.attempts()[: len(stored)] == stored
        assert len(book.attempts()) == len(stored) + more
        assert list(book.check()) == []


@pytest.fixture
def frozen(path: Path) -> Iterator[Path]:
    """The gradebook on a file system that can't be written; for root permissions alone are none."""
    folder = path.parent / "frozen"
    folder.mkdir()
    is_mount = mounted(folder, "size=16m")
    if not is_mount and os.geteuid() == 0:
        pytest.skip("needs a user, or root that may mount")
    where = Path(shutil.copy(path, folder))
    if is_mount:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    else:
        where.chmod(0o400)
        folder.chmod(0o500)
    yield where
    if is_mount:
        subprocess.run(["umount", "-l", folder], check=True)
    else:
        folder.chmod(0o700)


def test_a_read_only_gradebook_can_be_read(
    course: Path, frozen: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(course)
    for command in ("summary", "export", "check", "show student0001"):
        assert main(["gradebook", *command.split(), "--gradebook", str(frozen)]) == 0
        out, err = capsys.readouterr()
        assert out
        assert err == ""


def test_a_read_only_gradebook_is_not_written_and_says_so(
    course: Path, frozen: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = frozen.read_bytes()
    monkeypatch.chdir(course)
    command = ["gradebook", "excuse", "student0001", "ex01_simulated", "--reason", "ill", "--gradebook", str(frozen)]
    assert main(command) == USAGE
    err = capsys.readouterr().err
    assert "can't be" in err
    assert f"'{frozen}'" in err
    assert err.count("\n") == 1
    assert frozen.read_bytes() == before


def test_a_gradebook_that_another_process_holds_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(JudgeError, match=r"is held by another process for 0\.05 seconds"):
        Gradebook.open(path)
    with Gradebook.read(path) as reader:  # reading goes on
        assert reader.attempts()
    holder.execute("ROLLBACK")
    holder.close()
    Gradebook.open(path).close()


def test_a_gradebook_is_not_carried_over_a_fork(path: Path) -> None:
    with Gradebook.open(path) as book:
        child = os.fork()
        if child == 0:
            try:
                book.attempts()
            except JudgeError as error:
                os._exit(0 if "before a fork" in str(error) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert book.record(result("after")).new


def test_a_result_waits_for_the_disk_and_a_claim_does_not(path: Path) -> None:
    with Gradebook.open(path) as book:
        assert book.file.rows("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
        asked: list[str] = []
        with book.file.transaction() as connection:
            connection.set_trace_callback(asked.append)
        claim = book.claim(result().job)
        assert "PRAGMA synchronous = NORMAL" in asked
        asked.clear()
        book.record(result())
        assert isinstance(claim, Claim)
        assert asked[0] == "PRAGMA synchronous = FULL"
        assert asked[-1] == "COMMIT"
        assert book.file.rows("PRAGMA synchronous") == [{"synchronous": 2}]


def test_a_gradebook_is_its_owners_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_log_is_read_also_before_it_is_worked_into_the_file(tmp_path: Path) -> None:
    """A copy of the three files that a killed run leaves is a whole gradebook."""
    where = tmp_path / "gradebook.sqlite"
    book = Gradebook.open(where)
    stored = book.record(result()).attempt
    copies = tmp_path / "copies"
    copies.mkdir()
    for each in tmp_path.glob("gradebook.sqlite*"):
        shutil.copy(each, copies)
    book.close()
    with Gradebook.read(copies / where.name) as copy:
        assert copy.attempts() == [stored]


def test_a_report_that_is_damaged_is_named(tmp_path: Path) -> None:
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book:
        stored = book.record(result(verdict=None, points=0)).attempt
        with book.file.transaction() as connection:
            connection.execute("DROP TRIGGER report_never_update")
            connection.execute("UPDATE report SET body = x'00'")
        with pytest.raises(JudgeError, match=f"the report of attempt {stored.id} "):
            book.report(stored.id)
        assert len(list(book.check())) == 1
