"""Turns: whoever is to be alone is alone, others share, and a turn ends with its process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.cohort import turns
from grader.cohort.turns import Turns, folder_of
from grader.errors import JudgeError

RUN = "7f"
SECONDS = 30.0  # after which a thread that should have gone on has not


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(turns, "TELL_SECONDS", 0.0)


class Waiting(Exception):
    """Raised by who waits, so that a test need not."""


def refuse() -> None:
    raise Waiting


def enters(place: str, alone: bool) -> bool:
    """Whether there is room at this moment."""
    try:
        with Turns(RUN, place).taken(alone, refuse):
            return True
    except Waiting:
        return False


def test_submissions_share_a_place_and_a_timed_one_has_it_alone() -> None:
    here = Turns(RUN, "0")
    with here.taken(False, refuse), here.taken(False, refuse):
        assert enters("0", alone=False)
        assert not enters("0", alone=True)
        assert enters("1", alone=True)
    with here.taken(True, refuse):
        assert not enters("0", alone=False)
        assert not enters("0", alone=True)
        assert enters("cpu", alone=True)
    assert enters("0", alone=True)


def test_runs_do_not_wait_for_each_other_and_a_run_without_timed_exercises_waits_for_nobody() -> None:
    with Turns("8a", "0").taken(True, refuse), Turns("", "0").taken(False, refuse):
        assert enters("0", alone=True)
    assert not folder_of("").exists()


def test_nobody_enters_before_a_timed_one_that_waits() -> None:
    waits, has_been = threading.Event(), threading.Event()

    def timed() -> None:
        with Turns(RUN, "0").taken(True, waits.set):
            has_been.set()

    thread = threading.Thread(target=timed)
    with Turns(RUN, "0").taken(False, refuse):
        thread.start()
        assert waits.wait(SECONDS)
        assert not enters("0", alone=False)
    assert has_been.wait(SECONDS)
    thread.join()


def test_a_judge_that_is_killed_gives_up_its_turn() -> None:
    def hold(pipe) -> None:
        with Turns(RUN, "0").taken(True, refuse):
            pipe.send("in")
            signal.pause()

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(theirs,))
    process.start()
    assert ours.recv() == "in"
    assert not enters("0", alone=False)
    process.kill()
    process.join()
    assert enters("0", alone=True)


def test_a_folder_of_somebody_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(RUN).mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with ExitStack() as stack, pytest.raises(JudgeError, match="somebody else's"):
        stack.enter_context(Turns(RUN, "MIG-GPU-1/0").taken(False, refuse))


def test_names_of_gpus_are_no_paths_and_nothing_is_left() -> None:
    assert enters("MIG-GPU-1/1/0", alone=True)
    assert folder_of(RUN).exists()
    turns.clear(RUN)
    assert not folder_of(RUN).exists()
