"""The warm judge: real processes, real forks, the course's own exercises."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.catalog import Catalog, Exercise
from grader.errors import UsageError
from grader.grading import Settings, grade
from grader.live.station import Died, Done, Event, Finished, Ready, Started, Station
from grader.proof.plants import reference_files
from grader.result import Verdict
from grader.sandbox import Mode
from tests.faults.processes import below, wait_until

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds; torch takes long to import on a loaded machine
ENDLESS = "def pairwise_squared_distance(a, b):\n    while True:\n        pass\n"


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    return Catalog(ROOT).find("2")


@pytest.fixture(scope="module")
def station(exercise: Exercise) -> Iterator[tuple[Station, Ready]]:
    one = Station(exercise, Settings(device="cpu"))
    try:
        yield one, until(one, Ready)
    finally:
        one.close()


def until(station: Station, kind: type[Any], seen: list[Event] | None = None) -> Any:
    """The next event of a kind; those before it are put into `seen`."""
    deadline = time.monotonic() + PATIENCE
    kept: list[Event] = seen if seen is not None else []
    while time.monotonic() < deadline:
        select.select([station], [], [], 1.0)
        for event in station.events():
            kept.append(event)
            if isinstance(event, kind):
                return event
            assert not isinstance(event, Died), event
    raise AssertionError(f"no {kind.__name__} in time; seen {kept}")


def outcome(station: Station, files: dict[str, str], names: list[str]) -> tuple[Done, dict[str, Verdict]]:
    seen: list[Event] = []
    station.run(files, names)
    done = until(station, Done, seen)
    return done, {each.result.name: each.result.verdict for each in seen if isinstance(each, Finished)}


def test_it_says_what_the_suite_holds(station: tuple[Station, Ready]) -> None:
    _, ready = station
    assert len(ready.items) > 20
    assert {item.task for item in ready.items} == {1, 2, 3, 4, 5}
    assert all(item.sentence for item in ready.items)
    assert not any(item.training for item in ready.items)
    assert "torch" in ready.versions


@pytest.mark.parametrize("plant", ["", "wrong_answer", "run_time_error"])
def test_each_test_has_the_verdict_that_a_cold_grade_gives_it(
    station: tuple[Station, Ready], exercise: Exercise, tmp_path: Path, plant: str
) -> None:
    box, ready = station
    source = sorted((exercise.hidden / plant).glob("*.py"))[0] if plant else exercise.solution / exercise.files[0]
    (tmp_path / exercise.files[0]).write_text(source.read_text())
    cold = grade(exercise, tmp_path, Settings(device="cpu"))
    expected = {test.name: test.verdict for task in cold.tasks for test in task.tests}
    done, got = outcome(box, {exercise.files[0]: source.read_text()}, [item.name for item in ready.items])
    assert done.faults == []
    assert got == expected


def test_plain_processes_give_the_same_verdicts(exercise: Exercise) -> None:
    station = Station(exercise, Settings(sandbox=Mode.OFF, device="cpu"))
    try:
        ready = until(station, Ready)
        assert ready.isolation == "plain process"
        done, got = outcome(station, reference_files(exercise), [item.name for item in ready.items])
        assert (done.faults, set(got.values())) == ([], {Verdict.ACCEPTED})
    finally:
        station.close()


def test_only_the_tests_that_were_asked_for_run_and_each_once(
    station: tuple[Station, Ready], exercise: Exercise
) -> None:
    box, ready = station
    names = [item.name for item in ready.items][3:8]
    seen: list[Event] = []
    box.run(reference_files(exercise), [*names, "test_that_is_not_there"])
    until(box, Done, seen)
    assert sorted(each.name for each in seen if isinstance(each, Started)) == sorted(names)
    assert sorted(each.result.name for each in seen if isinstance(each, Finished)) == sorted(names)


def test_a_run_of_nothing_ends_at_once(station: tuple[Station, Ready], exercise: Exercise) -> None:
    box, _ = station
    done, got = outcome(box, reference_files(exercise), [])
    assert (done.faults, got) == ([], {})


def test_nothing_is_kept_from_run_to_run(station: tuple[Station, Ready], exercise: Exercise) -> None:
    box, ready = station
    names = [item.name for item in ready.items]
    wrong = (sorted((exercise.hidden / "wrong_answer").glob("*.py"))[0]).read_text()
    right = reference_files(exercise)
    seeds = set()
    for files, all_pass in ((right, True), ({exercise.files[0]: wrong}, False), (right, True)):
        done, got = outcome(box, files, names)
        assert (set(got.values()) == {Verdict.ACCEPTED}) is all_pass
        seeds.add(done.seed)
    assert len(seeds) == 3


def test_a_new_run_ends_the_one_under_way_and_its_processes(exercise: Exercise) -> None:
    first = Catalog(ROOT).find("1")
    station = Station(first, Settings(device="cpu"))
    try:
        names = [item.name for item in until(station, Ready).items]
        station.run({first.files[0]: ENDLESS}, names)
        until(station, Started)
        busy = below(station._process.pid)
        began = time.monotonic()
        done, got = outcome(station, reference_files(first), names[:4])
        assert time.monotonic() - began < first.limits.test_seconds
        assert done.faults == []
        assert list(got.values()) == [Verdict.ACCEPTED] * 4
        station.run({first.files[0]: ENDLESS}, names)
        until(station, Started)
        station.cancel()
        wait_until(lambda: not lanes(station))
        assert station.events() == []
        assert busy
    finally:
        everything = below(station._process.pid)
        station.close()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything))


def lanes(station: Station) -> list[int]:
    """The forks of the warm judge: they have its command line, and bubblewrap has another."""
    command = Path(f"/proc/{station._process.pid}/cmdline").read_bytes()
    return [pid for pid in below(station._process.pid) if _read(pid) == command]


def _read(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill_lanes(station: Station) -> None:
    for pid in lanes(station):
        os.kill(pid, signal.SIGKILL)


def kill_the_sandbox(station: Station) -> None:
    for pid in below(station._process.pid):
        if b"bwrap" in _read(pid):
            os.kill(pid, signal.SIGKILL)


def test_lanes_that_are_killed_are_a_fault_of_ours_and_the_next_run_is_whole(exercise: Exercise) -> None:
    station = Station(exercise, Settings(device="cpu"))
    try:
        names = [item.name for item in until(station, Ready).items]
        station.run(reference_files(exercise), names)
        until(station, Started)
        kill_lanes(station)
        done = until(station, Done)
        assert "tests without a result" in done.faults[0]
        done, got = outcome(station, reference_files(exercise), names)
        assert (done.faults, set(got.values())) == ([], {Verdict.ACCEPTED})
    finally:
        station.close()


@pytest.mark.parametrize("when", ["between two runs", "in a run"])
def test_a_sandbox_that_dies_is_replaced(exercise: Exercise, when: str) -> None:
    station = Station(exercise, Settings(device="cpu", sandbox=Mode.AUTO))
    try:
        ready = until(station, Ready)
        if ready.isolation == "plain process":
            pytest.skip("there is no bubblewrap here")
        names = [item.name for item in ready.items]
        if when == "in a run":
            station.run(reference_files(exercise), names)
            until(station, Started)
            kill_the_sandbox(station)
            until(station, Done)
        else:
            kill_the_sandbox(station)
        done, got = outcome(station, reference_files(exercise), names)
        assert (done.faults, set(got.values())) == ([], {Verdict.ACCEPTED})
    finally:
        station.close()


def test_a_suite_that_does_not_import_is_told_in_one_line(toy: Exercise) -> None:
    assert toy.hidden_suite is not None
    toy.hidden_suite.write_text("import no_such_module\n")
    station = Station(toy, Settings(device="cpu"))
    try:
        died = until(station, Died)
        assert "no_such_module" in died.reason
        assert "\n" not in died.reason
    finally:
        station.close()


def test_a_warm_judge_that_is_killed_says_so_and_leaves_nothing(exercise: Exercise) -> None:
    station = Station(exercise, Settings(device="cpu"))
    try:
        until(station, Ready)
        everything = below(station._process.pid)
        station._process.kill()
        until(station, Died)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything))
    finally:
        station.close()


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system where a process with torch can't be forked: each worker imports for itself, and runs in turn."""
    monkeypatch.setenv("TORCH_DOJO_WORKERS", "cold")


@pytest.mark.usefixtures("cold")
@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.OFF])
def test_without_forks_of_torch_the_verdicts_are_the_same(toy: Exercise, tmp_path: Path, mode: Mode) -> None:
    right = reference_files(toy)["double.py"]
    for text, points in ((right, 3), (right.replace("2 * x", "3 * x"), 1)):
        (tmp_path / "double.py").write_text(text)
        report = grade(toy, tmp_path, Settings(device="cpu", sandbox=mode))
        assert report.points == points
        assert "torch" in report.provenance.versions


@pytest.mark.usefixtures("cold")
def test_without_forks_of_torch_a_new_run_still_ends_the_one_under_way(toy: Exercise) -> None:
    right = reference_files(toy)["double.py"]
    station = Station(toy, Settings(device="cpu"))
    try:
        names = [item.name for item in until(station, Ready).items]
        station.run({"double.py": right.replace("return 2 * x", "while True: pass")}, names)
        until(station, Started)
        done, got = outcome(station, {"double.py": right}, names)
        assert (done.faults, set(got.values()), len(got)) == ([], {Verdict.ACCEPTED}, len(names))
        done, got = outcome(station, {"double.py": right.replace("2 * x", "3 * x")}, names)
        assert sorted(got.values()) == [Verdict.ACCEPTED, Verdict.WRONG_ANSWER]
    finally:
        station.close()


def test_a_setting_that_does_not_exist_is_named(toy: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_DOJO_WORKERS", "hot")
    with pytest.raises(UsageError, match="TORCH_DOJO_WORKERS='hot'"):
        Station(toy, Settings())
