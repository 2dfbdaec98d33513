"""A cohort, a comparison and a student on the terminal: at most 80 columns, plain in a pipe."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.gradebook.attempt import Attempt
from grader.gradebook.decisions import Decision
from grader.gradebook.figures import BINS, Distribution, ExerciseFigures, Figures, HardTest
from grader.gradebook.grades import Grade, Grades
from grader.gradebook.regrade import Change, Comparison, Flip
from grader.report import number
from grader.text import clean_line

BARS = " ▁▂▃▄▅▆▇█"
BAR = 40  # columns of the longest bar
ROWS = 10  # of a list, before it says how many more
Lines = Iterator[RenderableType]


def summary(found: Figures) -> Lines:
    """What `dojo gradebook summary` prints."""
    yield Text(
        f"{_count(found.students, 'student')}, {_count(len(found.exercises), 'exercise')}, "
        f"{_count(found.attempts, 'attempt')}",
        style="bold",
    )
    yield Text()
    yield _exercises(found.exercises)
    yield from _total(found.total)
    yield from _hard(found.exercises)
    yield from _in_need(found)
    yield from _faults(found)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _columns(*names: str) -> Table:
    """The first column is text and gives way; the others are numbers, and their heads may be empty."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(names[0], overflow="ellipsis", no_wrap=True)
    for name in names[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _exercises(rows: list[ExerciseFigures]) -> RenderableType:
    table = _columns("exercise", "graded", "missing", "mean", "median", "full", "0 to 100 %")
    for row in rows:
        shares = row.distribution
        cells = [str(shares.count), str(row.statuses.get("missing", 0))]
        cells += [_percent(shares.mean), _percent(shares.median)] if shares.count else ["", ""]
        table.add_row(Text(clean_line(row.slug)), *cells, str(shares.full), Text(f"{_sparks(shares)}│"))
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _sparks(shares: Distribution) -> str:
    """A sign for each bin. One person is seen too."""
    most = max(shares.bins) or 1
    return "".join(BARS[-(-(len(BARS) - 1) * count // most)] for count in shares.bins)


def _total(shares: Distribution) -> Lines:
    if not shares.count:
        return
    said = f"mean {_percent(shares.mean)}, median {_percent(shares.median)}, {shares.full} with all points"
    yield Text.assemble("\n", ("Total", "bold"), f"   {said}")
    width, most = len(str(max(shares.bins))), max(shares.bins)
    for low, count in enumerate(shares.bins):
        high = "100" if low == BINS - 1 else f"<{10 * low + 10}"
        bar = "█" * round(BAR * count / most) or ("·" if count else "")
        yield Text.assemble((f"  {10 * low:>3} to {high:>3} %  ", "dim"), f"{count:>{width}}  ", (bar, "cyan"))


def _hard(rows: list[ExerciseFigures]) -> Lines:
    """The tests that most people fail, over all exercises."""
    tests = [(test, row.slug) for row in rows for test in row.hardest]
    if not tests:
        return
    yield Text("\nTests that most people fail", style="bold")
    order = sorted(tests, key=lambda each: (-each[0].failed / max(1, each[0].of), -each[0].failed, each[1]))
    for test, slug in order[:ROWS]:
        yield from _hard_test(test, slug)


def _hard_test(test: HardTest, slug: str) -> Lines:
    share = f"{test.failed} of {test.of}"
    yield Text(f"  {share:>10}  {clean_line(slug).split('_')[0]}, task {test.task}: {test.sentence}")
    yield Padding(Text(test.message, style="dim"), (0, 0, 0, 14))


def _in_need(found: Figures) -> Lines:
    if not found.in_need:
        return
    yield Text("\nWho may need help", style="bold")
    for each in found.in_need[:ROWS]:
        name = f" ({each.name})" if each.name else ""
        yield Padding(Text(f"{each.student}{name}: {'; '.join(each.reasons)}"), (0, 0, 0, 2))
    yield from _more(len(found.in_need) - ROWS)


def _faults(found: Figures) -> Lines:
    yield Text("\nFaults of ours", style="bold")
    if not found.faults:
        yield Text("  none")
    for each in found.faults[:ROWS]:
        state = "mended by a later run" if each.mended else "no points lost; grade it again"
        yield Padding(Text(f"{each.student}, {each.slug} ({state}): {each.message}"), (0, 0, 0, 2))
    yield from _more(len(found.faults) - ROWS)
    for what, count in found.weak.items():
        yield Text(f"  {_count(count, 'grade')} not well founded: {what}", style="yellow")


def _more(count: int) -> Lines:
    if count > 0:
        yield Text(f"  and {count} more (--json tells all)", style="dim")


def comparison(found: Comparison) -> Lines:
    """What `dojo regrade` prints."""
    yield Text.assemble(
        (clean_line(found.slug), "bold cyan"), f"   suite {found.suite_before[:12]} → {found.suite_after[:12]}"
    )
    points = [each for each in found.changes if each.by or each.before_max != each.after_max]
    up = sum(each.by > 0 for each in points)
    down = sum(each.by < 0 for each in points)
    yield Text(
        f"{_count(found.compared, 'student')} compared: {up} gained, {down} lost points, "
        f"{len(found.changes) - len(points)} with other verdicts and the same points"
    )
    if found.waiting:
        yield Text(f"{_count(len(found.waiting), 'student')} not graded again yet", style="yellow")
    for each in found.changes:
        yield from _change(each)


def _change(change: Change) -> Lines:
    style = "green" if change.by > 0 else "red" if change.by < 0 else ""
    points = f"{number(change.before)}/{number(change.before_max)} → {number(change.after)}/{number(change.after_max)}"
    also = "   another submission counts now" if change.other_submission else ""
    yield Text.assemble(
        ("\n" + clean_line(change.student), "bold"), f"   {points}   ", (f"{change.by:+g}", style), also
    )
    for flip in change.flips[:ROWS]:
        yield Padding(Text(_flip(flip)), (0, 0, 0, 2))
    yield from _more(len(change.flips) - ROWS)


def _flip(flip: Flip) -> str:
    old, new = (verdict.words if verdict else "no such test" for verdict in (flip.before, flip.after))
    return f"task {flip.task}: {flip.sentence}: {old} → {new}"


def history(found: Grades, student: str, attempts: list[Attempt], log: list[Decision]) -> Lines:
    """What `dojo gradebook show` prints: a student's grades, each attempt, each decision."""
    table = _columns("exercise", "points", "of", "late", "submissions", "status")
    for grade in found.rows[student]:
        table.add_row(Text(clean_line(grade.slug)), *_cells(grade))
    yield table
    got, most = found.total(student)
    yield Text(f"{number(round(got, 2))} of {number(most)} points", style="bold")
    for title, lines in (("Attempts", map(_attempt, attempts)), ("Decided by hand", map(_decision, log))):
        body = list(lines)
        if body:
            yield Text(f"\n{title}", style="bold")
            yield from (Padding(Text(line), (0, 0, 0, 2)) for line in body)


def _attempt(attempt: Attempt) -> str:
    points = f"{number(attempt.points)}/{number(attempt.max_points)} {attempt.verdict.words}"
    weak = "".join(f", {word}" for word in attempt.footing.weaknesses)
    when = attempt.submitted or attempt.started
    return f"{when[:16]}  {clean_line(attempt.slug)}  {points}{weak}  ({attempt.key.submission[:8]})"


def _decision(decision: Decision) -> str:
    points = f" {number(decision.points)}" if decision.points is not None else ""
    what = f"{clean_line(decision.slug)}: {decision.kind.value}{points} by {clean_line(decision.author)}"
    return f"{decision.made[:16]}  {what}: {clean_line(decision.reason)}"


def _cells(grade: Grade) -> tuple[str, ...]:
    late = f"-{_percent(grade.penalty)}" if grade.penalty else ""
    status = f"{grade.status.value}{', dropped' if grade.dropped else ''}"
    return number(round(grade.points, 2)), number(grade.max_points), late, str(grade.submissions), status
