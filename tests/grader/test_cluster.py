"""A class on a real Ray cluster of several nodes, one of which is lost in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.__main__ import main
from grader.catalog import Exercise
from grader.cohort.cluster import needed
from grader.gradebook.attempt import Attempt
from grader.gradebook.book import Gradebook
from grader.result import Verdict

cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is an optional extra")

SEED = 12
SLUG = "ex01_double"
ROOT = Path(__file__).resolve().parents[2]
RIGHT = "def double(x):\n    if x.dim() == 0:\n        raise ValueError(f'{x.item()}')\n    return x + x\n"
WRONG = "def double(x):\n    return 3 * x\n"
HANGS = "def double(x):\n    while True:\n        pass\n"
# Each of them leaves something behind that the others would stumble over, if it could.
LEAVES = f"import torch\nopen('/tmp/left', 'a').write('x')\nassert open('/tmp/left').read() == 'x'\n{RIGHT}"
KINDS = {
    "right": RIGHT,
    "wrong": WRONG,
    "leaves": LEAVES,
    "broken": "def double(x:\n",
    "ends": "import os\nos._exit(0)\n",
}
CLASS = {f"{kind}{number}": f"{text}# {number}\n" for number in range(6) for kind, text in KINDS.items()}
CLASS["hangs"] = HANGS


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A head without cores, and two nodes of one core each, as processes of this machine."""
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": 10**8}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=10**8)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def handed(course: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    toml = course / "exercises" / SLUG / "exercise.toml"
    toml.write_text(toml.read_text().replace("test_seconds = 5.0", "test_seconds = 2.0"))
    for student, text in CLASS.items():
        path = course / "class" / student / SLUG / "double.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.chdir(course)
    return course / "class"


def judges_below(parent: int) -> list[int]:
    """Judges among the processes that descend from one."""
    parents, judges = {}, []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text()
            parents[int(process.name)] = int(stat.rpartition(")")[2].split()[1])
            if b"grader.cohort.judge" in (process / "cmdline").read_bytes():
                judges.append(int(process.name))
        except OSError:
            continue
    return [judge for judge in judges if parent in ancestors(judge, parents)]


def ancestors(process: int, parents: dict[int, int]) -> set[int]:
    found = set()
    while process in parents and process not in found:
        found.add(process)
        process = parents[process]
    return found


def outcomes(path: Path) -> list[tuple[str, float, Verdict]]:
    with Gradebook.open(path) as book:
        assert list(book.check()) == []
        assert book.file.rows("SELECT * FROM claim") == []
        return sorted(map(outcome, book.attempts()))


def outcome(one: Attempt) -> tuple[str, float, Verdict]:
    return one.student, one.points, one.verdict


def test_a_node_that_is_lost_changes_nothing_and_the_results_are_those_of_one_machine(
    handed: Path, course: Path, nodes: Any
) -> None:
    command = [sys.executable, "-m", "grader", "cohort", str(handed), f"--seed={SEED}", "--gradebook=ray.sqlite"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "--engine=ray", f"--address={nodes.address}"], stdout=subprocess.PIPE, text=True, env=env, cwd=course
    ) as run:
        assert run.stdout
        told = [run.stdout.readline()]
        while not told[-1].startswith("right"):  # files that can't be read as Python need no node
            told.append(run.stdout.readline())
        victim = next(node for node in nodes.worker_nodes if judges_below(raylet(node)))
        orphans = judges_below(raylet(victim))
        nodes.remove_node(victim, allow_graceful=False)
        told += list(run.stdout)
    assert run.returncode == 0, told
    results = [line.split()[0] for line in told if SLUG in line]
    assert sorted(results) == sorted(CLASS)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{judge}").exists() for judge in orphans):
        assert time.monotonic() < deadline, "a judge has outlived its node"
        time.sleep(0.1)

    assert main(["cohort", str(handed), f"--seed={SEED}", "--gradebook=here.sqlite", "--jobs=2"]) == 0
    assert outcomes(course / "ray.sqlite") == outcomes(course / "here.sqlite")


def raylet(node: Any) -> int:
    """The process that leads a node."""
    (process,) = node.all_processes["raylet"]
    return process.process.pid


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engine=ray", "--jobs=2"], "Ray knows how many cores"),
        (["--engine=ray", "--jobs=2", "--device=cpu"], "Ray knows how many cores"),
        (["--address=127.0.0.1:6379"], "needs --engine ray"),
        (["--engine=ray", "--address=127.0.0.1:1"], "there is no Ray cluster at '127.0.0.1:1'"),
        (["--engine=other"], "'other' is not one of"),
    ],
)
def test_what_a_cluster_can_not_do_is_said_in_one_line(
    handed: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["cohort", str(handed), *arguments]) == 2
    assert said in capfd.readouterr().err.splitlines()[-1]


def test_what_ray_is_to_keep_fits_as_often_as_there_are_slots(toy: Exercise) -> None:
    assert needed(toy, "cpu", 3) == {"num_cpus": 1}
    for slots in range(1, 65):
        counted = round(needed(toy, "cuda", slots)["num_gpus"] * 10_000)  # Ray's unit
        assert slots * counted <= 10_000 < (slots + 1) * counted
    assert needed(replace(toy, exclusive=True), "cuda", 4) == {"num_gpus": 1}
