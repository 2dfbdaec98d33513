"""Runs every attack against real exercises, and prints what each one got.

python -m tests.tampering [--exercises 1 2 3] [--only NAME …] [--quick] [--save docs/results/tampering.json]

A row is an attack, a column an exercise: verdict, points, seconds. All of the suite's tasks are tried, each with one
test, drawn by the attack's name; `--quick` tries one task. After each attack nothing is to be left, and after each
family an honest submission gets all its points in the same warm sandbox.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

from grader.catalog import Catalog, Exercise
from grader.grading import Settings, grade
from grader.result import Report, Verdict
from grader.sandbox import Mode, Sandbox
from tests.tampering.corpus import (
    ATTACKS,
    HERE,
    SEED,
    Attack,
    Part,
    adapter,
    guarded,
    hand_in,
    leaks,
    put_beside,
    results_of,
    strays,
)

ROOT = HERE.parents[1]
HONEST = "(the solution, after all these)"
WIDTH = 190  # of the table in a log


@dataclass(frozen=True)
class Row:
    """One attack on one exercise, or the honest submission after a family."""

    family: str
    attack: str
    exercise: str
    verdict: str
    points: float
    max_points: float
    seconds: float
    leaks: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    wrong: str = ""  # what is not as it is to be, besides leaks and strays

    @property
    def ok(self) -> bool:
        return not (self.leaks or self.left or self.wrong)


def admitted(attack: Attack) -> set[Verdict]:
    """On a real exercise other tests come first, so an error or a wrong answer is right besides."""
    return attack.verdicts | {Verdict.WRONG_ANSWER, Verdict.RUN_TIME_ERROR}


def attack_row(attack: Attack, report: Report, exercise: Exercise, seconds: float, left: list[str]) -> Row:
    faults = [test.name for test in results_of(report) if test.verdict is Verdict.JUDGE_ERROR]
    wrong = f"judge error in {', '.join(faults)}" if faults else ""
    if report.points:
        wrong = f"{report.points:g} forged points"
    elif not wrong and report.verdict not in admitted(attack):
        wrong = f"{report.verdict.words} is not among its verdicts"
    verdict = report.verdict.value
    return Row(
        attack.family,
        attack.name,
        exercise.key,
        verdict,
        report.points,
        report.max_points,
        seconds,
        list(leaks(report)),
        left,
        wrong,
    )


def honest_row(family: str, report: Report, exercise: Exercise, seconds: float) -> Row:
    full = report.points == report.max_points and report.verdict is Verdict.ACCEPTED
    wrong = "" if full else "an honest submission lost points"
    points = (report.points, report.max_points)
    return Row(family, HONEST, exercise.key, report.verdict.value, *points, seconds, wrong=wrong)


def sweep(exercise: Exercise, attacks: list[Attack], part: Part, told: Callable[[Row], None]) -> Iterator[Row]:
    """All attacks on one exercise, in one warm sandbox, family by family."""
    stub = (exercise.folder / exercise.files[0]).read_text("utf-8")
    solution = (exercise.solution / exercise.files[0]).read_text("utf-8")
    names = adapter(stub)
    with tempfile.TemporaryDirectory(prefix="dojo-tampering-") as place:
        judge = Path(place) / "judge"
        judge.mkdir()
        before, tempfile.tempdir = tempfile.tempdir, str(judge)
        os.environ["DOJO_SECRET"] = "CANARY-ENVIRONMENT"
        try:
            with Sandbox(exercise.preload, Mode.REQUIRE) as sandbox:
                sandbox.wait_ready()
                for attack, last in _with_ends(attacks):
                    base = Path(place) / attack.name
                    share = Part.WHOLE if attack.needs_whole_suite else part
                    course = attack.limited(guarded(exercise, base / "course", attack.name, share))
                    began = time.monotonic()
                    report = hand_in(course, attack.source + names, base / "attack", sandbox)
                    if report.points:  # a wrong answer may pass one test of a task; its points take all of them
                        part_of = guarded(exercise, base / "all", attack.name, Part.WHOLE, earned(report))
                        course = attack.limited(part_of)
                        report = hand_in(course, attack.source + names, base / "attack", sandbox)
                    seconds = time.monotonic() - began
                    row = attack_row(attack, report, course, seconds, list(strays(sandbox, judge)))
                    told(row)
                    yield row
                    if last:
                        whole = guarded(exercise, base / "whole", attack.name, Part.EACH_TASK)
                        began = time.monotonic()
                        report = hand_in(whole, solution, base / "honest", sandbox)
                        row = honest_row(attack.family, report, whole, time.monotonic() - began)
                        told(row)
                        yield row
                yield from beside(exercise, stub, solution, Path(place), sandbox)
        finally:
            tempfile.tempdir = before
            del os.environ["DOJO_SECRET"]


def earned(report: Report) -> list[str]:
    """The titles of the tasks that gave points."""
    return [task.title for task in report.tasks if task.points]


def _with_ends(attacks: list[Attack]) -> Iterator[tuple[Attack, bool]]:
    for number, attack in enumerate(attacks):
        yield attack, number + 1 == len(attacks) or attacks[number + 1].family != attack.family


def beside(exercise: Exercise, stub: str, solution: str, place: Path, sandbox: Sandbox) -> Iterator[Row]:
    """Attacks that are more than one file: what lies beside it, forged bytecode, a link to the solution."""
    wrong = "\n\ndef double(x):\n    return x\n" + adapter(stub)
    name = exercise.files[0]
    for title, source in (
        ("files that load by themselves", wrong),
        ("a name from a file beside it", f"from helper import *\n{wrong}"),
        ("bytecode without its source", None),
        ("a link to the solution", None),
        ("files beside an honest one", solution),
    ):
        course = guarded(exercise, place / title / "course", title, Part.EACH_TASK)
        folder = place / title / "attack"
        put_beside(folder, Path(name).stem)
        if source is not None:
            (folder / name).write_text(source, "utf-8")
        elif "link" in title:
            (folder / name).symlink_to(course.solution / name)
        began = time.monotonic()
        report = grade(course, folder, Settings(seed=SEED), sandbox=sandbox)
        if report.points and source is not solution:  # as above
            course = guarded(exercise, place / title / "all", title, Part.WHOLE, earned(report))
            report = grade(course, folder, Settings(seed=SEED), sandbox=sandbox)
        seconds = time.monotonic() - began
        ran = [f"'{path.name}' of a file that is not to run" for path in folder.rglob("*.ran")]
        if source is solution:
            row = honest_row("files", report, course, seconds)
            yield Row(**{**asdict(row), "attack": title, "left": ran})
        else:
            verdicts = "wrong_answer, run_time_error, not_attempted"
            attack = Attack("files", title, f"#\n# verdicts: {verdicts}")
            yield attack_row(attack, report, course, seconds, ran)


def run_one(key: str, names: list[str], part: Part) -> list[Row]:
    """One exercise, in this process."""
    exercise = Catalog(ROOT).find(key)
    attacks = [attack for attack in ATTACKS if not names or attack.name in names]

    def told(row: Row) -> None:
        if not row.ok:
            print(f"{row.exercise}: {row.attack}: {row.verdict} {row.leaks} {row.left} {row.wrong}", file=sys.stderr)

    return list(sweep(exercise, attacks, part, told))


def table(rows: list[Row], keys: list[str]) -> Table:
    """A line per attack, and for each exercise its verdict, points and seconds."""
    picture = Table(title="attack × exercise", title_justify="left", box=None, padding=(0, 1))
    picture.add_column("family", no_wrap=True)
    picture.add_column("attack", no_wrap=True)
    for key in keys:
        picture.add_column(f"exercise {key}")
        picture.add_column("points", justify="right")
        picture.add_column("leaks", justify="right")
        picture.add_column("s", justify="right")
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        lines.setdefault((row.family, row.attack), {})[row.exercise] = row
    for (family, attack), cells in sorted(lines.items(), key=lambda line: (line[0][0], line[0][1] == HONEST)):
        texts: list[str] = []
        for key in keys:
            row = cells.get(key)
            if row is None:
                texts += ["", "", "", ""]
            else:
                mark = "" if row.ok else "✗ "
                points = f"{row.points:g}/{row.max_points:g}"
                texts += [mark + row.verdict.replace("_", " "), points, str(len(row.leaks)), f"{row.seconds:.1f}"]
        picture.add_row(family, attack, *texts)
    return picture


def summary(rows: list[Row]) -> dict[str, object]:
    attacks = [row for row in rows if row.attack != HONEST and row.attack != "files beside an honest one"]
    honest = [row for row in rows if row not in attacks]
    return {
        "attacks": len({(row.family, row.attack) for row in attacks}),
        "runs": len(attacks),
        "forged_points": sum(row.points for row in attacks),
        "leaks": sum(len(row.leaks) for row in rows),
        "judge_errors": sum("judge" in row.wrong or row.verdict == "judge_error" for row in rows),
        "left_behind": sum(len(row.left) for row in rows),
        "honest_runs": len(honest),
        "honest_with_all_points": sum(row.ok for row in honest),
        "not_as_due": sum(not row.ok for row in rows),
        "verdicts": {key: dict(Counter(r.verdict for r in attacks if r.exercise == key)) for key in _keys(rows)},
        "families": {name: dict(Counter(r.verdict for r in attacks if r.family == name)) for name in _families(rows)},
    }


def _keys(rows: list[Row]) -> list[str]:
    return sorted({row.exercise for row in rows})


def _families(rows: list[Row]) -> list[str]:
    return sorted({row.family for row in rows})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tampering", description="all attacks on real exercises")
    parser.add_argument("--exercises", nargs="+", default=["1", "2", "3"])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="one task of each exercise, drawn by the attack's name")
    parser.add_argument("--processes", type=int, default=min(3, os.cpu_count() or 1))
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    part = Part.ONE_TEST if options.quick else Part.EACH_TASK
    began = time.monotonic()
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        jobs = [pool.submit(run_one, key, options.only, part) for key in options.exercises]
        rows = [row for job in jobs for row in job.result()]
    seconds = time.monotonic() - began
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print(table(rows, options.exercises))
    found = summary(rows)
    for name, value in found.items():
        console.print(f"{name.replace('_', ' ')}: {value}")
    console.print(f"{seconds:.0f} s with {options.processes} processes")
    if options.save:
        head = {"seconds": round(seconds, 1), "machine": f"{os.cpu_count()} cores, shared"}
        head |= {"python": platform.python_version(), "summary": found}
        options.save.write_text(json.dumps(head | {"rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    return 1 if found["not_as_due"] else 0
