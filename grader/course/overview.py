"""What `dojo` shows: every exercise with its points, how far one has come, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from grader.course.printing import spread
from grader.course.progress import Row, Standing
from grader.course.wording import typed
from grader.text import clean_line

MARKS = {"solved": ("✓", "green"), "begun": ("✗", "red"), "open": ("·", "dim")}
FULL, EMPTY = "█", "░"


def number(value: float) -> str:
    """Points without a needless .0."""
    return f"{value:g}"


def heading(standing: Standing, columns: int) -> Iterator[Text]:
    """The sum, and the bar."""
    points = Text(f"{number(standing.points)} of {number(standing.total)} points", style="bold")
    yield spread(Text(" Torch Dojo", style="bold cyan"), points, columns)
    yield bar(standing.due_points, standing.total, columns)
    yield Text()


def overview(standing: Standing, columns: int) -> Iterator[Text]:
    """The lines, each of at most `columns`."""
    yield from heading(standing, columns)
    for row in standing.rows:
        yield _row(row, row is standing.next, columns)
    yield Text()
    yield from _next(standing, columns)


def bar(points: float, total: float, columns: int) -> Text:
    """A share as a bar and a number. It is full when all is done, and not before; empty, when nothing is."""
    share = points / total if total else 0.0
    cells = max(1, columns - 8)
    full = int(share * cells) if share < 1 else cells
    full = max(full, 1) if points else 0
    line = Text(" ", no_wrap=True)
    line.append(FULL * full, style="green").append(EMPTY * (cells - full), style="dim")
    return line.append(f"{int(100 * share):>4} %", style="bold" if share == 1 else "")


def _row(row: Row, current: bool, columns: int) -> Text:
    state = "solved" if row.solved else "begun" if row.points else "open"
    mark, style = MARKS[state]
    left = Text.assemble((" › " if current else "   ", "bold cyan"), (mark, style))
    left.append(f"{row.exercise.key:>6}  ", style="bold" if current else "")
    left.append(clean_line(row.exercise.title), style="bold" if current else "dim" if row.solved else "")
    points = number(row.points) if row.counts else "–"
    right = Text(f" {points} / {number(row.total)}", style=style)
    if row.best and not row.counts:
        right = Text(" by the public tests only ", style="dim").append_text(right)
    return spread(left, right, columns)


def _next(standing: Standing, columns: int) -> Iterator[Text]:
    row = standing.next
    if row is None:
        return
    key, task = row.exercise.key, row.task
    where = f", task {task.number}" if task and row.last else ""
    name = "the final project" if row.exercise.number is None else f"exercise {key}"
    head = Text(f" Next: {name}{where}", "bold")
    head.truncate(columns, overflow="ellipsis")
    yield head
    first = ("start", "") if not any(each.best for each in standing.rows) else ("read", key)
    said = {"start": "how it works, in a minute", "read": "the lesson"}
    steps = [(typed(*first), said[first[0]]), (typed("watch", key), "the verdict after each save")]
    steps += [(typed("hint", key), "one more hint")] if row.best else []
    longest = max(len(command) for command, _ in steps)
    for command, what in steps:
        line = Text.assemble("   ", (f"{command:<{longest}}", "cyan"), "   ", (what, "dim"))
        line.truncate(columns, overflow="ellipsis")
        yield line
