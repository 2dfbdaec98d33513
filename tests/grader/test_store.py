"""What is remembered survives a crash, a moved folder, an update and two processes; nothing foreign is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from grader.course import store as module
from grader.course.record import Record, Score
from grader.course.store import NewerState, Store, Unwritable
from grader.result import Verdict

DATE = "2026-11-21T10:00:00+00:00"
SLUG = "ex01_double"


def score(points: float, verdict: Verdict = Verdict.WRONG_ANSWER, suite: str = "hidden", passed: int = 1) -> Score:
    return Score(points, verdict, suite, "ab" * 32, DATE, tuple(range(1, passed + 1)))


def file(root: Path) -> Path:
    return root / ".dojo/state.json"


def put(root: Path, text: str) -> None:
    file(root).parent.mkdir(exist_ok=True)
    file(root).write_text(text)


# --- what is kept


def test_what_was_changed_is_read_again_and_nothing_names_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "course"
    root.mkdir()
    with Store(root).change() as record:
        record.take(SLUG, score(2))
        record.see_hints(SLUG, 2, 1)
        record.confirm(SLUG, DATE)
    assert str(tmp_path) not in file(root).read_text()
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    record = Store(moved).read()
    assert record.best(SLUG) == score(2)
    assert (record.hints(SLUG, 2), record.hints(SLUG, 1), record.confirmed(SLUG)) == (1, 0, DATE)


def test_reading_where_nothing_is_writes_nothing(tmp_path: Path) -> None:
    assert Store(tmp_path).read().best(SLUG) is None
    assert list(tmp_path.iterdir()) == []


def test_keys_of_an_update_outlast_a_change(tmp_path: Path) -> None:
    put(tmp_path, json.dumps({"version": 1, "theme": "dark", "exercises": {SLUG: {"note": 7}, "ex99_gone": {"x": 1}}}))
    with Store(tmp_path).change() as record:
        record.see_hints(SLUG, 1, 1)
    body = json.loads(file(tmp_path).read_text())
    assert body["theme"] == "dark"
    assert body["exercises"] == {SLUG: {"note": 7, "hints": {"1": 1}}, "ex99_gone": {"x": 1}}


@pytest.mark.parametrize(
    ("runs", "best", "last"),
    [
        ([score(1), score(2), score(1)], 1, 2),
        ([score(3, Verdict.ACCEPTED), score(9)], 0, 1),  # an update may give an exercise more points
        ([score(2), score(3, Verdict.ACCEPTED, "public")], 0, 0),
        ([score(3, Verdict.ACCEPTED, "public"), score(0, Verdict.NOT_ATTEMPTED)], 1, 1),
        ([score(2), score(3, Verdict.JUDGE_ERROR)], 0, 0),
    ],
    ids=["more points", "accepted stays", "public after hidden", "hidden after public", "judge error"],
)
def test_the_best_founded_result_is_kept(runs: list[Score], best: int, last: int) -> None:
    record = Record()
    for run in runs:
        record.take(SLUG, run)
    assert record.best(SLUG) is not None
    assert (record.best(SLUG), record.last(SLUG)) == (runs[best], runs[last])


def test_a_judge_error_alone_is_nothing() -> None:
    record = Record()
    record.take(SLUG, score(2, Verdict.JUDGE_ERROR))
    assert record.best(SLUG) is None


# --- what can't be read


def scored(**other: object) -> str:
    row = {"points": 1, "verdict": "accepted", "suite": "hidden", "submission": "ab", "date": "", "passed": [1]}
    return json.dumps({"version": 1, "exercises": {SLUG: {"best": row | other}}})


BAD = {
    "empty": "",
    "truncated": '{"version": 1, "exercises": {"ex01',
    "no object": "[1]",
    "no version": '{"exercises": {}}',
    "binary": "\x00\x01",
    "deep": "[" * 100_000,
    "a list of exercises": '{"version": 1, "exercises": []}',
    "an exercise that is a word": '{"version": 1, "exercises": {"ex01_double": "x"}}',
    "hints that are words": '{"version": 1, "exercises": {"ex01_double": {"hints": {"1": "two"}}}}',
    "a date that is none": '{"version": 1, "finished": "soon"}',
    "a verdict that is none": scored(verdict="fine"),
    "points that are no number": scored(points=float("nan")),
    "tasks that are words": scored(passed=["one"]),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
@pytest.mark.parametrize("way", ["read", "change"])
def test_a_damaged_file_is_put_aside_with_one_line_and_a_new_one_begins(tmp_path: Path, way: str, text: str) -> None:
    put(tmp_path, text)
    store = Store(tmp_path)
    if way == "read":
        assert store.read().best(SLUG) is None
    with store.change() as record:
        record.see_hints(SLUG, 1, 1)
    assert len(store.remarks) == 1
    assert "kept as 'state.json.damaged.1'" in store.remarks[0]
    assert (tmp_path / ".dojo/state.json.damaged.1").read_text() == text
    assert Store(tmp_path).read().hints(SLUG, 1) == 1


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    for text in ("one", "two"):
        put(tmp_path, text)
        Store(tmp_path).read()
    assert [(tmp_path / f".dojo/state.json.damaged.{number}").read_text() for number in (1, 2)] == ["one", "two"]


def test_bytes_that_are_no_text_are_put_aside(tmp_path: Path) -> None:
    put(tmp_path, "")
    file(tmp_path).write_bytes(b"\xff\xfe{")
    store = Store(tmp_path)
    store.read()
    assert "damaged.1" in store.remarks[0]


def test_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = '{"version": 2, "exercises": "in another form"}'
    put(tmp_path, text)
    with pytest.raises(NewerState, match=r"later Torch Dojo \(version 2\).*update this copy"):
        Store(tmp_path).read()
    with pytest.raises(NewerState), Store(tmp_path).change():
        pass
    assert file(tmp_path).read_text() == text
    assert sorted(path.name for path in (tmp_path / ".dojo").iterdir()) == ["lock", "state.json"]


# --- what can't be written


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path).change() as record:
        record.see_hints(SLUG, 1, 1)
    before = file(tmp_path).read_text()

    def full(descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unwritable, match="No space left"), Store(tmp_path).change() as record:
        record.see_hints(SLUG, 1, 2)
    assert file(tmp_path).read_text() == before
    assert sorted(path.name for path in (tmp_path / ".dojo").iterdir()) == ["lock", "state.json"]


def test_a_file_in_the_folders_place_is_said(tmp_path: Path) -> None:
    (tmp_path / ".dojo").write_text("mine")
    store = Store(tmp_path)
    assert store.read().best(SLUG) is None
    assert "can't be read" in store.remarks[0]
    with pytest.raises(Unwritable, match="can't be written"), store.change():
        pass
    assert (tmp_path / ".dojo").read_text() == "mine"


def test_a_change_that_fails_writes_nothing(tmp_path: Path) -> None:
    def interrupted(record: Record) -> NoReturn:
        record.see_hints(SLUG, 1, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Store(tmp_path).change() as record:
        interrupted(record)
    assert not file(tmp_path).exists()


# --- two at once

ADDS = """
import sys
from pathlib import Path
from grader.course.store import Store
for _ in range(25):
    with Store(Path(sys.argv[1])).change() as record:
        record.see_hints("ex01_double", 1, record.hints("ex01_double", 1) + 1)
"""


def test_no_change_of_several_processes_is_lost(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", ADDS, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    assert Store(tmp_path).read().hints(SLUG, 1) == 100


def test_a_process_that_holds_it_for_ever_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    with Store(tmp_path).change(), pytest.raises(Unwritable, match="held by another process"), Store(tmp_path).change():
        pass


def test_a_killed_process_leaves_the_file_whole_and_the_lock_free(tmp_path: Path) -> None:
    with Store(tmp_path).change() as record:
        record.see_hints(SLUG, 1, 1)
    dies = ADDS.replace("record.see_hints", "import os; os.kill(os.getpid(), 9); record.see_hints")
    assert subprocess.run([sys.executable, "-c", dies, str(tmp_path)], check=False).returncode == -9
    with Store(tmp_path).change() as record:
        assert record.hints(SLUG, 1) == 1
    shutil.rmtree(tmp_path / ".dojo")
