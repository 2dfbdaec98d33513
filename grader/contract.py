"""`dojo verify` on a terminal: exercises side by side, a table for each, and the count of what falls short."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.catalog import Exercise
from grader.grade import Settings
from grader.sandbox import Mode
from grader.session import one_of
from grader.verify import Finding, verify

WIDTH = 140  # of the table in a log


def verify_and_report(exercises: list[Exercise], sandbox: str) -> int:
    """Verifies one exercise here, or several in processes of their own. 0 if all holds, 1 if something falls short."""
    mode = Mode(one_of("SANDBOX", sandbox, tuple(Mode)))
    if len(exercises) == 1:
        return _one(exercises[0], mode)
    # The final project takes longest: begun last, it would keep one core waiting for the other.
    exercises = sorted(exercises, key=lambda exercise: exercise.number is not None)
    with ThreadPoolExecutor(max(1, min(len(exercises), os.cpu_count() or 1))) as pool:
        codes = list(pool.map(lambda exercise: _apart(exercise, mode), exercises))
    return max(codes)


def _apart(exercise: Exercise, mode: Mode) -> int:
    """In a process of its own; its output is printed in one piece when it ends."""
    command = [sys.executable, "-m", "grader", "verify", "--sandbox", mode.value, "--", exercise.key]
    done = subprocess.run(command, cwd=exercise.root, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout + done.stderr)
    sys.stdout.flush()
    return done.returncode


def _one(exercise: Exercise, mode: Mode) -> int:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    table = Table(title=f"{exercise.slug}: {exercise.title}", title_justify="left", box=None, padding=(0, 1))
    for heading in ("", "case", "got", "s", "by"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "s" else "left")
    began = time.monotonic()
    findings: list[Finding] = []
    for finding in verify(exercise, Settings(sandbox=mode)):
        findings.append(finding)
        mark = Text("✓", "green") if finding.ok else Text("✗", "red")
        got = finding.got if finding.ok else f"{finding.got} (expected {finding.expected})"
        table.add_row(mark, finding.name, got, f"{finding.seconds:.1f}", finding.note)
    short = [finding.name for finding in findings if not finding.ok]
    console.print(table)
    seconds = time.monotonic() - began
    outcome = f"falls short: {', '.join(short)}" if short else "all hold"
    console.print(f"{exercise.slug}: {len(findings)} checks in {seconds:.0f} s, {outcome}\n")
    return 1 if short else 0
