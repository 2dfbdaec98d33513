"""`dojo watch` in a real terminal: every kind of save, every key, every end. The terminal is tmux."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from grader.__main__ import main
from grader.course.store import Store
from grader.result import Report
from tests.faults.processes import children

DEADLINE = 60.0
USAGE, INTERRUPTED = 2, 130
TMUX = shutil.which("tmux")
needs_tmux = pytest.mark.skipif(TMUX is None, reason="the tests of the screen need tmux (Debian package 'tmux')")
pytestmark = pytest.mark.xdist_group("watch")

RIGHT = """from torch import Tensor


def double(x: Tensor) -> Tensor:
    if x.dim() == 0:
        raise ValueError(f"a scalar {x.item()}")
    return 2 * x
"""
THRICE = RIGHT.replace("2 * x", "3 * x")
UNCHECKED = RIGHT.replace("x.dim() == 0", "False")
HALF = RIGHT.replace("2 * x", "2 * (x")
FILE = "exercises/ex01_double/double.py"
SUITE = "tests/hidden/ex01_double/test_double.py"
TRAINS = '''

import time


@pytest.mark.task(2)
@pytest.mark.training
def test_trains(submission):
    """It learns."""
    submission.double(torch.ones(1))
    while not {flag!r} or not __import__("pathlib").Path({flag!r}).exists():
        time.sleep(0.05)
'''


class Pane:
    """A terminal of its own, with one command in it."""

    def __init__(self, folder: Path, command: str, width: int = 80, height: int = 24, **environment: str) -> None:
        self.width, self.height = width, height
        self._folder = tempfile.mkdtemp(prefix="pane-", dir="/tmp")  # a socket's path is to be short
        self._server = f"{self._folder}/tmux"
        self._environment = {**os.environ, **environment}
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-s",
            "w",
            f"-x{width}",
            f"-y{height}",
            "-c",
            str(folder),
            "sleep 600",
        )
        self._tmux("set-option", "-g", "remain-on-exit", "on")
        self._tmux("set-option", "-g", "window-size", "manual")
        self._tmux("resize-window", "-t", "w", f"-x{width}", f"-y{height}")
        # tmux does not always learn how its program ended, so a shell around it writes that down.
        self._status = Path(self._folder, "status")
        self._wrapped = command.startswith("exec ") and "bash" not in command
        if self._wrapped:
            command = f"trap : INT TERM HUP; {command.removeprefix('exec ')}; echo $? > {self._status}"
        self._tmux("respawn-pane", "-k", "-t", "w", "-c", str(folder), command)

    def _tmux(self, *arguments: str) -> str:
        assert TMUX
        done = subprocess.run(
            [TMUX, "-S", self._server, *arguments], env=self._environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def screen(self) -> str:
        """What is to be seen. It is never longer than the pane, and never a traceback."""
        text = self._tmux("capture-pane", "-p", "-t", "w").rstrip("\n")
        assert "Traceback" not in text
        assert len(text.splitlines()) <= self.height
        return text

    def wait(self, pattern: str, absent: str = "(?!)") -> str:
        """The screen, once it shows `pattern`."""
        deadline = time.monotonic() + DEADLINE
        while True:
            text = self.screen()
            if re.search(pattern, text) and not re.search(absent, text):
                return text
            assert time.monotonic() < deadline, f"no {pattern!r} within {DEADLINE:g} s on\n{text}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "w", *keys)

    def resize(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._tmux("resize-window", "-t", "w", f"-x{width}", f"-y{height}")

    def about(self, name: str) -> str:
        return self._tmux("display-message", "-p", "-t", "w", f"#{{{name}}}").strip()

    @property
    def process(self) -> int:
        shell = int(self.about("pane_pid"))
        if not self._wrapped:
            return shell
        until(lambda: children(shell))
        return children(shell)[0]

    def ended(self) -> int:
        """Waits for the command's end; its exit code as a shell gives it, 128 more than a signal."""
        until(lambda: self._status.exists() and self._status.read_text())
        return int(self._status.read_text())

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")
        shutil.rmtree(self._folder, ignore_errors=True)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def offspring(root: int) -> dict[int, str]:
    """The processes below `root`, with the moment in which each was born, for numbers are used again."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _stat(int(entry.name))):
            parents[int(entry.name)] = found
    found, edge = {root: parents[root][1]}, [root]
    while edge:
        edge = [number for number, (parent, _) in parents.items() if parent in edge]
        found |= {number: parents[number][1] for number in edge}
    return found


def _stat(number: int) -> tuple[int, str] | None:
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[19]


def alive(processes: dict[int, str]) -> list[int]:
    return [number for number, born in processes.items() if (found := _stat(number)) and found[1] == born]


def command(*arguments: str) -> str:
    return " ".join([f"exec '{sys.executable}' -m grader watch", *arguments])


@pytest.fixture
def panes() -> Iterator[list[Pane]]:
    opened: list[Pane] = []
    yield opened
    for pane in opened:
        pane.close()


@pytest.fixture
def watch(course: Path, panes: list[Pane]) -> Callable[..., Pane]:
    def start(*arguments: str, width: int = 80, height: int = 24, **environment: str) -> Pane:
        pane = Pane(course, command(*arguments), width, height, **environment)
        panes.append(pane)
        return pane

    return start


def write(path: Path, text: str) -> None:
    path.write_text(text)


def replace(path: Path, text: str) -> None:
    new = path.with_name(".double.py.tmp")
    new.write_text(text)
    new.replace(path)


def remake(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def move_aside(path: Path, text: str) -> None:
    path.rename(path.with_name("double.py~"))
    path.write_text(text)


def in_pieces(path: Path, text: str) -> None:
    with path.open("w") as file:
        for place in range(0, len(text), 20):
            file.write(text[place : place + 20])
            file.flush()
            time.sleep(0.02)


def report(course: Path) -> Report:
    return Report.from_json((course / "reports/ex01_double/report.json").read_text())


# --- saves


@needs_tmux
def test_every_kind_of_save_brings_its_verdict(course: Path, watch: Callable[..., Pane]) -> None:
    pane, work = watch("1"), course / FILE
    stub = work.read_text()
    screen = pane.wait(r"verdict in \d")
    assert "0 of 3 points" in screen
    assert "Task 1 is to be written: Twice" in screen
    stories = [
        (write, THRICE, r"✗ Doubling doubles"),
        (replace, UNCHECKED, r"✗ A scalar is refused"),
        (move_aside, THRICE, r"✗ Doubling doubles"),
        (remake, UNCHECKED, r"✗ A scalar is refused"),
        (in_pieces, THRICE, r"✗ Doubling doubles"),
        (write, HALF, r"The file can't be run"),
        (write, UNCHECKED, r"✗ A scalar is refused"),
        (write, "", r"no such name|to be written"),
        (write, THRICE[:60], r"can't be run"),
        (write, "raise SystemExit(0)\n", r"✗ Doubling doubles[\s\S]*SystemExit"),
        (write, stub, r"Task 1 is to be written"),
        (replace, RIGHT, r"All 3 points. Well done!"),
    ]
    for number, (save, text, expected) in enumerate(stories):
        save(work, text)
        screen = pane.wait(rf"{expected}[\s\S]*verdict in \d", absent="before this save")
        assert ("can't be run" in screen) == (text in (HALF, THRICE[:60])), f"story {number}"
    assert report(course).points == 3

    half = course / "exercises/ex01_double/elsewhere.py"
    work.rename(half)
    assert "no such file" in pane.wait("The file can't be run")
    half.rename(work)
    pane.wait(r"All 3 points[\s\S]*verdict in")
    write(work, HALF)
    screen = pane.wait("can't be run")
    assert "double.py, line 7" in screen
    assert re.search(r"return 2 \* \(x\n +\^", screen)


@needs_tmux
def test_a_burst_of_saves_ends_with_the_verdict_on_the_last(course: Path, watch: Callable[..., Pane]) -> None:
    pane, random = watch("1"), Random(7)
    pane.wait(r"verdict in \d")
    for _ in range(25):
        replace(course / FILE, random.choice([THRICE, UNCHECKED, HALF, RIGHT]))
        time.sleep(random.uniform(0.0, 0.4))
    replace(course / FILE, THRICE)
    screen = pane.wait(r"✗ Doubling doubles[\s\S]*verdict in \d", absent="before this save")
    assert "has ended" not in screen  # no judge was lost on the way


@needs_tmux
def test_a_time_stamp_alone_runs_nothing(course: Path, watch: Callable[..., Pane]) -> None:
    (course / FILE).write_text(RIGHT)
    pane = watch("1")
    screen = pane.wait(r"verdict in \d")
    path = course / "reports/ex01_double/report.json"
    before = path.stat().st_mtime_ns
    (course / FILE).touch()
    replace(course / FILE, RIGHT)
    time.sleep(1.5)  # three looks
    assert pane.screen() == screen
    assert path.stat().st_mtime_ns == before


@needs_tmux
def test_a_file_system_without_events_is_looked_at(course: Path, watch: Callable[..., Pane]) -> None:
    pane = watch("1", "--poll")
    pane.wait(r"verdict in \d")
    replace(course / FILE, THRICE)
    pane.wait(r"✗ Doubling doubles[\s\S]*verdict in")


# --- keys and sizes


@needs_tmux
def test_the_keys(course: Path, watch: Callable[..., Pane]) -> None:
    other = course / "exercises/ex02_other"
    shutil.copytree(course / "exercises/ex01_double", other)
    shutil.copytree(course / "tests/hidden/ex01_double", course / "tests/hidden/ex02_other")
    (other / "exercise.toml").write_text((other / "exercise.toml").read_text().replace("Doubling", "Another"))
    work = course / FILE
    stub = work.read_text()
    work.write_text(THRICE)
    pane = watch()
    quiet = pane.wait(r"verdict in \d")
    for key in ("z", "Up", "Left", "F5", "Escape", "Enter", "5", "M-q"):
        pane.press(key)
    time.sleep(0.5)
    assert pane.screen() == quiet
    pane.press("?")
    pane.wait("one more hint for the task")
    pane.press("Escape")
    pane.wait("Doubling doubles")
    pane.press("h")
    pane.wait(r"hint 1 +Think of 2")
    pane.press("h")
    pane.wait("no more hints")
    assert Store(course).read().hints("ex01_double", 1) == 1  # as `dojo hint` would have counted it
    pane.press("l")
    assert "Another" in pane.wait(r"› ✗ +1  Doubling +1 / 3")
    pane.press("?")
    pane.wait("one more hint for the task")
    pane.press("?")
    pane.wait("Doubling doubles")

    pane.press("r")
    pane.wait("r again")
    pane.press("z")
    pane.wait("Doubling doubles", absent="r again")
    pane.press("r")
    pane.wait("r again")
    assert work.read_text() == THRICE
    pane.press("r")
    pane.wait(r"your text is kept as double.py.1")
    assert work.read_text() == stub
    assert (work.parent / "double.py.1").read_text() == THRICE
    pane.wait(r"Task 1 is to be written[\s\S]*verdict in \d")

    before = (course / "reports/ex01_double/report.json").stat().st_mtime_ns
    pane.press("a")
    until(lambda: (course / "reports/ex01_double/report.json").stat().st_mtime_ns != before)
    pane.press("n")
    pane.wait("ex02 Another")
    pane.wait(r"verdict in \d")
    pane.press("p")
    pane.wait(r"ex01 Doubling[\s\S]*verdict in \d")
    replace(work, RIGHT)
    assert "n goes on to the next one: 2, Another" in pane.wait("All 3 points")
    pane.press("n")
    pane.wait("ex02 Another")  # while its judge is still warming up
    everything = offspring(pane.process)
    pane.press("q")
    assert pane.ended() == 0
    until(lambda: not alive(everything))


@needs_tmux
def test_the_screen_follows_the_size_of_the_terminal(course: Path, watch: Callable[..., Pane]) -> None:
    (course / FILE).write_text(THRICE)
    pane = watch("1")
    pane.wait(r"verdict in \d")
    for width, height in ((40, 12), (40, 10), (200, 50), (20, 5), (10, 3), (80, 24)):
        pane.resize(width, height)
        pattern = r"✗ Doubling doubles[\s\S]*verdict in \d" if width >= 40 else r"verdict"
        screen = pane.wait(pattern)
        until(lambda: len(pane.screen().splitlines()) == pane.height)  # the foot is the last line, of the new size
        assert all(len(line) <= width for line in screen.splitlines())


# --- what it runs, and what lies under it


@needs_tmux
def test_training_comes_after_the_verdict_and_a_save_interrupts_it(course: Path, watch: Callable[..., Pane]) -> None:
    flag = course / "trained"
    (course / SUITE).write_text((course / SUITE).read_text() + TRAINS.format(flag=str(flag)))
    (course / FILE).write_text(THRICE)
    pane = watch("1")
    screen = pane.wait(r"training \d+ s")
    assert "✗ Doubling doubles" in screen  # the verdict on the quick ones is there before
    assert "… It learns" in screen
    assert not (course / "reports/ex01_double/report.json").exists()
    replace(course / FILE, UNCHECKED)  # fails a quick test of the task that trains
    screen = pane.wait(r"✗ A scalar is refused[\s\S]*verdict in \d")
    assert "It learns" not in screen
    assert [task.points for task in report(course).tasks] == [2, 0]
    replace(course / FILE, RIGHT)
    pane.wait(r"training \d+ s")
    pane.wait(r"training [2-9] s")  # the clock runs
    assert report(course).points == 2  # the last complete one
    flag.touch()
    pane.wait("All 3 points")
    until(lambda: report(course).points == 3)  # seen first, kept then


@needs_tmux
def test_a_change_of_the_tests_renews_the_judge(course: Path, watch: Callable[..., Pane]) -> None:
    (course / FILE).write_text(RIGHT)
    pane = watch("1")
    pane.wait("All 3 points")
    judges = offspring(pane.process).keys() - {pane.process}
    suite = (course / SUITE).read_text()
    (course / SUITE).write_text(suite.replace("x + x", "x + x + x"))
    pane.wait("the tests changed: a new warm judge starts")
    screen = pane.wait(r"✗ Doubling doubles[\s\S]*verdict in \d", absent="before this save")
    assert "1 of 3 points" in screen
    assert not judges & (offspring(pane.process).keys() - {pane.process})
    (course / "exercises/ex01_double/exercise.toml").write_text("nonsense = 1\n")
    pane.wait("unknown key 'nonsense'")
    everything = offspring(pane.process)
    pane.press("q")
    assert pane.ended() == 0
    until(lambda: not alive(everything))


@needs_tmux
def test_the_settings_of_the_course_count_from_the_moment_they_are_saved(
    course: Path, watch: Callable[..., Pane]
) -> None:
    settings = course / "course.toml"
    settings.write_text('[visibility]\ndefault = "public"\n')
    (course / FILE).write_text(RIGHT.replace("2 * x", "3 * x"))
    pane = watch("1")
    pane.wait(r"✗ Doubling doubles[\s\S]*verdict in \d")
    settings.write_text('[visibility]\ndefault = "hidden"\n')
    pane.wait("the settings of the course changed: a new warm judge starts")
    screen = pane.wait(r"verdict in \d", absent="Doubling doubles")
    assert "1 of 3 points" in screen
    settings.write_text('[visibilty]\ndefault = "hidden"\n')
    pane.wait("'visibilty'")
    pane.press("q")
    assert pane.ended() == 0


@needs_tmux
def test_a_judge_that_dies_is_renewed_once_and_then_told(course: Path, watch: Callable[..., Pane]) -> None:
    (course / FILE).write_text(RIGHT)
    pane = watch("1")
    pane.wait("All 3 points")
    _kill_judge(pane)
    pane.wait("the warm judge has ended")
    pane.wait(r"All 3 points[\s\S]*verdict in \d")
    (course / SUITE).write_text("this is no Python\n")  # what comes of a new judge now is none
    pane.wait("a fault of the grader, not of yours")
    assert report(course).points == 3
    (course / SUITE).write_text(SUITE_OF_ONE)
    pane.wait(r"All 2 points[\s\S]*verdict in \d")


SUITE_OF_ONE = '''
import pytest


@pytest.mark.task(1)
def test_there_is_something(submission):
    """There is something."""
'''


def _kill_judge(pane: Pane) -> None:
    for number in offspring(pane.process):
        with contextlib.suppress(OSError):
            if b"grader.live.standing" in Path(f"/proc/{number}/cmdline").read_bytes():
                os.kill(number, signal.SIGKILL)
                return
    pytest.fail("there is no judge")


# --- ends


@needs_tmux
@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGHUP", "SIGKILL", "the terminal goes", "while it warms up"])
def test_no_end_leaves_a_process_or_a_file(
    course: Path, watch: Callable[..., Pane], tmp_path_factory, how: str
) -> None:
    temporary = tmp_path_factory.mktemp("tmp")
    pane = watch("1", TMPDIR=str(temporary))
    pane.wait("warming up" if how == "while it warms up" else r"verdict in \d")
    everything = offspring(pane.process)
    if how in ("Ctrl-C", "while it warms up"):
        pane.press("C-c")
        assert pane.ended() == INTERRUPTED
        assert "interrupted" in pane.wait("interrupted")
        assert pane.about("alternate_on") == "0"
    elif how == "the terminal goes":
        pane.close()
    else:
        os.kill(pane.process, getattr(signal, how))
        assert pane.ended() == (128 + signal.SIGKILL if how == "SIGKILL" else INTERRUPTED)
    until(lambda: not alive(everything))
    until(lambda: all(path.name.startswith("torchinductor") for path in temporary.iterdir()))  # torch's own cache
    there = {str(path.relative_to(course)) for path in course.rglob("*") if path.is_file()}
    assert not [name for name in there if "tmp" in name or name.endswith("~")]


@needs_tmux
def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(course: Path, panes: list[Pane]) -> None:
    (course / FILE).write_text(RIGHT)
    pane = Pane(course, "exec bash --norc --noprofile -i", PS1="shell> ", PROMPT_COMMAND="")
    panes.append(pane)
    pane.wait("shell>|bash")
    pane.press(command("1").removeprefix("exec "), "Enter")
    pane.wait("All 3 points")
    pane.press("C-z")
    screen = pane.wait("Stopped")
    assert "All 3 points" not in screen
    assert pane.about("alternate_on") == "0"
    assert pane.about("cursor_flag") == "1"
    replace(course / FILE, THRICE)
    pane.press("fg", "Enter")
    pane.wait(r"✗ Doubling doubles[\s\S]*verdict in")
    assert pane.about("alternate_on") == "1"
    pane.press("q")
    pane.wait("shell>|bash", absent="Doubling doubles")
    pane.press("stty -a", "Enter")
    assert re.search(r"[^-]icanon", pane.wait("icanon"))


def test_a_pipe_gets_a_block_of_lines_for_each_save(course: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "grader", "watch", "1"],
        cwd=course,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in a shell's background jobs
    )
    assert process.stdout
    assert process.stderr
    blocks = []
    for text in (THRICE, HALF, RIGHT):
        block = list(iter(process.stdout.readline, "\n"))
        blocks.append("".join(block))
        replace(course / FILE, text)
    blocks.append("".join(iter(process.stdout.readline, "\n")))
    everything = offspring(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == INTERRUPTED
    assert out == ""
    assert err == "\ndojo: interrupted; earlier reports are kept\n"
    until(lambda: not alive(everything))
    expected = ["Task 1 is to be written", "✗ Doubling doubles", "'(' was never closed", "All 3 points. Well done!"]
    for block, words in zip(blocks, expected, strict=True):
        assert words in block
        assert block.startswith(" ex01 Doubling")
        assert re.search(r"verdict in \d+\.\d\d s\n$", block)
        assert "\x1b" not in block


# --- the command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["watch", "99"], "there is no exercise '99'"),
        (["watch", "all"], "a watch is of one exercise"),
        (["watch", "1", "2"], "unexpected extra argument (2)"),
        (["watch", "1", "--device", "tpu"], "DEVICE='tpu' is not one of"),
        (["watch", "1", "--sandbox", "no"], "SANDBOX='no' is not one of"),
        (["watch", "1", "--suite", "all"], "SUITE='all' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(course)
    assert main(arguments) == USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dojo: ")
    assert said in err
    assert err.count("\n") == 1


def test_the_process_of_the_watch_imports_neither_torch_nor_pytest() -> None:
    program = """
import json, sys
import grader.live.watch, grader.live.affected
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pytest", "_pytest", "safetensors"} & set(json.loads(done.stdout))


def test_without_a_number_the_first_unsolved_exercise_is_watched(course: Path) -> None:
    from grader.catalog import Catalog
    from grader.live.watch import _chosen

    shutil.copytree(course / "exercises/ex01_double", course / "exercises/ex02_other")
    catalog = Catalog(course)
    assert _chosen(catalog, "").key == "1"
    for number, (verdict, following) in enumerate([("wrong_answer", "1"), ("accepted", "2")]):
        _keep_report(course, verdict)
        assert _chosen(catalog, "").key == following, f"report {number}"
    (course / "reports/ex01_double/report.json").write_text("{")  # what can't be read solves nothing
    assert _chosen(catalog, "").key == "1"


def _keep_report(course: Path, verdict: str) -> None:
    from grader.archive import keep, report_path
    from grader.catalog import Catalog
    from grader.result import Provenance, TaskResult, TestResult, Verdict

    exercise = Catalog(course).find("1")
    provenance = Provenance("", "", "", "", None, "cpu", "", "", "", {}, "", 0.0)
    test = TestResult("test", "A test", 1, Verdict(verdict), 0.1)
    body = Report("ex01_double", "Doubling", "hidden", provenance, [TaskResult(1, "Twice", 2, ["h"], [test])])
    assert keep(body, report_path(exercise)) == ""
