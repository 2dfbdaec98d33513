"""The report on the terminal: legible at 80 columns, plain when piped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.result import Failure, Place, Report, TaskResult, TestResult, Verdict
from grader.text import clean, clean_line

MARKS = {
    Verdict.ACCEPTED: ("✓", "green"),
    Verdict.NOT_ATTEMPTED: ("·", "dim"),
    Verdict.JUDGE_ERROR: ("!", "magenta"),
}
MISS = ("✗", "red")
SHOWN = 2  # failures of a task that are told in full
LABELS = 10  # width of "expected", and a gap
WINDOW = 50  # characters of a line that a caret points into


def print_report(console: Console, report: Report, folder: str, instructor: bool = False, withheld: str = "") -> None:
    """Draws `report`; `folder` is where the student works. An instructor sees seeds, inputs and the suite's code.

    `withheld`: why a student does not read the words of hidden tests, where that is so.
    """
    shown = report if instructor else report.for_student(withheld)
    console.print(_heading(shown))
    if shown.problem:
        console.print(_indented(_failure(shown.problem)))
    else:
        told: set[Failure] = set()
        for task in shown.tasks:
            console.print(_task(task, told))
    for line in _closing(shown, folder):
        console.print(line)
    if instructor:
        console.print(f"[dim]seed {report.provenance.seed}, submission {report.provenance.submission_sha256[:16]}[/]")


def _heading(report: Report) -> RenderableType:
    where = report.provenance
    line = Text()
    line.append(f"{report.exercise.split('_')[0]} ", style="bold cyan")
    line.append(report.title, style="bold")
    how = f"{report.suite} tests, {where.device}, {where.isolation}" if where.isolation else "not run"
    line.append(f"   {how}", style="dim")
    return line


def _indented(body: RenderableType) -> RenderableType:
    return Padding(body, (0, 0, 0, 2), expand=False)


def _task(task: TaskResult, told: set[Failure]) -> RenderableType:
    mark, style = MARKS.get(task.verdict, MISS)
    head = Table.grid(padding=(0, 1), expand=True)
    head.add_column(width=1)
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    points = Text(f"{number(task.points)} / {number(task.max_points)}", style=style)
    head.add_row(Text(mark, style=style), Text(f"task {task.number}  {task.label}", style="bold"), points)
    return Group(head, *_tests(task, told))


def _tests(task: TaskResult, told: set[Failure]) -> Iterator[RenderableType]:
    """Failed tests in full, one cause once; the passed ones are counted. Untouched ones say so once."""
    if task.verdict is Verdict.NOT_ATTEMPTED:
        yield Text("  not attempted yet", style="dim")
        return
    if not task.told:
        return
    failed = [test for test in task.tests if test.verdict is not Verdict.ACCEPTED]
    # The first failures are what to mend first; an instructor, whose tests carry their code, sees them all.
    full = [test for number, test in enumerate(failed) if number < SHOWN or (test.failure and test.failure.private)]
    for test in full:
        yield _test(test, told)
    if failed:
        more = f"; {len(failed) - len(full)} more fail" if len(failed) > len(full) else ""
        passed = len(task.tests) - len(failed)
        yield Text(f"  {passed} of {len(task.tests)} tests pass{more}", style="dim")


def _test(test: TestResult, told: set[Failure]) -> RenderableType:
    mark, style = MARKS.get(test.verdict, MISS)
    title = Text(f"{mark} {clean_line(test.sentence)}", style=style)
    title.append(f"  {test.verdict.words}", style="dim")
    parts: list[RenderableType] = [title]
    if test.failure and test.verdict is not Verdict.NOT_ATTEMPTED:
        # The same line of the submission, or the same missing name, behind many tests is told once.
        cause = replace(test.failure, call="", private="", hint="")
        parts.append(row("got", "the same as above") if cause in told else _failure(test.failure))
        told |= {cause} if test.verdict is Verdict.RUN_TIME_ERROR else set()
    if test.printed.strip() and test.verdict is not Verdict.ACCEPTED:
        parts.append(printed_row(test.printed))
    if test.failure and test.failure.private:
        parts.append(Text(clean(test.failure.private, 20000), style="dim"))
    return _indented(Group(*parts))


def _failure(failure: Failure) -> RenderableType:
    return Group(*failure_rows(failure).values())


def failure_rows(failure: Failure, window: int = WINDOW) -> dict[str, RenderableType]:
    """The parts of a failure under their labels, for whoever has no room for all."""
    rows: dict[str, RenderableType] = {}
    if failure.call:
        rows["called"] = row("called", clean_line(failure.call))
    rows["expected"] = row("expected", clean(failure.expected))
    rows["got"] = row("got", clean(failure.got), "bold")
    if failure.place:
        rows["at"] = _place(failure.place, window)
    if failure.hint:
        rows["hint"] = row("hint", clean(failure.hint), "yellow")
    return rows


def printed_row(printed: str) -> RenderableType:
    """The first lines of what a submission printed."""
    lines = [clean_line(line, 60) for line in clean(printed, 1000).strip().splitlines()[:5]]
    return row("printed", "\n".join(lines), "dim")


def _place(place: Place, window: int) -> RenderableType:
    head = f"{place.file}, line {place.line}\n    "
    text = place.text.replace("\t", " ").rstrip()
    start = len(text) - len(text.lstrip())
    if not place.column:
        return row("at", f"{head}{clean_line(text[start:])}")
    column = max(0, place.column - 1)
    start = start if column - start < window else column - window // 2  # text and caret are to fit in one line
    body = Text(f"{head}{clean_line(text[start : start + window])}\n    ")
    body.append(" " * cell_len(clean(text[start:column])) + "^", style="red")
    return row("at", body)


def row(label: str, body: str | Text, style: str = "") -> RenderableType:
    """A label, and what stands beside it."""
    grid = Table.grid(padding=0)
    grid.add_column(width=LABELS + 2, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(f"  {label}", style="dim"), Text(body, style=style) if isinstance(body, str) else body)
    return grid


def _closing(report: Report, folder: str) -> Iterator[RenderableType]:
    mark, style = MARKS.get(report.verdict, MISS)
    yield Text(f"\n{mark} {report.verdict.words}: {scored(report)}", style=f"bold {style}")
    if report.withheld:
        yield Text(report.withheld, style="dim")
    for remark in report.remarks:
        yield Text(clean_line(remark), style="yellow" if remark.startswith("Warning: ") else "dim")
    if report.suite == "public":
        yield Text("These are the public tests only; the hidden ones decide the points.", style="dim")
    notice = report.provenance.notice
    if report.provenance.isolation == "plain process":
        reason = f" ({clean_line(notice)})" if notice else ""
        yield Text(f"Run without a sandbox{reason}: do not grade strangers' code this way.", style="yellow")
    yield from _next_step(report, folder)


def _next_step(report: Report, folder: str) -> Iterator[RenderableType]:
    if report.problem:
        yield from ([Text(f"The file is expected in {folder}/.")] if report.verdict is Verdict.NOT_ATTEMPTED else [])
        return
    first = first_open(report)
    if first is None:
        return
    if report.verdict is Verdict.JUDGE_ERROR:
        yield Text("The grader failed; no points are lost by it. Run it again, and tell your instructor if it stays.")
    elif report.verdict is Verdict.NOT_ATTEMPTED and report.points == 0:
        yield Text(f"Where to begin: read {folder}/README.md, then write task {first.number} ({first.title}).")
        yield Text(f"hint: {first.hints[0]}", style="yellow")
    else:
        what = "A bonus is left" if report.verdict is Verdict.ACCEPTED else "Next"
        yield Text(f"{what}: task {first.number}. {first.hints[0]}", style="yellow")


def first_open(report: Report) -> TaskResult | None:
    """The task to go on with: the first that is not passed; a bonus comes after all that is due."""
    missed = [task for task in report.tasks if task.verdict is not Verdict.ACCEPTED]
    return min(missed, key=lambda task: task.bonus and task.verdict is not Verdict.JUDGE_ERROR, default=None)


def scored(report: Report) -> str:
    """The points in words. With a bonus there may be more of them than there are to earn."""
    more = f", {number(report.bonus_points)} of them a bonus" if report.bonus_points else ""
    return f"{number(report.points)} of {number(report.max_points)} points{more}"


def number(value: float) -> str:
    """Points without a needless .0."""
    return f"{value:g}"
