"""A class is graded by real judges: nothing of one submission reaches another, no accident costs more than itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.cohort import command
from grader.cohort.seat import Seat
from grader.gradebook.attempt import Attempt
from grader.gradebook.book import Gradebook
from grader.result import Verdict
from grader.submission import Submission

SEED = 11
SLUG = "ex01_double"
ROOT = Path(__file__).resolve().parents[2]
RIGHT = """
def double(x):
    if x.dim() == 0:
        raise ValueError(f"{x.item()}")
    return x + x
"""
WRONG = "def double(x):\n    return 3 * x\n"
SLOW = f"import time\ntime.sleep(1)\n{RIGHT}"
# Leaves something wherever a process may, and spoils what it can of its own.
LEAVES = (
    """
import builtins, glob, os, torch
for place in ("/tmp", "/dev/shm", "/var/tmp", ".", os.path.expanduser("~")):
    try:
        with open(os.path.join(place, "left-for-others"), "w") as file:
            file.write("4")
    except OSError:
        pass
try:
    from multiprocessing.shared_memory import SharedMemory
    kept = SharedMemory("left-for-others", create=True, size=16)
except OSError:
    pass
builtins.left_for_others = torch.left_for_others = 4
os.environ["LEFT_FOR_OTHERS"] = "4"
if os.fork() == 0:
    import time
    time.sleep(60)
"""
    + RIGHT
)
# Is right only where it finds nothing of the kind.
LOOKS = (
    """
import builtins, os, torch
places = ("/tmp", "/dev/shm", "/var/tmp", ".", os.path.expanduser("~"))
found = [place for place in places if os.path.exists(os.path.join(place, "left-for-others"))]
found += [one for one in (builtins, torch) if hasattr(one, "left_for_others")]
found += ["LEFT_FOR_OTHERS"] if "LEFT_FOR_OTHERS" in os.environ else []
if found:
    raise RuntimeError(f"{found}")
"""
    + RIGHT
)
CLASS = {
    "a_looks": LOOKS,
    "ada": RIGHT,
    "b_leaves": LEAVES,
    "bob": RIGHT,
    "c_looks": LOOKS,
    "cleo": WRONG,
    "dan": "def double(x:\n",
    "ends": "import os\nos._exit(0)\n",
    "hangs": "def double(x):\n    while True:\n        pass\n",
    "slow": SLOW,
    "stops": f"import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\n{RIGHT}",
}
POINTS = {
    **dict.fromkeys(("a_looks", "ada", "b_leaves", "bob", "c_looks", "slow"), 3.0),
    **dict.fromkeys(("cleo", "dan", "ends", "hangs"), 0.0),
}


@pytest.fixture
def handed(course: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a class's submissions, beside the course in which commands are run."""
    toml = course / "exercises" / SLUG / "exercise.toml"
    toml.write_text(toml.read_text().replace("test_seconds = 5.0", "test_seconds = 2.0"))
    for student, text in CLASS.items():
        hand_in(course / "class", student, text)
    monkeypatch.chdir(course)
    return course / "class"


def hand_in(folder: Path, student: str, text: str) -> None:
    path = folder / student / SLUG / "double.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def attempts(path: Path) -> list[Attempt]:
    with Gradebook.open(path) as book:
        assert list(book.check()) == []
        assert book.file.rows("SELECT * FROM claim") == []
        return book.attempts()


def outcome(one: Attempt) -> tuple[str, float, Verdict]:
    return one.student, one.points, one.verdict


def judges_of(course: Path) -> list[int]:
    """Judges that are at work in this course, and their forks."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"grader.cohort.judge" in (process / "cmdline").read_bytes() and (process / "cwd").readlink() == course:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def forks_of(judge: int, course: Path) -> list[int]:
    children = Path(f"/proc/{judge}/task/{judge}/children").read_text().split()
    return [pid for pid in judges_of(course) if str(pid) in children]


def wait_until(holds, what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_a_class_is_graded_and_neither_order_nor_accidents_change_a_result(
    handed: Path, course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["cohort", str(handed), f"--seed={SEED}"]
    assert main([*run, "--jobs=2", "--gradebook=first.sqlite"]) == 0
    told = capsys.readouterr().out
    first = attempts(Path("first.sqlite"))
    assert f"{len(CLASS)} graded, 0 known already" in told
    assert "lost" not in told
    assert {one.student: one.points for one in first if one.student != "stops"} == POINTS
    assert {one.student for one in first} == set(CLASS)
    assert len(first) == len(CLASS)
    assert all(told.count(f"{student} ") == 1 for student in CLASS)

    # Another order, one judge; a judge is killed at its work once, the fork for one submission each time.
    chosen, grade, killed = command.chosen, Seat.grade, []

    def shuffled(*arguments):
        found = chosen(*arguments)
        random.Random(SEED).shuffle(found)
        return found

    def accident(seat: Seat, submission: Submission, seed: int) -> None:
        grade(seat, submission, seed)
        if submission.files["double.py"] == WRONG and not killed:
            killed.append(seat.pid)
            os.kill(seat.pid, signal.SIGKILL)
        if submission.files["double.py"] == SLOW:
            wait_until(lambda: forks_of(seat.pid, course), "no fork was made for a submission")
            os.kill(forks_of(seat.pid, course)[0], signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(command, "chosen", shuffled)
        patch.setattr(Seat, "grade", accident)
        assert main([*run, "--jobs=1", "--gradebook=second.sqlite"]) == 3
    told = capsys.readouterr().out
    assert "(faults of ours: 1)" in told
    assert "judges that were lost and replaced (3)" in told
    second = attempts(Path("second.sqlite"))
    assert [one.student for one in first] != [one.student for one in second]
    expected = {outcome(one) for one in first if one.student != "slow"} | {("slow", 0.0, Verdict.JUDGE_ERROR)}
    assert {outcome(one) for one in second} == expected
    assert len(second) == len(CLASS)

    # The next run mends what failed here, and repeats nothing else.
    assert main([*run, "--jobs=2", "--gradebook=second.sqlite"]) == 0
    assert f"1 graded, {len(CLASS) - 1} known already" in capsys.readouterr().out
    again = attempts(Path("second.sqlite"))
    assert again[: len(second)] == second
    assert [outcome(one) for one in again[len(second) :]] == [("slow", 3.0, Verdict.ACCEPTED)]

    assert main([*run, "--only=ada", "--force", "--gradebook=second.sqlite"]) == 0
    assert [outcome(one) for one in attempts(Path("second.sqlite"))[len(again) :]] == [("ada", 3.0, Verdict.ACCEPTED)]
    wait_until(lambda: judges_of(course) == [], "a judge was left behind")


def test_killed_at_any_instant_it_resumes_loses_nothing_and_repeats_nothing(handed: Path, course: Path) -> None:
    chance, told, book = random.Random(SEED), [], course / "gradebook.sqlite"
    command_line = [sys.executable, "-m", "grader", "cohort", str(handed), "--jobs=1", f"--seed={SEED}"]
    for slow in ("hangs", "stops"):
        (handed / slow / SLUG / "double.py").unlink()
    left = {student: POINTS[student] for student in CLASS if student not in ("hangs", "stops")}

    def started() -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True, env=env, cwd=course)

    for lines in (0, 1, 3):
        with started() as process:
            assert process.stdout
            if not lines:
                wait_until(lambda: judges_of(course), "no judge was started")
            told += [process.stdout.readline() for _ in range(lines)]
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
            told += [line for line in process.stdout if line.endswith("\n")]
        said = {line.split()[0] for line in told}
        with Gradebook.open(book) as kept:
            assert said <= {one.student for one in kept.attempts()}
        wait_until(lambda: judges_of(course) == [], "a judge has outlived its dispatcher")
    with started() as last:
        assert last.stdout
        told += [line for line in last.stdout if SLUG in line]
    assert last.returncode == 0
    assert len(told) == len({line.split()[0] for line in told})
    stored = attempts(book)
    assert {one.student: one.points for one in stored} == left
    assert len(stored) == len(left)


def test_two_runs_share_the_work_and_what_one_leaves_when_interrupted_the_other_grades(
    handed: Path, course: Path
) -> None:
    command_line = [sys.executable, "-m", "grader", "cohort", str(handed), "--jobs=1"]
    env, pipe = {**os.environ, "PYTHONPATH": str(ROOT)}, subprocess.PIPE

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(command_line, stdout=pipe, stderr=pipe, text=True, env=env, cwd=course)

    with started() as one, started() as other:
        assert one.stdout
        told = [one.stdout.readline()]
        one.send_signal(signal.SIGINT)
        out, error = one.communicate()
        rest, _ = other.communicate()
    assert (one.returncode, other.returncode) == (130, 0)
    assert "are left, and the same command goes on with them" in error
    assert "Traceback" not in out + error
    told += [line for line in (out + rest).splitlines() if SLUG in line]
    assert sorted(line.split()[0] for line in told) == sorted(CLASS)
    stored = attempts(course / "gradebook.sqlite")
    assert sorted(each.student for each in stored) == sorted(CLASS)
    assert {each.student: each.points for each in stored if each.student != "stops"} == POINTS
    wait_until(lambda: judges_of(course) == [], "a judge was left behind")


def test_a_suite_that_does_not_import_costs_nobody_points(handed: Path, course: Path) -> None:
    suite = course / "tests/hidden" / SLUG / "test_double.py"
    suite.write_text("import no_such_module\n")
    assert main(["cohort", str(handed), "--jobs=1", "--only=ada", "--only=dan"]) == 3
    (one, other) = attempts(course / "gradebook.sqlite")
    assert {one.student, other.student} == {"ada", "dan"}
    assert {each.student: each.verdict for each in (one, other)} == {
        "ada": Verdict.JUDGE_ERROR,
        "dan": Verdict.RUN_TIME_ERROR,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which submissions"),
        (["nowhere"], "there is nothing at 'nowhere'"),
        (["class", "--only=adda"], "did you mean 'ada'"),
        (["class", "--jobs=0"], "--jobs '0'"),
        (["class", "--roster=nowhere.csv"], "'nowhere.csv' can't be read"),
        (["class", "--ex=9"], "there is no exercise '9'"),
        (["exercises/ex01_double/double.py"], "neither a folder nor a zip"),
    ],
)
def test_what_was_meant_is_asked_in_one_line(
    handed: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["cohort", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
