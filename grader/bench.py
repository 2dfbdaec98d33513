"""`make bench`: what a grade costs, beside a bare `import torch`, in one run. Ratios travel; seconds do not.

python -m grader.bench [--rounds 7] [--save docs/results/bench.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from grader.catalog import Catalog, Exercise, find_root
from grader.errors import JudgeError
from grader.result import write_atomically
from grader.sandbox import Mode, Sandbox
from grader.wire import decode, encode

COLD_AIM = 2.5  # times the bare import
WORKER_AIM = 0.150  # seconds
SOURCE = "import torch\n\n\ndef step(x):\n    return x @ x\n"


@dataclass(frozen=True)
class Figure:
    """One measured thing, in seconds."""

    name: str
    n: int
    minimum: float
    median: float
    maximum: float


def figure(name: str, seconds: list[float]) -> Figure:
    return Figure(name, len(seconds), min(seconds), statistics.median(seconds), max(seconds))


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def run(arguments: list[str], cwd: Path) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise JudgeError(f"'{' '.join(arguments)}' ended with {done.returncode}: {done.stdout}{done.stderr}")


def cold(root: Path, rounds: int) -> tuple[Figure, Figure]:
    """The bare import and the cold grade in turn, so that a noisy minute hits both."""
    imports: list[float] = []
    grades: list[float] = []
    for _ in range(rounds):
        imports.append(timed(lambda: run(["-c", "import torch"], root)))
        grades.append(timed(lambda: run(["-m", "grader", "grade", "1", "--from", "solutions"], root)))
    return figure('python -c "import torch"', imports), figure("cold grade, EX=1 FROM=solutions", grades)


def workers(exercise: Exercise, rounds: int) -> tuple[str, Figure]:
    """From asking for a worker to the answer of its first call (a matrix product)."""
    import torch

    seconds: list[float] = []
    request = encode({"op": "call", "name": "step", "args": (torch.eye(8),), "kwargs": {}})
    with Sandbox(exercise.preload, Mode.AUTO) as sandbox:
        sandbox.wait_ready()
        for seed in range(rounds):
            began = time.perf_counter()
            worker = sandbox.spawn({"bench.py": SOURCE}, exercise.limits, seed)
            reply = decode(worker.ask(request, 10.0))
            seconds.append(time.perf_counter() - began)
            worker.finish()
            if "ok" not in reply:
                raise JudgeError(f"a worker answered {reply}")
        return sandbox.isolation.value, figure("a fresh worker with its first call", seconds)


def main() -> int:
    """Measures, prints, and saves where asked to."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=7, help="cold runs of each kind (default: 7)")
    parser.add_argument("--save", type=Path, help="a JSON file to keep the figures in")
    options = parser.parse_args()
    root = find_root(Path.cwd())
    bare, grade = cold(root, options.rounds)
    isolation, worker = workers(Catalog(root).find("1"), options.rounds * 5)
    rows = [bare, grade, worker]
    load = os.getloadavg()[0]
    print(f"{'':36} {'n':>3} {'min':>8} {'median':>8} {'max':>8}   seconds")
    for row in rows:
        print(f"{row.name:36} {row.n:>3} {row.minimum:8.3f} {row.median:8.3f} {row.maximum:8.3f}")
    ratio = grade.median / bare.median
    print(
        f"\ncold grade / bare import, medians: {ratio:.2f} (aim {COLD_AIM}); minima: {grade.minimum / bare.minimum:.2f}"
    )
    print(f"fresh worker ({isolation}), median: {worker.median * 1000:.0f} ms (aim {WORKER_AIM * 1000:.0f} ms)")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}, load {load:.1f}")
    if options.save:
        body = {"machine": machine, "load": load, "isolation": isolation, "figures": [asdict(row) for row in rows]}
        write_atomically(options.save, json.dumps(body, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
