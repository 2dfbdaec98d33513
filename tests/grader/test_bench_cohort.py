"""The bench of a class: the sides are alike, what is measured is what happened, and a wrong verdict ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from grader.bench import cohort, growth
from grader.bench.__main__ import main
from grader.bench.class_run import Run, run_class
from grader.bench.classroom import Sheet, draw
from grader.bench.cohort import Plan, exercises_of
from grader.bench.growth import looking
from grader.bench.otter import Otter, cache_folder, reach
from grader.bench.rivals import Sample, plain_pytest
from grader.bench.tree import Peak, Spent
from grader.catalog import Exercise
from grader.errors import JudgeError, UsageError
from grader.result import Verdict

ROOT = Path(__file__).resolve().parents[2]
RIGHT = "def double(x):\n    if x.dim() == 0:\n        raise ValueError(f'{x.item()}')\n    return x + x\n"
WRONG = "def double(x):\n    return 3 * x\n"
# Uses 0.3 s in a child that it waits for, which has used 0.3 s in another one that has ended.
BURNS = """
import os, time
def burn():
    began = time.process_time()
    while time.process_time() < began + 0.3:
        pass
if os.fork() == 0:
    if os.fork() == 0:
        burn()
        os._exit(0)
    os.wait()
    burn()
    os._exit(0)
os.wait()
print("done", flush=True)
time.sleep(60)
"""
# Three processes that hold the same 120 MB.
SHARES = """
import os, time
held = bytearray(os.urandom(1 << 20) * 120)
for _ in range(2):
    if os.fork() == 0:
        time.sleep(60)
print("done", flush=True)
time.sleep(60)
"""
# Takes 20 MB more for each line.
GROWS = """
import os, sys
held = []
for line in sys.stdin:
    held.append(os.urandom(20 << 20))
    print("done", flush=True)
"""


def test_a_class_is_the_same_for_a_seed_and_no_two_sheets_are_alike() -> None:
    """Half of it from each exercise, right and wrong answers, all quick."""
    exercises = exercises_of(ROOT)
    sheets = draw(exercises, 60, 3)
    assert sheets == draw(exercises, 60, 3) != draw(exercises, 60, 4)
    assert len({sheet.text for sheet in sheets}) == len({sheet.student for sheet in sheets}) == 60
    assert Counter(sheet.exercise.key for sheet in sheets) == {"1": 30, "2": 30}
    verdicts = Counter(verdict for sheet in sheets for verdict in sheet.expected)
    assert min(verdicts[Verdict.ACCEPTED], verdicts[Verdict.WRONG_ANSWER]) > 15
    assert Verdict.TIME_LIMIT not in verdicts


def test_a_large_class_asks_what_the_small_one_asks_many_times_over() -> None:
    """Otherwise their costs could not be compared."""
    small, large = (draw(exercises_of(ROOT), count, 3, 20) for count in (20, 60))
    plants = [[sheet.text.rpartition("\n\n#")[0] for sheet in sheets] for sheets in (small, large)]
    assert plants[1] == 3 * plants[0]
    assert [sheet.exercise for sheet in large] == 3 * [sheet.exercise for sheet in small]
    assert len({sheet.text for sheet in large}) == 60


@pytest.fixture
def started():
    """Starts Python on a piece of source, and waits for its first line where it is to have one."""
    processes = []

    def start(source: str, wait: bool = True) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", source]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)
        processes.append(process)
        assert not wait or process.stdout.readline() == "done\n"
        return process

    yield start
    for process in processes:
        os.killpg(process.pid, 9)
        process.communicate()


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
@pytest.mark.parametrize("name", ["bwrap", "python"])
def test_cpu_time_holds_that_of_sandboxes_that_are_killed(name: str, tmp_path: Path) -> None:
    """Whoever kills one gets no account of what was in it; what another process has used is counted once."""
    (tmp_path / name).symlink_to(sys.executable)
    # It does not wait for what it starts: one that did could still take its account over while both are being killed.
    start = (
        f"import subprocess, time; _ = subprocess.Popen([{str(tmp_path / name)!r}, '-c', {BURNS!r}]); time.sleep(60)"
    )
    spent = Spent()
    with subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, process_group=0) as process:
        assert process.stdout.readline() == b"done\n"
        for _ in range(3):
            spent.look(process.pid)
        os.killpg(process.pid, 9)
    assert spent.seconds() >= 0.6 if name == "bwrap" else spent.seconds() < 0.6


@linux
def test_memory_that_processes_share_counts_once(started) -> None:
    """Three processes with the same 120 MB take 120 MB."""
    peak, process = Peak(), started(SHARES)
    with peak.watching(process.pid, 0.01):
        while peak.looks < 3:
            pass
    assert 120 <= peak.megabytes < 200


@linux
def test_memory_that_grows_with_the_class_is_seen(started) -> None:
    """A look at every second result; the first one only says who lasts."""
    process = started(GROWS, wait=False)
    sizes: list[tuple[float, float]] = []
    look = looking(2, sizes)
    for count in range(1, 9):
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        look(count, process.pid)
    assert len(sizes) == 3
    for heads, lasting in sizes:
        assert heads == lasting
    assert sizes[-1][0] - sizes[0][0] > 70


def test_a_class_is_graded_and_each_verdict_is_held_against_the_plant(toy: Exercise, course: Path) -> None:
    """Real judges: time, CPU time of all processes and memory come back."""
    seen: list[int] = []
    sheets = [
        Sheet("ada", toy, frozenset({Verdict.ACCEPTED}), RIGHT),
        Sheet("bob", toy, frozenset({Verdict.WRONG_ANSWER}), WRONG),
    ]
    run = run_class(course, sheets, lambda count, _: seen.append(count), pause=0.05)
    assert seen == [1, 2]
    assert run.seconds > 0
    if sys.platform == "linux":
        assert run.cpu > 1  # each judge and each sandbox has imported torch
        assert run.peak.megabytes > 200


@pytest.mark.parametrize(
    ("lines", "code", "what"),
    [
        (["ada  ex01_double  1 / 3  wrong answer"], 0, "otherwise"),
        (["ada  ex01_double  3 / 3  accepted"], 3, "ended with 3"),
        (["0 graded"], 0, "no verdict on 1 of 1"),
    ],
)
def test_a_wrong_verdict_a_missing_one_and_a_fault_end_the_bench(
    toy: Exercise, course: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], code: int, what: str
) -> None:
    """Figures of a grader that errs are worth nothing. Here another command takes the place of `dojo cohort`."""
    fake = course / "python"
    fake.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines) + f"exit {code}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    with pytest.raises(JudgeError, match=what):
        run_class(course, [Sheet("ada", toy, frozenset({Verdict.ACCEPTED}), RIGHT)])


def test_plain_pytest_goes_through_the_hidden_suite(toy: Exercise, tmp_path: Path) -> None:
    """A wrong answer was gone through as well; a suite that can't be is a fault of ours."""
    sample, sheet = Sample(), Sheet("bob", toy, frozenset(), WRONG)
    part = sample.add([sheet], plain_pytest)
    assert sample.seconds == part.seconds
    assert sample.seconds[0] <= sample.elapsed == part.elapsed
    toy.hidden_suite.write_text("import nothing_of_this_name\n")
    with pytest.raises(JudgeError, match="ended with 2"):
        plain_pytest(sheet, tmp_path / "broken")


def test_a_registry_that_can_not_be_reached_leaves_otter_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says so, and the rest is measured."""

    def create(folder: Path, **_: object) -> None:
        (folder / "bin").mkdir(parents=True)
        python = folder / "bin" / "python"
        python.write_text("#!/bin/sh\necho 'ERROR: No matching distribution found for otter-grader' >&2\nexit 1\n")
        python.chmod(0o755)

    monkeypatch.setattr(venv, "create", create)
    assert reach(tmp_path / "otter", tmp_path) is None
    said = capsys.readouterr().err
    assert said == "otter-grader is left out: pip can't install otter-grader: " + (
        "ERROR: No matching distribution found for otter-grader\n"
    )
    assert not (tmp_path / "otter" / "ready").exists()


@pytest.mark.skipif(not (cache_folder() / "ready").exists(), reason="`make bench ONLY=cohort` has made no otter yet")
def test_otter_goes_through_the_same_tests(toy: Exercise, tmp_path: Path) -> None:
    """All of them on a right answer; a wrong one passes those that it should."""
    otter = Otter(cache_folder(), tmp_path)
    otter.prepare(toy)
    for name, text, share in (("ada", RIGHT, 1.0), ("bob", RIGHT.replace("x + x", "3 * x"), 0.5)):
        (tmp_path / name).mkdir()
        assert otter.score(Sheet(name, toy, frozenset(), text), tmp_path / name) == share
    with zipfile.ZipFile(tmp_path / f"{toy.slug}.zip") as archive:
        assert archive.read("files/hidden/suite.py") == toy.hidden_suite.read_bytes()


def test_a_ratio_is_of_seconds_a_submission(monkeypatch: pytest.MonkeyPatch, toy: Exercise, course: Path) -> None:
    """10 submissions in 5 s against samples that take 8 s for 4: a quarter, in each of two rounds."""

    def add(self: Sample, sheets: list[Sheet], _: object) -> Sample:
        self.seconds += [3.0] * len(sheets)
        return Sample([3.0] * len(sheets), 2.0 * len(sheets))

    def graded(_: Path, sheets: list[Sheet], **__: object) -> Run:
        return Run(len(sheets), 0.5 * len(sheets), 0.4 * len(sheets))

    monkeypatch.setattr(Sample, "add", add)
    monkeypatch.setattr(cohort, "run_class", graded)
    monkeypatch.setattr(cohort, "EXERCISES", ("1",))
    monkeypatch.setattr(cohort, "draw", lambda *_: [Sheet(str(n), toy, frozenset(), "") for n in range(10)])
    monkeypatch.setattr(cohort, "reach", lambda *_: None)
    figures, aims = cohort.cohort(course, Plan(10, 2, 2))
    assert [(aim.name, aim.value, aim.met) for aim in aims] == [
        ("a submission, dojo cohort / plain pytest", 0.25, False)
    ]
    rows = {row.name: row for row in figures}
    assert rows["dojo cohort, 10 submissions: CPU s each"].median == pytest.approx(0.4)
    assert rows["plain pytest, 2 at a time: s from start to end"].n == 8
    with pytest.raises(UsageError, match="need a class of 12"):
        cohort.cohort(course, Plan(10, 3, 2))


def test_a_submission_that_costs_more_in_a_large_class_misses_the_aim() -> None:
    """By CPU time, against the mean of the small classes before and after."""
    small = [Run(10, 10.0, 9.0), Run(10, 10.0, 11.0)]
    for cpu, met in ((109.0, True), (112.0, False)):
        _, (aim,) = growth._costs(small, Run(100, 100.0, cpu))
        assert (aim.value, aim.met) == (pytest.approx(cpu / 100), met)


@pytest.mark.parametrize(
    "options",
    [["--only", "nonsense"], ["--only", "cohort", "--submissions", "3"], ["--only", "growth", "--large", "1"]],
)
def test_wrong_usage_is_one_line(options: list[str], monkeypatch, capsys) -> None:
    """With exit code 2, before anything is measured."""
    monkeypatch.setattr(sys, "argv", ["bench", *options])
    monkeypatch.chdir(ROOT)
    assert main() == 2
    error = capsys.readouterr().err
    assert error.startswith("bench: ")
    assert error.count("\n") == 1
