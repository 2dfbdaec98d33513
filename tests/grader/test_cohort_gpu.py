"""A class on two made-up GPUs: each judge sees one, and a timed exercise has its place alone."""

from __future__ import annotations

import itertools
import select
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.catalog import Catalog
from grader.cohort import turns
from grader.cohort.seat import Died, Graded, Lost, Open, Seat
from grader.cohort.turns import folder_of
from grader.gradebook.book import Gradebook
from grader.grading import Settings
from grader.result import Verdict
from grader.submission import Submission
from tests.grader.gpus import Gpus

SEED = 11
STUDENTS = ("ada", "bob")
# The judges' side: when each submission was at work, and where.
SUITE = """
import os, time
import pytest
from grader.checks import check_equal

def note(what):
    with open({trace!r}, "a") as file:
        file.write(f"{{time.monotonic()}} {name} {{os.environ.get('CUDA_VISIBLE_DEVICES', '')}} {{what}}\\n")

def others():
    return {{line.split()[2] for line in open({trace!r}) if " {name} " in line}}

@pytest.mark.task(1)
def test_doubles(submission):
    note("begins")
    deadline = time.monotonic() + 60
    while os.path.exists({meet!r}) and len(others()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)  # so that no judge can do all of it before the other has begun
    try:
        check_equal(submission.double(2), 4)
    finally:
        note("ends")

@pytest.mark.task(2)
def test_where(submission):
    check_equal(submission.card(), "somewhere")
"""
TEXT = """
import os, time

def double(x):
    time.sleep(1)
    return 2 * x

def card():
    return os.environ["CUDA_VISIBLE_DEVICES"]
"""
# On the first slug's GPU nothing is timed; the second is, on the CPUs of the machine.
SETTINGS = {
    "ex01_double": 'device = "cuda"\npreload = ["torch", "fake_cuda"]\n',
    "ex02_timed": 'device = "cpu"\nexclusive = true\npreload = []\n',
}


@pytest.fixture
def handed(course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The course with two such exercises, both handed in by everybody, on a machine with two GPUs."""
    gpus = Gpus(tmp_path / "gpus")
    gpus.put(2)
    gpus.install(monkeypatch)
    toml = (course / "exercises/ex01_double/exercise.toml").read_text()
    for slug, lines in SETTINGS.items():
        for path, text in {
            f"exercises/{slug}/exercise.toml": lines + toml,
            f"exercises/{slug}/double.py": "raise NotImplementedError\n",
            f"tests/hidden/{slug}/test_double.py": SUITE.format(
                trace=str(tmp_path / "trace"), name=slug, meet=str(tmp_path / f"meet-{slug}")
            ),
            **{f"class/{student}/{slug}/double.py": f"{TEXT}# {student}\n" for student in STUDENTS},
        }.items():
            (course / path).parent.mkdir(parents=True, exist_ok=True)
            (course / path).write_text(text)
    monkeypatch.chdir(course)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return course / "class"


def spans(trace: Path) -> list[tuple[float, float, str]]:
    """When which exercise was at work. Judges write side by side: what began first is taken to have ended first."""
    open_ones, found = defaultdict(list), []
    for line in sorted(trace.read_text().splitlines(), key=lambda each: float(each.split()[0])):
        moment, name, *_, what = line.split()
        if what == "begins":
            open_ones[name].append(float(moment))
        else:
            found.append((open_ones[name].pop(0), float(moment), name))
    return found


def test_judges_share_gpus_in_turn_and_each_exercise_is_graded_where_it_asks_for(
    handed: Path, course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cleared, clear = [], turns.clear
    (tmp_path / "meet-ex01_double").touch()

    def noted(run: str) -> None:
        cleared.append(sorted(path.name for path in folder_of(run).iterdir()))
        clear(run)

    monkeypatch.setattr(turns, "clear", noted)
    assert main(["cohort", str(handed), f"--seed={SEED}"]) == 0, capsys.readouterr()
    with Gradebook.open(course / "gradebook.sqlite") as book:
        attempts = book.attempts()
        cards = defaultdict(set)
        for one in attempts:
            failure = book.report(one.id).tasks[1].tests[0].failure
            assert failure is not None
            cards[one.slug].add(failure.got)
    assert len(attempts) == len(STUDENTS) * len(SETTINGS)
    assert {one.points for one in attempts} == {2.0}, "the first task is right everywhere"
    assert {(one.slug, one.key.device, one.required_device, one.footing.on_device) for one in attempts} == {
        ("ex01_double", "cuda", "cuda", True),
        ("ex02_timed", "cpu", "cpu", True),
    }
    assert cards["ex01_double"] == {"'0'", "'1'"}, "each judge sees one GPU, and both are used"
    assert cards["ex02_timed"] == {"''"}
    assert cleared == [["0.door", "0.room", "1.door", "1.room", "cpu.door", "cpu.room"]], "places of their own"
    assert not list(tmp_path.glob(folder_of("*").name)), "the locks are gone with the run"


def hear(seats: list[Seat], wanted: type) -> None:
    """Until each judge has said it."""
    left = {seat.fileno(): seat for seat in seats}
    while left:
        ready, _, _ = select.select(list(left), [], [], 120)
        assert ready, "a judge says nothing"
        for number in ready:
            events = left[number].events()
            assert not any(isinstance(event, Died | Lost) for event in events), events
            if any(isinstance(event, wanted) for event in events):
                del left[number]


def test_a_timed_submission_is_alone_among_the_judges_of_its_run(handed: Path, course: Path, tmp_path: Path) -> None:
    timed = Catalog(course).find("2")
    plain = replace(Catalog(course).find("1"), device="any")
    seats = [Seat(exercise, Settings(device="cpu", turns="0a")) for exercise in (timed, timed, plain)]
    files = Submission({"double.py": TEXT}, "")
    try:
        hear(seats, Open)
        for seat in seats:
            seat.grade(files, SEED)
        hear(seats, Graded)
    finally:
        for seat in seats:
            seat.close()
    found = sorted(spans(tmp_path / "trace"))
    assert sorted(span[2] for span in found) == ["ex01_double", "ex02_timed", "ex02_timed"]
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(found))


def test_on_a_cpu_by_request_the_footing_is_lower_and_a_run_on_a_gpu_replaces_it(handed: Path, course: Path) -> None:
    arguments = ["cohort", str(handed), f"--seed={SEED}", "--ex=1", "--only=ada"]
    assert main([*arguments, "--device=cpu", "--jobs=1"]) == 0
    assert main([*arguments, "--jobs=1"]) == 0
    with Gradebook.open(course / "gradebook.sqlite") as book:
        cpu, gpu = book.attempts()
        remarks = book.report(cpu.id).remarks
    assert (cpu.key.device, cpu.required_device, gpu.key.device) == ("cpu", "cuda", "cuda")
    assert cpu.footing.weaknesses == ["not on the required device"]
    assert cpu.verdict is Verdict.WRONG_ANSWER
    assert any("run on a CPU" in remark for remark in remarks)
    assert gpu.order > cpu.order
