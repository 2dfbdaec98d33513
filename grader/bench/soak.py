"""A thousand saves in a row under `dojo watch`: memory and processes are to stay as they are."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.bench.cold import family, proportional
from grader.bench.warm import await_verdict, course_with, watching
from grader.catalog import Exercise

LOOKS = 10  # at memory and processes, evenly spread
SETTLED = 2  # looks after which nothing is to grow any more: the pool of waiting workers is full then
GROWTH = 1.1  # times as much memory at the last look as at the first settled one
STILL_SECONDS = 1.0  # in which no process starts or ends: the pool of waiting workers is full again
PATIENCE_SECONDS = 30.0
# What processes make of their own. Pages of libraries are not counted: the share of each depends on who else has them.
OWN = ("Pss_Anon", "Pss_Shmem")
SPARE = 4  # processes that may just be ending


@dataclass(frozen=True)
class Look:
    """What a watch and all below it take, after so many saves, while it waits for the next."""

    saves: int
    megabytes: float  # of memory of their own, shared pages counted once
    processes: int
    lasting: float  # the part of those processes that have been there since the first look


def soak(root: Path, exercise: Exercise, saves: int) -> Iterator[Look]:
    """Saves right and wrong answers in turn, each as soon as the verdict on the one before is there."""
    right = (exercise.solution / exercise.files[0]).read_text("utf-8")
    wrong = sorted((exercise.hidden / "wrong_answer").glob("*.py"))[0].read_text("utf-8")
    with tempfile.TemporaryDirectory(prefix="dojo-bench-") as folder:
        course = course_with(root, exercise, Path(folder))
        target = course / exercise.folder.relative_to(root) / exercise.files[0]
        target.write_text(right, "utf-8")
        with watching(course, exercise) as process:
            assert process.stdout is not None
            await_verdict(process.stdout)
            lasting: set[int] = set()
            for number in range(1, saves + 1):
                draft = target.with_suffix(".new")
                draft.write_text(wrong if number % 2 else right, "utf-8")
                draft.replace(target)
                await_verdict(process.stdout)
                if number % max(1, saves // LOOKS) == 0:
                    members = _at_rest(process.pid)
                    lasting = lasting & set(members) if lasting else set(members)
                    sizes = {member: proportional(member, OWN) for member in members}
                    yield Look(number, sum(sizes.values()), len(members), sum(sizes[each] for each in lasting))


def _at_rest(process: int) -> list[int]:
    """The process and all below it, once none starts or ends any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    members, since = family(process), time.monotonic()
    while time.monotonic() < min(deadline, since + STILL_SECONDS):
        time.sleep(STILL_SECONDS / 10)
        if set(now := family(process)) != set(members):
            members, since = now, time.monotonic()
    return members


def flat(looks: list[Look]) -> bool:
    """Whether memory and processes have stopped growing."""
    if len(looks) <= SETTLED:
        return False
    first, last = looks[SETTLED], looks[-1]
    return last.megabytes <= GROWTH * first.megabytes and last.processes <= first.processes + SPARE
