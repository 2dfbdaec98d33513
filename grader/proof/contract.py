"""`dojo verify`: the contract of all exercises side by side, a table for each, and what falls short.

An exercise has two parts, its plants and its mutants. Each runs in a process of its own, as many at once as there are
cores, and says what it finds line by line.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from grader.catalog import Exercise
from grader.grading import Settings
from grader.proof.caught import read_caught, write_caught
from grader.proof.rules import Finding
from grader.proof.verify import Listener, verify
from grader.sandbox import Mode
from grader.session import one_of

WIDTH = 140  # of the table in a log
END_SECONDS = 30.0  # for a part that is told to stop


class Part(StrEnum):
    """What is looked at in one process."""

    PLANTS = "plants"
    MUTANTS = "mutants"


@dataclass
class Contract:
    """What is known of one exercise."""

    exercise: Exercise
    left: int  # parts that still run
    findings: list[Finding] = field(default_factory=list)
    caught: dict[str, str] = field(default_factory=dict)  # plant or mutant → test
    seconds: float = 0.0

    @property
    def short(self) -> list[str]:
        """The names of what falls short."""
        return [finding.name for finding in self.findings if not finding.ok]


def verify_and_report(exercises: list[Exercise], sandbox: str, whole: bool, part: str) -> int:
    """Verifies exercises. 0 if all holds, 1 if something falls short. With a part, that one, in this process."""
    mode = Mode(one_of("SANDBOX", sandbox, tuple(Mode)))
    if part:
        return _speak(exercises[0], Part(one_of("PART", part, tuple(Part))), mode, whole)
    return _Side(mode, whole).run(exercises)


def _parts(exercise: Exercise) -> list[Part]:
    """The final project has no mutants: one run of it trains for half a minute."""
    return [Part.PLANTS] if exercise.number is None else [Part.PLANTS, Part.MUTANTS]


def _speak(exercise: Exercise, part: Part, mode: Mode, whole: bool) -> int:
    """Runs a part and writes a line of JSON for each finding, and for each step on the way."""

    def told(done: int, total: int) -> None:
        print(json.dumps({"done": done, "total": total}), flush=True)

    def caught(name: str, test: str) -> None:
        print(json.dumps({"caught": [name, test]}), flush=True)

    settings, listener = Settings(sandbox=mode), Listener(told, caught)
    if part is Part.PLANTS:
        findings = verify(exercise, settings, whole, listener)
    else:
        from grader.proof.mutation import mutation

        findings = mutation(exercise, settings, whole, listener)
    for finding in findings:
        print(json.dumps({"finding": asdict(finding)}), flush=True)
    return 0


class _Side:
    """The side that listens: starts the parts, shows how far they are, and prints the tables."""

    def __init__(self, mode: Mode, whole: bool) -> None:
        self.mode = mode
        self.whole = whole
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(highlight=False, width=WIDTH)
        live = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=live, disable=not live.is_terminal, transient=True)
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen[str]] = set()

    def run(self, exercises: list[Exercise]) -> int:
        contracts = [Contract(exercise, len(_parts(exercise))) for exercise in exercises]
        # What takes longest is begun first: begun last, it would keep one core waiting for the other.
        contracts.sort(key=lambda each: (each.exercise.number is not None, -len(read_caught(each.exercise))))
        work = [(contract, part) for contract in contracts for part in _parts(contract.exercise)]
        pool = ThreadPoolExecutor(max(1, min(len(work), os.cpu_count() or 1)))
        try:
            with self.progress:
                for one in [pool.submit(self._part, contract, part) for contract, part in work]:
                    one.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._stop()
            pool.shutdown()
        short = [contract.exercise.key for contract in contracts if contract.short]
        if len(contracts) > 1:
            outcome = f"falls short in {', '.join(short)}" if short else "holds"
            self.console.print(f"the contract of {len(contracts)} exercises {outcome}")
        return 1 if short else 0

    def _stop(self) -> None:
        for process in list(self.running):
            process.terminate()
        for process in list(self.running):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)

    def _part(self, contract: Contract, part: Part) -> None:
        began = time.monotonic()
        exercise = contract.exercise
        bar = self.progress.add_task(f"{exercise.slug}, {part}", total=None)
        options = ["--part", part, "--sandbox", self.mode, *(["--whole"] if self.whole else [])]
        command = [sys.executable, "-m", "grader", "verify", *options, "--", exercise.key]
        findings: list[Finding] = []
        with subprocess.Popen(
            command, cwd=exercise.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            self.running.add(process)
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                said = json.loads(line)
                if "finding" in said:
                    findings.append(Finding(**said["finding"]))
                elif "caught" in said:
                    contract.caught.update([said["caught"]])
                else:
                    self.progress.update(bar, completed=said["done"], total=said["total"])
            last = process.stderr.read().strip().splitlines()[-1:]
        self.running.discard(process)
        if process.returncode != 0 or not findings:
            text = last[0] if last else f"exit code {process.returncode}"
            findings.append(Finding(part, "a run to the end", text, ok=False))
        self.progress.remove_task(bar)
        with self.lock:
            self._close(contract, part, findings, time.monotonic() - began)

    def _close(self, contract: Contract, part: Part, findings: list[Finding], seconds: float) -> None:
        # The plants' table comes first, whichever part ends first.
        contract.findings = findings + contract.findings if part is Part.PLANTS else contract.findings + findings
        contract.seconds += seconds
        contract.left -= 1
        if contract.left == 0:
            self._print(contract)
            if self.whole and not contract.short:
                write_caught(contract.exercise, contract.caught)

    def _print(self, contract: Contract) -> None:
        exercise = contract.exercise
        table = Table(title=f"{exercise.slug}: {exercise.title}", title_justify="left", box=None, padding=(0, 1))
        for heading in ("", "case", "got", "s", "by"):
            table.add_column(heading, overflow="fold", justify="right" if heading == "s" else "left")
        for finding in contract.findings:
            mark = Text("✓", "green") if finding.ok else Text("✗", "red")
            got = finding.got if finding.ok else f"{finding.got} (expected {finding.expected})"
            table.add_row(mark, Text(finding.name), Text(got), f"{finding.seconds:.1f}", Text(finding.note))
        self.console.print(table)
        outcome = f"falls short: {', '.join(contract.short)}" if contract.short else "all hold"
        line = f"{exercise.slug}: {len(contract.findings)} checks in {contract.seconds:.0f} s, {outcome}\n"
        self.console.print(line, markup=False)
