"""A thousand saves in a row under `dojo watch`: memory and processes are to stay as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.bench.cold import family, proportional
from grader.bench.warm import await_verdict, course_with, watching
from grader.catalog import Exercise

LOOKS = 10  # at memory and processes, evenly spread
SETTLED = 2  # looks after which nothing is to grow any more: the pool of waiting workers is full then
GROWTH = 1.1  # times as much memory at the last look as at the first settled one


@dataclass(frozen=True)
class Look:
    """What a watch and all below it take, after so many saves, while it waits for the next."""

    saves: int
    megabytes: float  # shared pages counted once
    processes: int


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
            for number in range(1, saves + 1):
                draft = target.with_suffix(".new")
                draft.write_text(wrong if number % 2 else right, "utf-8")
                draft.replace(target)
                await_verdict(process.stdout)
                if number % max(1, saves // LOOKS) == 0:
                    members = family(process.pid)
                    yield Look(number, sum(map(proportional, members)), len(members))


def flat(looks: list[Look]) -> bool:
    """Whether memory has stopped growing. The pool of waiting workers may be anywhere between empty and full."""
    settled = looks[SETTLED:]
    first = max(look.megabytes for look in looks[: SETTLED + 1])
    return bool(settled) and settled[-1].megabytes <= GROWTH * first
