"""`dojo cohort` on a class of the bench: what it took, and whether every verdict was right."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.bench.classroom import Sheet
from grader.bench.tree import Peak, Spent
from grader.errors import JudgeError
from grader.result import Verdict

JOBS = 2
WORDS = {verdict.words: verdict for verdict in Verdict}

Look = Callable[[int, int], None]


@dataclass
class Run:
    """One run over a class."""

    submissions: int
    seconds: float = 0.0  # until the command had ended
    cpu: float = 0.0  # seconds of all its processes
    peak: Peak = field(default_factory=Peak)


def run_class(root: Path, sheets: Sequence[Sheet], look: Look | None = None, pause: float = 0.0) -> Run:
    """Grades the sheets into a fresh gradebook.

    After each result `look(how many there are, the process)` is called. With a `pause` memory is looked at as often,
    which takes a part of the time itself. Raises JudgeError where a sheet has got no verdict, or a wrong one.
    """
    run = Run(len(sheets))
    with tempfile.TemporaryDirectory(prefix="dojo-bench-") as folder:
        for sheet in sheets:
            sheet.write(Path(folder) / "class")
        command = [sys.executable, "-m", "grader", "cohort", f"{folder}/class", "--jobs", str(JOBS), "--device", "cpu"]
        command += ["--gradebook", f"{folder}/gradebook.sqlite"]
        began = time.perf_counter()
        spent = Spent()
        with (
            subprocess.Popen(
                command, cwd=root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as process,
            run.peak.watching(process.pid, pause) if pause else contextlib.nullcontext(),
        ):
            try:
                _hear(process, sheets, spent, look)
            except BaseException:
                process.terminate()  # the rest of the class would be graded for nothing
                raise
        run.seconds = time.perf_counter() - began
        run.cpu = spent.seconds()
    if process.returncode != 0:
        raise JudgeError(f"'dojo cohort' ended with {process.returncode} on the class of the bench")
    return run


def environment() -> dict[str, str]:
    """This checkout, whatever is installed."""
    search = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))))
    return os.environ | {"PYTHONPATH": search}


def _hear(process: subprocess.Popen[str], sheets: Sequence[Sheet], spent: Spent, look: Look | None) -> None:
    """Reads results as they come."""
    due = {(sheet.student, sheet.exercise.slug): sheet.expected for sheet in sheets}
    assert process.stdout is not None
    for line in process.stdout:
        student, _, rest = line.partition(" ")
        slug, _, words = rest.strip().partition(" ")
        if (student, slug) not in due:
            continue
        verdict = next((each for name, each in WORDS.items() if words.strip().endswith(name)), None)
        if verdict not in due.pop((student, slug)):
            raise JudgeError(f"a sheet of '{slug}' was to be judged otherwise: {line.strip()}")
        spent.look(process.pid)
        if look:
            look(len(sheets) - len(due), process.pid)
    if due:
        raise JudgeError(f"'dojo cohort' gave no verdict on {len(due)} of {len(sheets)} submissions")
