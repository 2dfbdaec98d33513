"""Where an exercise is graded: on a CPU, or on which GPU. One function decides it for a submission and for a class."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from grader.catalog import Exercise
from grader.errors import UsageError

DEV = Path("/dev")


class NoDevice(UsageError):
    """An exercise can't be graded where that was asked for."""


def device_for(exercise: Exercise, wanted: str, gpus: bool | None = None, where: str = "this machine") -> str:
    """The device for `wanted` ("auto", "cpu" or "cuda"), where there are GPUs or not.

    Raises NoDevice where that is not for this exercise, UsageError where it is for none.
    What an exercise asks for goes before what there is; a CPU that was asked for by name goes before both.
    """
    present = bool(cards()) if gpus is None else gpus
    if exercise.device == "cpu" and wanted == "cuda":
        raise NoDevice(f"exercise {exercise.key} is graded on a CPU only: use DEVICE=cpu or auto")
    if "cpu" in (exercise.device, wanted):
        return "cpu"
    if exercise.device == "cuda" and not present:
        raise NoDevice(
            f"exercise {exercise.key} is graded on a GPU, and {where} shows no NVIDIA device: "
            "go where there is one, or use DEVICE=cpu, whose result a run on a GPU replaces"
        )
    if wanted == "cuda" and not present:
        raise UsageError(f"DEVICE=cuda was asked for, and {where} shows no NVIDIA device: use DEVICE=cpu or auto")
    return "cuda" if present else "cpu"


def cards() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Asks /dev, not torch, which would take a context. CUDA counts the GPUs that it sees, whatever their nodes are.
    """
    nodes = [path for path in DEV.glob("nvidia[0-9]*") if path.name.removeprefix("nvidia").isdecimal()]
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None or not nodes:
        return [str(number) for number in range(len(nodes))]
    # CUDA sees those before the first that is none, such as -1.
    names = (name.strip() for name in named.split(","))
    return list(dict.fromkeys(itertools.takewhile(lambda name: name and not name.startswith("-"), names)))
