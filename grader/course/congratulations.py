"""A word for an exercise that is solved, and a card for the course: the student's own curve, down to zero."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from grader.course.overview import number
from grader.course.printing import spread
from grader.course.progress import Advance, Row, Standing
from grader.course.record import Record
from grader.course.wording import typed
from grader.text import clean_line

BLOCKS = " ▁▂▃▄▅▆▇█"  # eighths of a character
ROWS = 8  # of the curve, between all points and none
MARGIN = 8  # columns for the numbers beside it


def word(advance: Advance, columns: int) -> Iterator[Text]:
    """For an exercise that was just solved for the first time; where that ends the course, the card."""
    row, standing = advance.solved, advance.standing
    if row is None or standing is None:
        return
    yield Text()
    if advance.finished:
        yield from card(standing, advance.finished, columns)
        return
    name = "The final project" if row.exercise.number is None else f"Exercise {row.exercise.key}"
    yield Text(f"{name} is solved, all {number(row.total)} points.", style="bold green")
    done = f"{standing.solved} of {len(standing.rows)} solved, {number(standing.points)} of {number(standing.total)}"
    yield Text(f"{done} points.")
    following = standing.next
    if following:
        key, title = following.exercise.key, clean_line(following.exercise.title)
        yield Text.assemble(f"Next: {title}.  ", (typed("read", key), "cyan"), "  ", (typed("watch", key), "cyan"))


def card(standing: Standing, record: Record, columns: int) -> Iterator[Text]:
    """The whole course is solved."""
    inner = columns - 4
    body = [
        spread(Text("T O R C H   D O J O", "bold cyan"), Text(_days(standing), "dim"), inner),
        Text(),
        Text("Your points still to earn, exercise by exercise:", "dim"),
        *curve(standing, inner),
        Text(),
        Text("Converged. Every exercise is solved.", "bold green"),
        Text(_sums(standing, record)),
    ]
    yield Text(f"╭{'─' * (columns - 2)}╮", "dim", no_wrap=True)
    for line in body:
        middle = spread(line, Text(), inner)
        yield Text.assemble(("│ ", "dim"), middle, (" │", "dim"), no_wrap=True)
    yield Text(f"╰{'─' * (columns - 2)}╯", "dim", no_wrap=True)


def _days(standing: Standing) -> str:
    """From the day of the first solved exercise to that of the last."""
    dates = sorted(_day(row) for row in standing.rows)
    first, last = dates[0], dates[-1]
    end = f"{last.day} {last:%B %Y}"
    if first.date() == last.date():
        return end
    return f"{first.day} {first:%B}{'' if first.year == last.year else f' {first.year}'} to {end}"


def _day(row: Row) -> datetime:
    return datetime.fromisoformat(row.best.date if row.best else "1970-01-01T00:00:00+00:00").astimezone()


def _sums(standing: Standing, record: Record) -> str:
    hints = record.all_hints()
    early = sum(bool(record.confirmed(row.exercise.slug)) for row in standing.rows)
    parts = [f"{number(standing.points)} points", f"{len(standing.rows)} exercises"]
    parts += [f"{hints} hint{'s' * (hints != 1)}"]
    parts += [f"{early} solution{'s' * (early != 1)} read before"] if early else []
    return "  ·  ".join(parts)


def curve(standing: Standing, columns: int) -> Iterator[Text]:
    """What was left to earn before each exercise, in the order in which they were solved. At the end: nothing."""
    rows = sorted(standing.rows, key=_day)
    step = max(1, (columns - MARGIN) // (len(rows) + 1))
    left = [standing.total - sum(each.total for each in rows[:place]) for place in range(len(rows))]
    eighths = [max(1, round(points / standing.total * ROWS * 8)) for points in left]
    for level in reversed(range(ROWS)):
        label = number(standing.total) if level == ROWS - 1 else "0" if level == 0 else ""
        line = Text(f"{label:>{MARGIN - 3}} {'┤' if label else '│'} ", style="dim")
        blocks = "".join(BLOCKS[max(0, min(8, height - 8 * level))] * step for height in eighths)
        yield line.append(blocks, style="green")
    keys = "".join(f"{row.exercise.key if row.exercise.number else 'F':<{step}}" for row in rows)
    yield Text(f"{'':>{MARGIN}}{keys}", style="dim")
