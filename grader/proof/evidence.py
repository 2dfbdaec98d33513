"""`dojo rerun` on a terminal, and what it leaves in the repository: counts, failures with their seeds, margins."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.grading import Settings
from grader.machine import machine
from grader.margins import NARROW, Margin
from grader.proof.plants import reference_files
from grader.proof.published import refresh
from grader.proof.records import RERUNS, TOLERANCES, read_record, write_record
from grader.proof.rerun import Campaign, Plan, rerun, right_answers
from grader.proof.source import code_of
from grader.sandbox import Mode
from grader.session import DEVICES, one_of

SOURCES = ("solution", "accepted", "all")
SHOWN = 10  # failures and margins; the record holds all
DIGITS = 3
WIDTH = 140  # of the table in a log
LINES = 5  # on the way, in a log


def rerun_and_report(exercises: list[Exercise], options: Any) -> int:
    """Runs each exercise, prints, and records. 0 if no test failed, else 1."""
    source = one_of("FROM", options.source, SOURCES)
    device, mode = one_of("DEVICE", options.device, DEVICES), Mode(one_of("SANDBOX", options.sandbox, tuple(Mode)))
    times, training = count("TIMES", options.times), count("TRAINING", options.training)
    console = terminal()
    failed = False
    for exercise in exercises:
        plan = Plan(right_answers(exercise, source), times, training, Settings(device=device, sandbox=mode))
        campaign = _watched(exercise, plan)
        if campaign.provenance is None:
            console.print(f"{exercise.slug}: nothing was run")
            continue
        _print(console, campaign)
        record(campaign)
        failed |= bool(campaign.misses)
    return int(failed)


def terminal() -> Console:
    """The terminal; a log is wide."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def count(name: str, text: str) -> int:
    """A whole number from 0 on. Raises UsageError."""
    if not text.isdecimal():
        raise UsageError(f"{name}='{text}' is not a whole number from 0 on")
    return int(text)


def _watched(exercise: Exercise, plan: Plan) -> Campaign:
    live = Console(stderr=True)
    live.quiet = not live.is_terminal
    total = sum(1 for _ in plan.rounds(exercise))
    with Status(f"{exercise.slug} …", console=live) as status:

        def told(done: int, campaign: Campaign) -> None:
            text = f"{exercise.slug}: {done} of {total} runs, {len(campaign.misses)} failures …"
            status.update(text)
            if live.quiet and done and done % -(-total // LINES) == 0:
                print(text, file=sys.stderr, flush=True)

        return rerun(exercise, plan, told)


def _print(console: Console, campaign: Campaign) -> None:
    console.print(line(campaign), markup=False)
    for miss in campaign.misses[:SHOWN]:
        failure = miss.result.failure
        what = f"expected {failure.expected}; got {failure.got}" if failure else miss.result.verdict.words
        console.print(f"  ✗ {miss.result.name} of {miss.submission}, seed {miss.seed}: {what}", markup=False)
    if len(campaign.misses) > SHOWN:
        console.print(f"  … and {len(campaign.misses) - SHOWN} more, all of them in docs/results/{RERUNS}")
    rows = sorted(campaign.margins.rows.items(), key=lambda row: -row[1].margin)
    if rows:
        console.print(_table(rows[:SHOWN]))
    for (test, dtype, device), row in rows:
        if row.margin > NARROW:
            where = f"{test} ({dtype}, {device}) in {row.submission}"
            console.print(f"  narrow: {where}: the error took up {row.margin:.0%} of the tolerance", markup=False)


def line(campaign: Campaign) -> str:
    """What was counted, in a line."""
    counts = campaign.counts
    who = ", ".join(f"{name} {count.quick} + {count.training}" for name, count in counts.items())
    verdicts = sum(count.verdicts for count in counts.values())
    bound = f"at most {campaign.bound():.1%} of runs fail, with 95 % confidence"
    return (
        f"{campaign.exercise.slug}: quick + training runs: {who}; {len(campaign.runs_of)} tests, "
        f"{verdicts:,} verdicts, {len(campaign.misses)} failures ({bound}), {campaign.retried} retried, "
        f"{campaign.seconds:.0f} s"
    )


def _table(rows: list[tuple[tuple[str, str, str], Margin]]) -> Table:
    table = Table(box=None, padding=(0, 1), title="error / tolerance, the widest", title_justify="left")
    for heading in ("margin", "error", "tolerance", "n", "dtype", "test"):
        table.add_column(heading, justify="left" if heading in ("dtype", "test") else "right", overflow="fold")
    for (test, dtype, device), row in rows:
        numbers = (f"{row.margin:.3f}", f"{row.error:.1e}", f"{row.tolerance:.1e}", f"{row.comparisons:,}")
        table.add_row(*numbers, f"{dtype} {device}", test)
    return table


def record(campaign: Campaign) -> None:
    """Keeps the campaign under its exercise and device, in place of an earlier one; other exercises' entries stay."""
    provenance = campaign.provenance
    assert provenance is not None
    device = provenance.device
    about = {
        "date": provenance.started[:10],
        "machine": machine(device),
        "isolation": provenance.isolation,
        "grader": provenance.grader,
        "python": provenance.python,
        **provenance.versions,
        "load": round(os.getloadavg()[0], 1),
        "seconds": round(campaign.seconds),
        "suite_sha256": provenance.suite_sha256,
        "solution": code_of(reference_files(campaign.exercise)),
        "lock_sha256": provenance.lock_sha256,
    }
    failures = [
        {
            "submission": miss.submission,
            "test": miss.result.name,
            "seed": miss.seed,
            "verdict": miss.result.verdict,
            "expected": miss.result.failure.expected if miss.result.failure else "",
            "got": miss.result.failure.got if miss.result.failure else "",
        }
        for miss in campaign.misses
    ]
    counts = {name: asdict(count) for name, count in campaign.counts.items()}
    tests = len(campaign.runs_of)
    entry = {"tests": tests, "runs": counts, "retried": campaign.retried, "failures": failures, "about": about}
    _put(campaign.exercise, RERUNS, device, entry)
    _put(campaign.exercise, TOLERANCES, device, {"runs": counts, "about": about, "tests": _margins(campaign)})
    refresh(campaign.exercise.root)


def _margins(campaign: Campaign) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for (test, dtype, _), row in sorted(campaign.margins.rows.items()):
        figures = {"margin": row.margin, "error": row.error, "tolerance": row.tolerance}
        short: dict[str, Any] = {name: float(f"{value:.{DIGITS}g}") for name, value in figures.items()}
        rows.setdefault(test, {})[dtype] = {**short, "comparisons": row.comparisons, "submission": row.submission}
    return rows


def _put(exercise: Exercise, name: str, device: str, entry: dict[str, Any]) -> None:
    body = read_record(exercise.root, name)
    body.setdefault(exercise.slug, {})[device] = entry
    write_record(exercise.root, name, dict(sorted(body.items())))
