"""Where an exercise is graded: what it asks for, what a person asks for, and what there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from grader import devices
from grader.__main__ import main
from grader.catalog import Exercise
from grader.devices import NoDevice, cards, device_for
from grader.errors import UsageError
from tests.grader.gpus import Gpus


@pytest.mark.parametrize(
    ("asks", "wanted", "without", "with_gpu"),
    [
        ("any", "auto", "cpu", "cuda"),
        ("any", "cpu", "cpu", "cpu"),
        ("any", "cuda", "DEVICE=cuda was asked for, and this machine", "cuda"),
        ("cpu", "auto", "cpu", "cpu"),
        ("cpu", "cpu", "cpu", "cpu"),
        ("cpu", "cuda", "exercise 1 is graded on a CPU only", "exercise 1 is graded on a CPU only"),
        ("cuda", "auto", "exercise 1 is graded on a GPU", "cuda"),
        ("cuda", "cpu", "cpu", "cpu"),
        ("cuda", "cuda", "exercise 1 is graded on a GPU", "cuda"),
    ],
)
def test_the_device_follows_from_exercise_person_and_machine(
    toy: Exercise, asks: str, wanted: str, without: str, with_gpu: str
) -> None:
    for gpus, due in ((False, without), (True, with_gpu)):
        try:
            got = device_for(replace(toy, device=asks), wanted, gpus)
        except UsageError as error:
            got = str(error)
        assert got == due if due in ("cpu", "cuda") else got.startswith(due)


def test_a_cluster_is_named_where_it_has_no_gpu(toy: Exercise) -> None:
    with pytest.raises(NoDevice, match="the cluster shows no NVIDIA device"):
        device_for(replace(toy, device="cuda"), "auto", False, "the cluster")


@pytest.mark.parametrize(
    ("nodes", "named", "seen"),
    [
        ([], None, []),
        ([], "0", []),
        (["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-caps"], None, ["0", "1"]),
        (["nvidia3"], None, ["0"]),  # in a container with one of four: CUDA counts what it sees
        (["nvidia0", "nvidia1"], "1", ["1"]),
        (["nvidia0", "nvidia1"], "1, 0,1", ["1", "0"]),
        (["nvidia0"], "", []),
        (["nvidia0"], "-1", []),
        (["nvidia0", "nvidia1"], "1,-1,0", ["1"]),
        (["nvidia0"], "GPU-8932f937,MIG-9c1d", ["GPU-8932f937", "MIG-9c1d"]),
    ],
)
def test_gpus_are_those_that_cuda_would_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: list[str], named: str | None, seen: list[str]
) -> None:
    for node in nodes:
        (tmp_path / node).touch()
    monkeypatch.setattr(devices, "DEV", tmp_path)
    if named is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert cards() == seen


@pytest.mark.parametrize(
    ("asks", "arguments", "gpus", "said"),
    [
        ("cpu", ["grade", "1", "--device=cuda"], 1, "exercise 1 is graded on a CPU only"),
        ("cuda", ["grade", "1"], 0, "exercise 1 is graded on a GPU"),
        ("cuda", ["grade", "all"], 0, "exercise 1 is graded on a GPU"),
        ("cuda", ["cohort", "class"], 0, "exercise 1 is graded on a GPU"),
        ("cpu", ["cohort", "class", "--device=cuda"], 1, "exercise 1 is graded on a CPU only"),
        ("cuda", ["watch", "1"], 0, "exercise 1 is graded on a GPU"),
    ],
)
def test_what_can_not_be_had_is_one_line_and_wrong_usage(
    course: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asks: str,
    arguments: list[str],
    gpus: int,
    said: str,
) -> None:
    made = Gpus(tmp_path / "gpus")
    made.put(gpus) if gpus else None
    monkeypatch.setattr(devices, "DEV", made.dev)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    toml = course / "exercises/ex01_double/exercise.toml"
    toml.write_text(f'device = "{asks}"\n{toml.read_text()}')
    path = course / "class/ada/ex01_double/double.py"
    path.parent.mkdir(parents=True)
    path.write_text("def double(x): return 2 * x\n")
    monkeypatch.chdir(course)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
