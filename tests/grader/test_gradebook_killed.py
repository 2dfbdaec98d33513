"""Runs that end at any instant, and two at once: nothing that was reported is lost, nothing is recorded twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.gradebook.book import Gradebook
from grader.gradebook.claims import Claim, Held
from grader.gradebook.grades import grades
from grader.settings.policy import Policy
from tests.grader.cohort_of import cohort

ROOT = Path(__file__).resolve().parents[2]
SEED = 20
STUDENTS = 40  # 160 results
KILLS = 20


def writer(path: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(ROOT / "tests/grader/gradebook_writer.py"),
        str(path),
        str(SEED),
        str(STUDENTS),
        *more,
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)


def finals(book: Gradebook) -> dict[str, tuple[float, float]]:
    found = grades(book, Policy(late_percent_per_day=10))
    return {student.id: found.total(student.id) for student in found.students}


def test_killed_at_twenty_instants_it_resumes_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    chance, path, reported = random.Random(SEED), tmp_path / "killed.sqlite", []
    for _ in range(KILLS):
        with writer(path) as process:
            assert process.stdout
            for _ in range(chance.randrange(8)):
                reported += process.stdout.readline().splitlines()
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
            reported += [line for line in process.stdout if line.endswith("\n")]
    with writer(path) as last:
        assert last.stdout
        reported += last.stdout.read().splitlines()
    assert last.returncode == 0
    said = [line.split()[0] for line in reported]
    assert all(line.split()[1] == "True" for line in reported)
    everything = {each.fingerprint(each.body()) for each in cohort(SEED, STUDENTS, 2, 2)}
    with Gradebook.open(path) as book:
        stored = [row["fingerprint"] for row in book.file.rows("SELECT fingerprint FROM attempt")]
        assert set(said) <= set(stored)
        assert len(said) == len(set(said))
        assert set(stored) == everything
        assert len(stored) == len(everything)
        assert list(book.check()) == []
        assert book.file.rows("SELECT * FROM claim") == []
        resumed = finals(book)
    with Gradebook.open(tmp_path / "whole.sqlite") as book:
        for each in cohort(SEED, STUDENTS, 2, 2):
            book.record(each)
        assert finals(book) == resumed
    assert len(said) > KILLS  # it was killed at work, and not before


def test_two_runs_at_once_share_the_work_and_grade_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "gradebook.sqlite"
    with writer(path) as one, writer(path) as other:
        assert one.stdout
        assert other.stdout
        lines = [process.stdout.read().splitlines() for process in (one, other) if process.stdout]
    assert (one.returncode, other.returncode) == (0, 0)
    done = [line for each in lines for line in each]
    assert all(line.endswith(" True") for line in done)  # each result that was made was needed
    assert len(done) == len(set(done)) == 4 * STUDENTS
    with Gradebook.open(path) as book:
        assert len(book.attempts()) == 4 * STUDENTS
        assert list(book.check()) == []


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_runs_claim_is_free_at_once_and_a_living_ones_is_not(tmp_path: Path, reaped: bool) -> None:
    """Also before its parent has taken note of its end: a zombie still has a number."""
    path, job = tmp_path / "gradebook.sqlite", next(cohort(SEED, STUDENTS, 2, 2)).job
    with writer(path, "hold") as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with Gradebook.open(path) as book:
            held = book.claim(job)
            assert isinstance(held, Held)
            assert held.owner.pid == process.pid
            os.kill(process.pid, signal.SIGKILL)
            if reaped:
                process.wait()
            else:
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert isinstance(book.claim(job), Claim)
