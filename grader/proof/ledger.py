"""The recorded training runs behind a threshold: one file for each figure and device, a line for each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grader.catalog import Exercise
from grader.errors import JudgeError
from grader.proof.plants import cases
from grader.proof.records import FOLDER, read_record, write_record
from grader.proof.source import code_of
from grader.proof.thresholds import Derived, Fit, derive
from grader.result import Verdict

PREFIX = "thresholds_"


@dataclass(frozen=True)
class Training:
    """One run of the tests that train, for one figure."""

    submission: str
    code: str  # what the submission did, see `source`
    seed: int
    value: float | None  # None: the run ended before the figure was measured
    of: int
    seconds: float
    verdict: str
    date: str
    setting: int  # the place of its setting in the ledger


@dataclass
class Ledger:
    """All runs of a figure on a device. A setting is the budget, the machine and the versions of some of them."""

    exercise: str
    figure: str
    device: str
    settings: list[dict[str, Any]] = field(default_factory=list)
    runs: list[Training] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of its file: the figure's own says its data set, and in most cases its device."""
        figure = self.figure if self.device in self.figure.split("_") else f"{self.figure}_{self.device}"
        return f"{PREFIX}{self.exercise}_{figure}.json"

    @property
    def budget(self) -> str:
        """That of the last run: runs of another one are of another level, and are kept without being fitted."""
        return str(self.settings[self.runs[-1].setting]["budget"]) if self.runs else ""

    def place_of(self, setting: dict[str, Any]) -> int:
        if setting not in self.settings:
            self.settings.append(setting)
        return self.settings.index(setting)

    def of_code(self, submission: str, code: str) -> list[Training]:
        """The runs of a submission as it is now, at the budget as it is now."""
        return [
            run
            for run in self.runs
            if (run.submission, run.code) == (submission, code) and self.settings[run.setting]["budget"] == self.budget
        ]

    def save(self, root: Path) -> None:
        write_record(root, self.name, asdict(self))


def read_ledger(root: Path, name: str) -> Ledger:
    """Raises JudgeError where the file is damaged."""
    body = read_record(root, name)
    try:
        return Ledger(**{**body, "runs": [Training(**run) for run in body["runs"]]})
    except (KeyError, TypeError) as error:
        raise JudgeError(f"the record '{root / FOLDER / name}' can't be read: {error}; restore or delete it") from None


def ledgers(exercise: Exercise) -> list[Ledger]:
    """All that were recorded for an exercise."""
    paths = sorted((exercise.root / FOLDER).glob(f"{PREFIX}{exercise.slug}_*.json"))
    return [read_ledger(exercise.root, path.name) for path in paths]


def codes(exercise: Exercise) -> Mapping[str, str]:
    """The code of each right and wrong answer as it is now, by its name."""
    kinds = {Verdict.ACCEPTED, Verdict.WRONG_ANSWER}
    return {case.name: code_of(case.files) for case in cases(exercise) if case.expected & kinds}


def fits(ledger: Ledger, known: Mapping[str, str]) -> tuple[list[Fit], list[Fit]]:
    """The right and the wrong answers with runs that still hold."""
    rights: list[Fit] = []
    wrongs: list[Fit] = []
    for name, code in known.items():
        runs = ledger.of_code(name, code)
        values = tuple(run.value for run in runs if run.value is not None)
        if runs:
            fit = Fit(name, values, max(run.of for run in runs), len(runs) - len(values))
            (rights if name == "solution" or name.startswith(Verdict.ACCEPTED.value) else wrongs).append(fit)
    return rights, wrongs


def derived(exercise: Exercise, ledger: Ledger) -> Derived | None:
    """What the runs of a ledger say of its threshold; None where they are too few, or of code that has changed."""
    rights, wrongs = fits(ledger, codes(exercise))
    rule = exercise.thresholds.get(ledger.figure) if ledger.figure in exercise.required else None
    try:
        return derive(rights, wrongs, rule)
    except ValueError:
        return None
