"""`dojo calibrate`: trains right and wrong answers with many seeds, and records what they reach.

Only tests marked `training` run. They tell their figures through the fixture `measure`, and every run is written down
at once: a calibration that was stopped goes on where it was.
"""

from __future__ import annotations

import gc
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grader.catalog import Exercise
from grader.datasets import ENVIRONMENT
from grader.effort import Selection
from grader.errors import JudgeError, UsageError
from grader.grading import Settings, grade, open_sandbox
from grader.machine import machine
from grader.proof.ledger import Ledger, Training, ledgers
from grader.proof.plants import Case, cases
from grader.proof.rerun import kinds, written
from grader.proof.source import code_of
from grader.result import Measured, Report, Verdict
from grader.sandbox import Sandbox

ENOUGH_MISSING = 2  # runs without a figure: a plant that breaks before it is measured is not tried for ever


@dataclass
class Calibration:
    """The runs of one exercise on one device, as they come in."""

    exercise: Exercise
    settings: Settings
    submissions: list[Case]
    ledgers: dict[str, Ledger] = field(default_factory=dict)  # by figure: those that the solution gives here and now

    def runs_of(self, case: Case) -> int:
        """How many runs there are of a submission, at the least."""
        counts = [len(ledger.of_code(case.name, code_of(case.files))) for ledger in self.ledgers.values()]
        return min(counts, default=0)

    def hopeless(self, case: Case) -> bool:
        """Whether a submission gives no figure."""
        runs = [run for ledger in self.ledgers.values() for run in ledger.of_code(case.name, code_of(case.files))]
        return len(runs) >= ENOUGH_MISSING and all(run.value is None for run in runs)

    def add(self, case: Case, report: Report) -> None:
        """Writes a run down. The first one, of the solution, says which figures there are and at which budget."""
        figures = least(report.measured)
        if not self.ledgers:
            self._begin(figures, report)
        for name, ledger in self.ledgers.items():
            ledger.runs.append(_training(case, report, figures.get(name), _place(ledger, report, figures.get(name))))
            ledger.save(self.exercise.root)

    def _begin(self, figures: dict[str, Measured], report: Report) -> None:
        if not figures:
            failed = [test for task in report.tasks for test in task.tests if test.verdict is not Verdict.ACCEPTED]
            why = f": {failed[0].failure.got}" if failed and failed[0].failure else ""
            raise JudgeError(f"the solution of exercise {self.exercise.key} gave no figure to calibrate{why}")
        device = report.provenance.device
        old = {each.figure: each for each in ledgers(self.exercise) if each.device == device}
        self.ledgers = {name: old.get(name, Ledger(self.exercise.slug, name, device)) for name in figures}


def least(measured: list[Measured]) -> dict[str, Measured]:
    """The smallest value of each figure: where several tests are held to one threshold, all of them are to reach it."""
    last = {(each.name, each.test): each for each in measured}  # of a test that was tried again, the second try
    return {each.name: each for each in sorted(last.values(), key=lambda each: -each.value)}


def _place(ledger: Ledger, report: Report, figure: Measured | None) -> int:
    provenance = report.provenance
    setting = {
        "budget": figure.budget if figure else ledger.budget,
        "machine": machine(provenance.device),
        "isolation": provenance.isolation,
        "python": provenance.python,
        **provenance.versions,
    }
    return ledger.place_of(setting)


def _training(case: Case, report: Report, figure: Measured | None, setting: int) -> Training:
    tests = [test for task in report.tasks for test in task.tests]
    return Training(
        submission=case.name,
        code=code_of(case.files),
        seed=report.provenance.seed or 0,
        value=round(figure.value, 6) if figure else None,
        of=figure.of if figure else 0,
        seconds=round(sum(test.seconds for test in tests), 1),
        verdict=report.verdict.value,
        date=report.provenance.started[:10],
        setting=setting,
    )


def chosen(exercise: Exercise, plants: str) -> list[Case]:
    """The solution, then the plants: the named ones, or every accepted and every wrong one."""
    every = [case for case in cases(exercise) if case.expected & {Verdict.ACCEPTED, Verdict.WRONG_ANSWER}]
    names = [name.strip() for name in plants.split(",") if name.strip()]
    found = [case for case in every[1:] if not names or {case.name, case.name.rpartition("/")[2]} & set(names)]
    missing = set(names) - {name for case in found for name in (case.name, case.name.rpartition("/")[2])}
    if missing:
        raise UsageError(f"exercise {exercise.key} has no accepted or wrong plant {', '.join(sorted(missing))}")
    return [every[0], *found]


def calibrate(
    exercise: Exercise, settings: Settings, submissions: list[Case], runs: int, told: Callable[[str], None]
) -> Calibration:
    """Runs until each submission has `runs` runs, those recorded before included; `told` hears what comes next."""
    if Selection.TRAINING not in kinds(exercise):
        raise UsageError(f"exercise {exercise.key} has no tests marked 'training', and nothing to calibrate")
    calibration = Calibration(exercise, settings, submissions)
    with open_sandbox(exercise, settings) as sandbox, tempfile.TemporaryDirectory(prefix="dojo-calibrate-") as folder:
        for case in _turns(calibration, runs):
            told(f"{case.name}, run {calibration.runs_of(case) + 1} of {runs}")
            calibration.add(case, _run(calibration, written(Path(folder), case), sandbox))
    return calibration


def _turns(calibration: Calibration, runs: int) -> Iterator[Case]:
    """The solution first; then always the submission with the fewest runs, so that a stop leaves them balanced."""
    yield calibration.submissions[0]
    while True:
        due = [case for case in calibration.submissions if not calibration.hopeless(case)]
        if not due or calibration.runs_of(case := min(due, key=calibration.runs_of)) >= runs:
            return
        yield case


def _run(calibration: Calibration, place: Path, sandbox: Sandbox) -> Report:
    settings = calibration.settings
    gc.collect()
    fresh = Settings(settings.sandbox, settings.device, secrets.randbits(63), "hidden", selection=Selection.TRAINING)
    return grade(calibration.exercise, place, fresh, sandbox=sandbox)


def use_data(folder: str | None) -> None:
    """Makes suites look for their data in `folder` first. Raises UsageError where it is none."""
    if folder is not None:
        if not Path(folder).is_dir():
            raise UsageError(f"DATA='{folder}' is not a folder")
        os.environ[ENVIRONMENT] = str(Path(folder).resolve())
