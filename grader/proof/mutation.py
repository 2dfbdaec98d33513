"""Runs an exercise's suite on every mutant of its reference: a mutant that passes is a mistake that nobody notices.

Survivors that are right answers, or that the rules leave free, stand with their reasons in `survivors.toml` beside the
suite:

    [[survivor]]
    mutant = "reshape: return x.reshape(batch, *sizes) → return x.view(batch, *sizes)"
    reason = "why no test can, or need, tell it from the reference"
"""

from __future__ import annotations

import difflib
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.catalog import Exercise
from grader.effort import Effort
from grader.errors import JudgeError
from grader.grading import Settings, open_sandbox
from grader.proof.caught import read_caught
from grader.proof.mutants import Mutant, mutants
from grader.proof.plants import reference_files
from grader.proof.rules import Finding
from grader.proof.verify import Listener, failures, grade_files
from grader.result import Report, Verdict

LEAST_KILLED = 0.95  # of the mutants that are made
LEAST_SECONDS = 3.0  # for a test of a mutant, which may never end: five times what the reference takes, and not less
SLOWER = 5.0


@dataclass
class Tally:
    """What became of the mutants, and which tests killed them."""

    made: int = 0
    killed: int = 0
    survivors: list[str] = field(default_factory=list)
    by_test: Counter[str] = field(default_factory=Counter)
    by_place: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def order(self, place: str) -> tuple[str, ...]:
        """The tests that are likeliest to notice a mutant of a function: its latest killers, then the best of all."""
        return tuple(
            dict.fromkeys([*reversed(self.by_place[place]), *(name for name, _ in self.by_test.most_common())])
        )

    def add(self, mutant: Mutant, killer: str | None) -> None:
        self.made += 1
        if killer is None:
            self.survivors.append(mutant.name)
            return
        self.killed += 1
        self.by_test[killer] += 1
        self.by_place[mutant.place].append(killer)


def mutation(
    exercise: Exercise, settings: Settings, whole: bool = True, listener: Listener | None = None
) -> Iterator[Finding]:
    """Findings on the mutants of `exercise`. Without `whole`, survivors that are justified are taken at their word."""
    listener = listener or Listener()
    known = read_caught(exercise)
    began = time.monotonic()
    reasons = read_reasons(exercise)
    tally = Tally()
    with open_sandbox(exercise, settings) as sandbox:
        files = reference_files(exercise)
        brisk = _hurried(exercise, grade_files(exercise, files, settings, sandbox))
        every = [(name, mutant) for name in exercise.files for mutant in mutants(files[name])]
        for number, (name, mutant) in enumerate(every):
            listener.told(number, len(every))
            if not whole and mutant.name in reasons:
                tally.add(mutant, None)  # to survive is to meet every test, which takes longest
                continue
            first = (known.get(mutant.name, ""), *tally.order(mutant.place))
            hasty = replace(settings, effort=Effort.FIRST_FAILURE, first=first)
            report = grade_files(brisk, {**files, name: mutant.source}, hasty, sandbox)
            if report.verdict is Verdict.JUDGE_ERROR:
                note = f"seed {report.provenance.seed}"
                yield Finding(f"mutant {mutant.name}", "a verdict", "judge error", False, note)
                continue
            killer = _killer(report)
            tally.add(mutant, killer)
            if killer is not None:
                listener.caught(mutant.name, killer)
    yield from _findings(tally, reasons, {mutant.name for _, mutant in every}, time.monotonic() - began)


def _findings(tally: Tally, reasons: dict[str, str], made: set[str], seconds: float) -> Iterator[Finding]:
    for name in tally.survivors:
        if name not in reasons:
            yield Finding(f"mutant {name}", "killed, or a reason in survivors.toml", "survives", False)
    for name in reasons.keys() - made:
        near = difflib.get_close_matches(name, made, 1)
        note = f"nearest: {near[0]}" if near else ""
        yield Finding(f"survivors.toml: {name}", "a mutant that is made", "none of this name", False, note)
    share = tally.killed / tally.made if tally.made else 0.0
    justified = sum(name in reasons for name in tally.survivors)
    got = f"{tally.killed} of {tally.made} killed ({share:.1%}), {justified} survivors justified"
    revived = sorted(reasons.keys() & made - set(tally.survivors))
    note = f"justified, and killed this time: {'; '.join(revived)}" if revived else _best(tally)
    yield Finding("mutants", f"{LEAST_KILLED:.0%} killed", got, share >= LEAST_KILLED, note, seconds)


def _best(tally: Tally) -> str:
    names = [f"{name} {count}" for name, count in tally.by_test.most_common(3)]
    return f"killed by {len(tally.by_test)} tests, most by {', '.join(names)}" if names else ""


def _killer(report: Report) -> str | None:
    """The first test that failed."""
    if report.verdict is Verdict.ACCEPTED:
        return None
    return next((test.name for test in failures(report) if test.attempts), "submission")


def _hurried(exercise: Exercise, report: Report) -> Exercise:
    """The exercise with a tighter time limit: a mutant that never ends need not be waited for as long as a student."""
    if report.verdict is not Verdict.ACCEPTED:
        failed = ", ".join(test.name for test in failures(report)) or "no test ran"
        where = f"exercise {exercise.key} fails its own suite ({failed}; seed {report.provenance.seed})"
        raise JudgeError(f"the reference of {where}: there is nothing to mutate")
    slowest = max(test.seconds for task in report.tasks for test in task.tests)
    seconds = min(exercise.limits.test_seconds, max(LEAST_SECONDS, SLOWER * slowest))
    return replace(exercise, limits=replace(exercise.limits, test_seconds=seconds))


def read_reasons(exercise: Exercise) -> dict[str, str]:
    """The survivors that are justified, with their reasons. Raises JudgeError, naming the file."""
    path: Path = exercise.hidden / "survivors.toml"
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        rows = [(row["mutant"], row["reason"]) for row in table.pop("survivor", [])]
        if table:
            raise ValueError(f"unknown key '{next(iter(table))}', only [[survivor]] is known")
        if empty := [name for name, reason in rows if not reason.strip()]:
            raise ValueError(f"'{empty[0]}' has no reason")
    except KeyError as error:
        raise JudgeError(f"'{path}': a survivor lacks {error}") from None
    except (OSError, ValueError, TypeError) as error:
        raise JudgeError(f"'{path}': {error}") from None
    return dict(rows)
