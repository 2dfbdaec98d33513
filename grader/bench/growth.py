"""What a submission costs in a large class and in a small one, and whether memory grows on the way.

Cost is CPU time of all processes: wall time on a shared machine says more of its other users. The large class holds
the small one's submissions many times over, under other names, so both ask the same. The small one is graded before and
after.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from grader.bench.class_run import Look, Run, run_class
from grader.bench.classroom import draw
from grader.bench.cohort import SEED, exercises_of
from grader.bench.cold import children, family, proportional
from grader.bench.figures import Aim, Figure, figure
from grader.bench.soak import GROWTH, SETTLED
from grader.errors import UsageError

COST_AIM = 1.1
LOOKS = 10


def growth(root: Path, small: int, large: int) -> tuple[list[Figure], list[Aim]]:
    """A class of `small`, one of `large`, and one of `small` again."""
    if not 0 < small < large or large < LOOKS:
        raise UsageError(f"a class of {small} and a larger one of at least {LOOKS} are to be compared, not of {large}")
    exercises = exercises_of(root)
    sizes: list[tuple[float, float]] = []
    first = run_class(root, draw(exercises, small, SEED))
    whole = run_class(root, draw(exercises, large, SEED, small), looking(large // LOOKS, sizes))
    last = run_class(root, draw(exercises, small, SEED))
    figures, aims = _costs([first, last], whole)
    if len(sizes) > SETTLED:
        for place, name in enumerate(("dispatcher and judges", "all that last")):
            figures.append(figure(f"memory of {name}, {large} submissions", [size[place] for size in sizes], "MB"))
            grown = sizes[-1][place] / sizes[SETTLED][place]
            aims.append(Aim(f"memory of {name}, at the end / once settled", grown, GROWTH))
    return figures, aims


def _costs(small: Sequence[Run], large: Run) -> tuple[list[Figure], list[Aim]]:
    figures = []
    for runs in (small, [large]):
        count = runs[0].submissions
        figures.append(figure(f"a class of {count}: CPU s each", [run.cpu / count for run in runs]))
        figures.append(figure(f"a class of {count}: s each", [run.seconds / count for run in runs]))
    before = statistics.mean(run.cpu / run.submissions for run in small)
    name = f"CPU time of a submission, {large.submissions} / {small[0].submissions}"
    return figures, [Aim(name, large.cpu / large.submissions / before, COST_AIM)]


def looking(every: int, sizes: list[tuple[float, float]]) -> Look:
    """Looks at memory in the middle of each `every` results: of the dispatcher and its judges, and of all that last.

    Those that were there at the look before are the lasting ones: no worker and no judge's fork lives that long. What
    they hold is counted as if they shared nothing, or a judge would seem to shrink while a fork of it is at work.
    """
    known: set[int] = set()

    def look(count: int, process: int) -> None:
        if count % every != every // 2:
            return
        members = set(family(process))
        memory = {member: proportional(member, ("Anonymous",)) for member in members}
        if known:
            of_heads = sum(memory.get(each, 0.0) for each in (process, *children(process)))
            sizes.append((of_heads, sum(memory[each] for each in members & known)))
        known.clear()
        known.update(members)

    return look
