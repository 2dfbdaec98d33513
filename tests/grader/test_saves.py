"""Saves are noticed however an editor makes them; a time stamp alone is none."""

from __future__ import annotations

import os
import select
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.live.ground import Ground
from grader.live.saves import Saves

DEADLINE = 20.0
NAME = "work.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "exercise"
    folder.mkdir()
    (folder / NAME).write_text("one\n")
    return folder


@pytest.fixture(params=["events", "polling", "own looks"])
def saves(folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Saves]:
    if request.param == "own looks":  # a file system without events, and watchfiles of no use
        monkeypatch.setattr(Saves, "_watch", lambda self, poll: self._stop.wait(DEADLINE))
    saves = Saves(folder, [NAME], poll=request.param == "polling")
    yield saves
    saves.close()


def noticed(saves: Saves, seconds: float = DEADLINE) -> bool:
    """Waits as the loop of a watch does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        select.select([saves.fileno()], [], [], min(saves.wait, seconds))
        if saves.changed():
            return True
    return False


def rewrite(path: Path) -> None:
    path.write_text("two\n")


def replace(path: Path) -> None:
    """As editors save: a temporary file takes the place of the old one."""
    new = path.with_name(".work.py.tmp")
    new.write_text("two\n")
    new.replace(path)


def move_aside(path: Path) -> None:
    """As vim does: the old file becomes the backup, and a new one is written."""
    path.rename(path.with_name("work.py~"))
    time.sleep(0.02)
    path.write_text("two\n")


def delete_and_make(path: Path) -> None:
    path.unlink()
    time.sleep(0.02)
    path.write_text("two\n")


def same_size_and_time(path: Path) -> None:
    """Two writes within the clock's grain may bear one time stamp; the one of the status changes."""
    before = path.stat()
    path.write_text("two\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def remake_the_folder(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_text("two\n")


@pytest.mark.parametrize("save", [rewrite, replace, move_aside, delete_and_make, same_size_and_time, remake_the_folder])
def test_a_save_is_noticed_once(saves: Saves, folder: Path, save) -> None:
    save(folder / NAME)
    assert noticed(saves)
    assert not noticed(saves, 0.7)


def test_a_second_save_is_noticed_after_each_kind_of_first(saves: Saves, folder: Path) -> None:
    for number, save in enumerate([replace, rewrite, move_aside, remake_the_folder, replace]):
        save(folder / NAME)
        assert noticed(saves)
        (folder / NAME).write_text(f"again {number}\n")
        assert noticed(saves)


def test_a_time_stamp_alone_is_no_save(saves: Saves, folder: Path) -> None:
    (folder / NAME).touch()
    (folder / NAME).write_text("one\n")  # nor is the same text
    replaced = folder / "other"
    replaced.write_text("one\n")
    replaced.replace(folder / NAME)
    assert not noticed(saves, 1.2)


def test_other_files_of_the_folder_are_no_save(saves: Saves, folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    (folder / "work.py.swp").write_text("x")
    assert not noticed(saves, 1.2)


def test_a_file_that_stays_away_or_empty_is_a_change(saves: Saves, folder: Path) -> None:
    (folder / NAME).unlink()
    assert noticed(saves)
    (folder / NAME).write_text("")
    assert noticed(saves)
    (folder / NAME).write_text("one\n")
    assert noticed(saves)


def test_a_file_emptied_just_before_it_is_written_is_one_change(folder: Path) -> None:
    saves = Saves(folder, [NAME])
    for number in range(5):
        (folder / NAME).write_text("")
        assert not saves.changed()  # not yet: an editor is at work
        (folder / NAME).write_text(f"more {number}\n")
        assert noticed(saves)
        assert not saves.changed()
    saves.close()


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling link", "huge"])
def test_what_is_no_text_file_blocks_nothing(saves: Saves, folder: Path, kind: str) -> None:
    path = folder / NAME
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    else:
        with path.open("wb") as file:
            file.truncate(10**10)
    assert noticed(saves)


def test_the_moment_of_the_save_is_the_files(folder: Path) -> None:
    saves = Saves(folder, [NAME])
    before = time.time()
    (folder / NAME).write_text("two\n")
    after = time.time()
    assert noticed(saves)
    assert before - 0.05 <= saves.saved <= after + 0.05  # a file system's clock is a little coarse
    saves.close()


@pytest.mark.parametrize("busy", [0.0, 3.0])
def test_closing_leaves_no_descriptor_and_no_thread(folder: Path, monkeypatch: pytest.MonkeyPatch, busy: float) -> None:
    """Also where its thread heeds nobody for longer than `close` waits."""
    import gc
    import threading

    def state() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    if busy:
        monkeypatch.setattr(Saves, "_watch", lambda *_: time.sleep(busy))
    gc.collect()  # what earlier tests left is not to go meanwhile
    before = state()
    for _ in range(1 if busy else 3):
        Saves(folder, [NAME]).close()
    deadline = time.monotonic() + DEADLINE
    # The library's own threads end a moment later; so may somebody else's.
    while any(now > then for now, then in zip(state(), before, strict=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- what a warm judge rests on


def settled(ground: Ground, seconds: float = DEADLINE) -> list[str]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if names := ground.changed():
            return names
        time.sleep(0.05)
    return []


def test_the_ground_names_what_changed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.live.ground.LOOK_SECONDS", 0.1)
    ground = Ground({"the tests": lambda: sorted(folder.glob("*.py")), "the lock": lambda: [folder / "lock"]})
    assert settled(ground, 0.5) == []
    (folder / NAME).write_text("two\n")
    assert settled(ground) == ["the tests"]
    (folder / "lock").write_text("torch\n")
    (folder / "new.py").write_text("\n")
    assert settled(ground) == ["the tests", "the lock"]
    (folder / NAME).touch()
    (folder / "lock").touch()
    assert settled(ground, 0.6) == []
