"""What a fresh worker costs, and what isolation adds to a grade."""

from __future__ import annotations

import time

from grader.bench.figures import Aim, Figure, figure, timed
from grader.catalog import Exercise
from grader.errors import JudgeError
from grader.grading import Settings, grade, open_sandbox
from grader.parent import Isolation
from grader.sandbox import Mode
from grader.wire import decode, encode

WORKER_AIM = 150.0  # milliseconds
SHARE_AIM = 0.30  # of a grade
SOURCE = """
import torch


def step():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LazyLinear(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = torch.nn.functional.cross_entropy(model(torch.rand(8, 1, 8, 8)), torch.zeros(8, dtype=torch.long))
    loss.backward()
    optimizer.step()
    return float(loss)
"""


def fresh(exercise: Exercise, rounds: int) -> tuple[list[Figure], list[Aim]]:
    """From asking for a worker to the answer of its first training step, all layers on; one after the other."""
    milliseconds: list[float] = []
    request = encode({"op": "call", "name": "step", "args": (), "kwargs": {}})
    with open_sandbox(exercise, Settings(device="cpu")) as sandbox:
        sandbox.wait_ready()

        for _ in range(rounds):
            began = time.perf_counter()
            worker = sandbox.spawn({"bench.py": SOURCE}, exercise.limits, 0)
            reply = decode(worker.ask(request, 30.0))
            milliseconds.append(1000 * (time.perf_counter() - began))
            worker.finish()
            if "ok" not in reply:
                raise JudgeError(f"a worker answered {reply}")
        how = sandbox.isolation.value
    row = figure(f"fresh worker with a training step ({how})", milliseconds, "ms")
    return [row], [Aim("fresh worker, median", row.median, WORKER_AIM, "ms")]


def isolation(exercise: Exercise, rounds: int) -> tuple[list[Figure], list[Aim]]:
    """A grade in a warm sandbox with isolation and without, in turn."""
    seconds: dict[Mode, list[float]] = {Mode.AUTO: [], Mode.OFF: []}
    settings = {mode: Settings(sandbox=mode, device="cpu") for mode in seconds}
    with (
        open_sandbox(exercise, settings[Mode.AUTO]) as isolated,
        open_sandbox(exercise, settings[Mode.OFF]) as plain,
    ):
        isolated.wait_ready()
        plain.wait_ready()
        if isolated.isolation is not Isolation.BUBBLEWRAP:
            return [], []
        for number in range(rounds + 1):  # the first of each imports what the judge needs
            for mode, sandbox in ((Mode.AUTO, isolated), (Mode.OFF, plain)):

                def one(mode: Mode = mode, sandbox: object = sandbox) -> None:
                    grade(exercise, exercise.solution, settings[mode], sandbox=sandbox)  # type: ignore[arg-type]

                spent = timed(one)
                if number:
                    seconds[mode].append(spent)
    name = f"warm grade, EX={exercise.key}"
    with_it, without = figure(f"{name}, isolated", seconds[Mode.AUTO]), figure(f"{name}, plain", seconds[Mode.OFF])
    share = (with_it.median - without.median) / with_it.median
    return [with_it, without], [Aim("isolation's share of a grade", share, SHARE_AIM)]
