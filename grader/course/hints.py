"""Which hint is next: one more at a time, of the first task that is not passed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from grader.catalog import Exercise, Task
from grader.course.progress import row_of
from grader.course.record import Record
from grader.course.store import Store, Unwritable
from grader.course.wording import typed
from grader.errors import UsageError


@dataclass(frozen=True)
class Hints:
    """The hints of a task that a student has seen, the newest last."""

    task: Task
    shown: list[str]
    new: bool  # whether the last one is seen for the first time
    asked: bool  # whether the task was named

    @property
    def left(self) -> int:
        return len(self.task.hints) - len(self.shown)


def next_hint(store: Store, exercise: Exercise, wanted: str) -> Hints | None:
    """One more hint, which counts as seen. None: every task is passed. Raises UsageError for a task that is none."""
    try:
        with store.change() as record:
            return _advance(record, exercise, wanted)
    except Unwritable as error:
        store.remarks.append(f"{error}; that this hint was seen is not remembered")
        return _advance(store.read(), exercise, wanted)


def see(store: Store, exercise: Exercise, task: Task, count: int) -> None:
    """Notes that the first hints of a task were seen elsewhere, as far as that can be remembered."""
    with contextlib.suppress(UsageError), store.change() as record:
        seen = record.hints(exercise.slug, task.number)
        record.see_hints(exercise.slug, task.number, max(seen, count))


def _advance(record: Record, exercise: Exercise, wanted: str) -> Hints | None:
    task = _task(exercise, wanted) if wanted else row_of(exercise, record).task
    if task is None:
        return None
    seen = min(record.hints(exercise.slug, task.number), len(task.hints))
    shown = min(seen + 1, len(task.hints))
    record.see_hints(exercise.slug, task.number, shown)
    return Hints(task, task.hints[:shown], shown > seen, bool(wanted))


def _task(exercise: Exercise, wanted: str) -> Task:
    task = next((task for task in exercise.tasks if str(task.number) == wanted.strip()), None)
    if task is None:
        raise UsageError(f"TASK='{wanted}' is not one of exercise {exercise.key}'s tasks, 1 to {len(exercise.tasks)}")
    return task


def picture(exercise: Exercise, hints: Hints | None, columns: int) -> Iterator[RenderableType]:
    """The hints of a task so far, and how many are left."""
    key = exercise.key
    if hints is None:
        yield Text(f"Every task of exercise {key} passes: there is nothing left to hint at.")
        yield Text.assemble(("Hints of one task: ", "dim"), (typed("hint", key, task="1"), "cyan"))
        return
    head = Text.assemble((f"{exercise.slug.split('_')[0]} ", "bold cyan"), (f"task {hints.task.number}  ", "bold"))
    head.append(hints.task.title)
    head.truncate(columns, overflow="ellipsis")
    yield head
    for place, text in enumerate(hints.shown, start=1):
        newest = place == len(hints.shown) and hints.new
        label = Text(f"hint {place} of {len(hints.task.hints)}", "dim")
        yield label
        yield Padding(Text(text, "yellow" if newest else ""), (0, 0, 0, 2))
    again = typed("hint", key, **({"task": str(hints.task.number)} if hints.asked else {}))
    more = "one more" if hints.left == 1 else f"{hints.left} more"
    yield Text.assemble((f"{more}: ", "dim"), (again, "cyan")) if hints.left else Text("That was the last one.", "dim")
