"""`dojo rerun`: the same suite on right answers, many times with fresh seeds. Not one test may fail.

Quick tests run `--times` times, tests marked `training` fewer times, all in one warm sandbox. What was counted goes to
docs/results/reruns.json, and how near the comparisons came to their tolerances to docs/results/tolerances.json.
"""

from __future__ import annotations

import ast
import gc
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.catalog import Exercise
from grader.effort import Selection
from grader.grading import Progress, Settings, grade, open_sandbox
from grader.margins import Margins, listening
from grader.proof.plants import Case, cases
from grader.result import Provenance, Report, TestResult, Verdict
from grader.sandbox import Sandbox

DOUBT = 0.05  # of the bound on the share of runs that fail


@dataclass(frozen=True)
class Plan:
    """What is run, and how often."""

    submissions: list[Case]
    times: int = 200
    training: int = 30
    settings: Settings = field(default_factory=Settings)

    def rounds(self, exercise: Exercise) -> Iterator[tuple[Case, Selection]]:
        """The runs in their order."""
        there = kinds(exercise)
        for case in self.submissions:
            for selection, times in ((Selection.QUICK, self.times), (Selection.TRAINING, self.training)):
                for _ in range(times if selection in there else 0):
                    yield case, selection


@dataclass(frozen=True)
class Miss:
    """A test that a right answer failed."""

    submission: str
    seed: int
    result: TestResult


@dataclass
class Count:
    """What was counted of one submission."""

    quick: int = 0
    training: int = 0
    verdicts: int = 0  # of single tests
    failed_runs: int = 0


@dataclass
class Campaign:
    """All runs of one exercise."""

    exercise: Exercise
    counts: dict[str, Count] = field(default_factory=dict)
    runs_of: dict[str, int] = field(default_factory=dict)  # how often each test ran
    misses: list[Miss] = field(default_factory=list)
    retried: int = 0  # tests that ran a second time for a fault of ours
    margins: Margins = field(default_factory=Margins)
    provenance: Provenance | None = None  # of the last run
    seconds: float = 0.0

    @property
    def runs(self) -> int:
        return sum(count.quick + count.training for count in self.counts.values())

    def bound(self) -> float:
        """The largest share of failing runs that fits what was seen, but for one case in twenty. No failure: 3 / n."""
        failed = sum(count.failed_runs for count in self.counts.values())
        return share_bound(failed, self.runs)

    def add(self, case: Case, selection: Selection, report: Report) -> None:
        count = self.counts.setdefault(case.name, Count())
        count.quick += selection is Selection.QUICK
        count.training += selection is Selection.TRAINING
        results = [test for task in report.tasks for test in task.tests]
        failed = [result for result in results if result.verdict is not Verdict.ACCEPTED]
        count.verdicts += len(results)
        count.failed_runs += bool(failed)
        self.retried += sum(result.attempts > 1 for result in results)
        self.misses += [Miss(case.name, report.provenance.seed or 0, result) for result in failed]
        for result in results:
            self.runs_of[result.name] = self.runs_of.get(result.name, 0) + 1
        self.provenance = report.provenance


def share_bound(failed: int, n: int) -> float:
    """The upper end of Clopper and Pearson's one-sided 95 % interval for a share, `failed` of `n` having been seen."""
    low, high = failed / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(failed, n, middle) > DOUBT else (low, middle)
    return high


def _at_most(k: int, n: int, share: float) -> float:
    """The binomial probability of at most k of n."""
    term = total = (1 - share) ** n
    for i in range(k):
        term *= (n - i) / (i + 1) * share / max(1 - share, 1e-300)
        total += term
    return total


def right_answers(exercise: Exercise, source: str) -> list[Case]:
    """The solution, the accepted plants, or all of them."""
    right = [case for case in cases(exercise) if Verdict.ACCEPTED in case.expected]
    return {"solution": right[:1], "accepted": right[1:], "all": right}[source]


def kinds(exercise: Exercise) -> set[Selection]:
    """Whether the hidden suite has quick tests, tests that train, or both."""
    suite = exercise.hidden_suite
    tree = ast.parse(suite.read_text("utf-8")) if suite else ast.Module([], [])
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]
    marked = ["mark.training" in " ".join(map(ast.unparse, test.decorator_list)) for test in tests]
    return {Selection.TRAINING if training else Selection.QUICK for training in marked}


def rerun(exercise: Exercise, plan: Plan, told: Callable[[int, Campaign], None] = lambda *_: None) -> Campaign:
    """Runs the plan; `told` hears how many runs are done. Nothing of it is written."""
    campaign = Campaign(exercise)
    began = time.monotonic()
    with open_sandbox(exercise, plan.settings) as sandbox, tempfile.TemporaryDirectory(prefix="dojo-rerun-") as folder:
        for number, (case, selection) in enumerate(plan.rounds(exercise)):
            told(number, campaign)
            place = written(Path(folder), case)
            settings = replace(plan.settings, seed=secrets.randbits(63), selection=selection)
            campaign.add(case, selection, _run(campaign, case, place, settings, sandbox))
    campaign.seconds = time.monotonic() - began
    return campaign


def _run(campaign: Campaign, case: Case, place: Path, settings: Settings, sandbox: Sandbox) -> Report:
    margins = campaign.margins

    def finished(result: TestResult) -> None:
        margins.settle(result.name, result.verdict is Verdict.ACCEPTED, case.name)

    gc.collect()  # what the run before left, for a run keeps all that it finds from being collected any more
    with listening(margins.hear):
        return grade(campaign.exercise, place, settings, Progress(finished=finished), sandbox)


def written(folder: Path, case: Case) -> Path:
    """The files of a submission in a folder of their own; once is enough."""
    place = folder / case.name.replace("/", "-")
    if not place.is_dir():
        place.mkdir()
        for name, text in case.files.items():
            (place / name).write_text(text, "utf-8")
    return place
