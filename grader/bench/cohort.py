"""A class under `dojo cohort`, beside plain pytest and otter-grader; and the memory that it takes.

Each round grades a few submissions with each rival, then the class, then a few more with the rivals, so that a noisy
minute of the machine meets all sides. The rivals get a part of the class with the same mix of exercises; `dojo cohort`
gets all of it, and its start-up counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.bench.class_run import JOBS, Run, run_class
from grader.bench.classroom import Sheet, draw
from grader.bench.figures import Aim, Figure, figure
from grader.bench.otter import cache_folder, reach
from grader.bench.rivals import Grader, Sample, plain_pytest
from grader.catalog import Catalog, Exercise
from grader.errors import UsageError

EXERCISES = ("1", "2")
SEED = 1
PYTEST_AIM = 1 / 8  # of its time for a submission
OTTER_AIM = 1 / 10
MEMORY_AIM = 2048.0  # MB
MEMORY_SHARE = 5  # a fifth of the class will do: a peak comes with each submission of exercise 1
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    submissions: int = 200
    sample: int = 12  # of them, for each rival, before a run over the class and again after it
    rounds: int = 3
    otter: Path = field(default_factory=cache_folder)  # the environment with otter-grader in it, made where it is not


@dataclass
class Rival:
    """Another way to grade the class, and the most of its time that we may take."""

    name: str
    grade: Grader
    most: float
    whole: Sample = field(default_factory=Sample)
    ratios: list[float] = field(default_factory=list)  # our time for a submission / its, a round each


def cohort(root: Path, plan: Plan) -> tuple[list[Figure], list[Aim]]:
    """The class beside its rivals; then its memory, in a run of its own, for looking at it takes time."""
    exercises = exercises_of(root)
    sheets = draw(exercises, plan.submissions, SEED)
    needed = 2 * plan.rounds * plan.sample
    if min(plan.rounds, plan.sample) < 1 or needed > len(sheets):
        raise UsageError(f"{plan.rounds} rounds with {plan.sample} before and after need a class of {needed} or more")
    with tempfile.TemporaryDirectory(prefix="dojo-bench-") as folder:
        rivals = _rivals(plan, exercises, Path(folder))
        runs = [_round(root, sheets, plan, number, rivals) for number in range(plan.rounds)]
    figures, aims = _compared(runs, rivals)
    memory = run_class(root, sheets[: max(JOBS * len(exercises), len(sheets) // MEMORY_SHARE)], pause=LOOK_SECONDS)
    if memory.peak.looks:
        name = f"peak memory, {memory.submissions} submissions, {memory.peak.looks} looks"
        figures.append(figure(name, [memory.peak.megabytes], "MB"))
        aims.append(Aim(f"peak memory, {JOBS} judges and all below", memory.peak.megabytes, MEMORY_AIM, "MB"))
    return figures, aims


def exercises_of(root: Path) -> list[Exercise]:
    """The exercises that a class of the bench has done."""
    catalog = Catalog(root)
    return [catalog.find(key) for key in EXERCISES]


def _rivals(plan: Plan, exercises: Sequence[Exercise], folder: Path) -> list[Rival]:
    rivals = [Rival("plain pytest", plain_pytest, PYTEST_AIM)]
    if otter := reach(plan.otter, folder):
        for exercise in exercises:
            otter.prepare(exercise)
        rivals.append(Rival(f"otter-grader {otter.version}", otter.grade, OTTER_AIM))
    return rivals


def _round(root: Path, sheets: Sequence[Sheet], plan: Plan, number: int, rivals: Sequence[Rival]) -> Run:
    first, second = (sheets[part * plan.sample :][: plan.sample] for part in (2 * number, 2 * number + 1))
    before = [rival.whole.add(first, rival.grade) for rival in rivals]
    run = run_class(root, sheets)
    for rival, early in zip(rivals, before, strict=True):
        late = rival.whole.add(second, rival.grade)
        theirs = (early.elapsed + late.elapsed) / (len(first) + len(second))
        rival.ratios.append(run.seconds / run.submissions / theirs)
    return run


def _compared(runs: Sequence[Run], rivals: Sequence[Rival]) -> tuple[list[Figure], list[Aim]]:
    """Seconds and CPU seconds a submission, one of each a run; of rivals the time of each submission by itself."""
    size = f"{runs[0].submissions} submissions"
    figures = [
        figure(f"dojo cohort, {size}: s each", [run.seconds / run.submissions for run in runs]),
        figure(f"dojo cohort, {size}: CPU s each", [run.cpu / run.submissions for run in runs]),
    ]
    aims = []
    for rival in rivals:
        figures.append(figure(f"{rival.name}, 2 at a time: s from start to end", rival.whole.seconds))
        ratios = figure(f"dojo cohort / {rival.name}", rival.ratios, "")
        figures.append(ratios)
        aims.append(Aim(f"a submission, dojo cohort / {rival.name}", ratios.median, rival.most))
    return figures, aims
