"""What a watch shows, drawn to fit: a screen of a given size, or plain lines for a pipe. Draws, and decides nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from grader.catalog import Task
from grader.live.board import Row
from grader.live.layout import LEAST, Block, Line, cut, fit, trimmed
from grader.live.view import Entry, View
from grader.report import LABELS, MARKS, MISS, WINDOW, failure_rows, number, printed_row, row
from grader.result import Failure, TestResult, Verdict
from grader.text import clean_line

ROOMY = 16  # lines from which on there is room for rules and gaps
WIDEST = 120  # columns; longer lines are hard to follow
BODY = 9  # lines of a body below which the list of tasks is drawn in one line
UNKNOWN = ("·", "dim")

KEYS = (  # for the foot, from the widest to the narrowest screen
    ("h hint", "n next", "p previous", "l list", "a all tests", "r reset", "? help", "q quit"),
    ("h hint", "n next", "l list", "a all", "r reset", "? help", "q quit"),
    ("h hint", "n next", "l list", "? help", "q quit"),
    ("? help", "q quit"),
)
STATE = 18  # columns that a state takes, so that the keys beside it stay where they are
HELP = (
    ("save", "the tests that the change can affect run, the likeliest to fail first"),
    ("h", "one more hint for the task that is shown"),
    ("n  p", "the next exercise that is not solved, the one before"),
    ("l", "all exercises and their points"),
    ("a", "run every test, those that train a network too"),
    ("r", "back to the stub; asks first, and keeps what you wrote"),
    ("q", "quit; Ctrl-C does too"),
)


class Painter:
    """Draws views. Colours are the terminal's; NO_COLOR is honoured."""

    def __init__(self, colour: bool = True) -> None:
        self._console = Console(file=io.StringIO(), force_terminal=colour, highlight=False, legacy_windows=False)

    def screen(self, view: View, width: int, height: int) -> list[str]:
        """At most `height` lines of at most `width` columns."""
        roomy, width = height >= ROOMY, min(width, WIDEST)
        head = self._head(view, width)
        wide = [*head, *self._tasks(view.rows, width)]
        rules = 2 if roomy else 0
        notice = self._notice(view, width, height)
        left = height - len(wide) - rules - len(notice) - 1
        head = wide if left >= BODY and roomy else [*head, self._marks(view.rows, width)]
        left = max(0, height - len(head) - rules - len(notice) - 1)
        body = fit(list(self._body(view, width, roomy, left)), left, width)
        body += [[]] * (left - len(body))
        rule = [self._rule(width)] if roomy else []
        return self._painted([*head, *rule, *body, *notice, *rule, self._foot(view, width)][-height:], width)

    def verdict(self, view: View, width: int) -> list[str]:
        """The same as lines for a pipe, of any number."""
        lines = [*self._head(view, width), *self._tasks(view.rows, width)]
        for block in self._body(view, width, False, 10_000):
            lines += block.lines if block.weight else []  # a gap would be taken for the end
        end = [Segment(f" {clean_line(view.verdict or view.state)}")]
        return [line.rstrip() for line in self._painted([*lines, end], width)]

    def _painted(self, lines: Sequence[Line], width: int) -> list[str]:
        segments: list[Segment] = []
        for line in lines:
            segments += [*Segment.adjust_line_length(line, width, pad=False), Segment.line()]
        self._console.width = width
        with self._console.capture() as capture:
            self._console.print(Segments(segments), end="")
        return capture.get().split("\n")[: len(lines)]

    def _lines(self, body: RenderableType, width: int) -> list[Line]:
        options = self._console.options.update(width=max(1, width), height=None)
        return [trimmed(line) for line in self._console.render_lines(body, options, pad=False)]

    def _spread(self, left: Text, right: Text, width: int) -> Line:
        """One line with something at either end. Where there is no room for both, the left end is cut."""
        right = right.copy()
        right.truncate(max(0, width - 2), overflow="ellipsis")
        left = left.copy()
        left.truncate(max(0, width - right.cell_len - 3), overflow="ellipsis")
        gap = max(0, width - left.cell_len - right.cell_len - 2)
        whole = Text.assemble(" ", left, " " * gap, right, no_wrap=True, overflow="crop")
        return (self._lines(whole, width) or [[]])[0]

    def _rule(self, width: int) -> Line:
        return self._lines(Text("─" * width, style="dim"), width)[0]

    def _head(self, view: View, width: int) -> list[Line]:
        left = Text(f"{view.exercise.slug.split('_')[0]} ", style="bold cyan")
        left.append(clean_line(view.exercise.title), style="bold")
        points = Text(f"{number(view.points)} of {number(view.max_points)} points", "dim" if view.problem else "bold")
        if left.cell_len + points.cell_len + len(view.how) + 8 <= width:
            left.append(f"   {clean_line(view.how)}", style="not bold dim")
        return [self._spread(left, points, width)]

    def _tasks(self, rows: Sequence[Row], width: int) -> list[Line]:
        return [self._task(each, width) for each in rows]

    def _task(self, task: Row, width: int) -> Line:
        mark, style = _mark(task)
        text = Text(f"{mark} ", style=style)
        text.append(
            f"{task.task.number}  {clean_line(task.task.label)}", "dim" if task.verdict is None else "not dim default"
        )
        points = Text(f"{number(task.points)} / {number(task.task.points)}", style=style)
        if task.failing:
            points = Text.assemble((f"{task.failing} of {task.total} fail   ", "dim"), points)
        return self._spread(text, points, width)

    def _marks(self, rows: Sequence[Row], width: int) -> Line:
        marks = Text("  ").join(Text(f"{_mark(each)[0]}{each.task.number}", _mark(each)[1]) for each in rows)
        return self._spread(marks, Text(), width)

    def _body(self, view: View, width: int, roomy: bool, height: int) -> Iterator[Block]:
        gap = [Block([[]], 0, 1)] if roomy else []
        if view.help:
            yield from self._help(width)
        elif view.entries:
            yield from self._list(view.entries, width, height)
        elif view.problem:
            yield self._title("✗", "bold red", "The file can't be run", (), width)
            yield from self._failure(view.problem, width)
        elif view.failure:
            yield from gap
            yield from self._failed(view, view.failure, width)
            yield from gap
            yield from self._others(view, width)
        elif view.solved:
            yield from gap
            yield from self._solved(view, width)
        elif view.todo:
            yield from gap
            yield from self._begin(view, view.todo.task, width)
        elif not any(each.verdict for each in view.rows):
            yield from gap
            yield Block(
                self._indented(Text("torch and the tests are loaded, once; then every save is judged", "dim"), width),
                50,
            )
            yield Block(self._indented(Text(f"edit  {clean_line(view.file)}", "dim"), width), 70)
        if not view.help and not view.entries:
            yield from self._hints(view, width, gap)
            yield from self._training(view, width)

    def _title(self, mark: str, style: str, text: str, asides: Sequence[str], width: int) -> Block:
        """In one line, with the longest of `asides` that there is room for; else in as many as it takes."""
        title = Text(clean_line(text), style=style)
        for aside in (*asides, ""):
            if title.cell_len + len(aside) + (7 if aside else 4) <= width:
                head = Text.assemble((f"{mark} ", style), title)
                return Block([self._spread(head, Text(aside, style="dim"), width)], 100, 1)
        return Block(self._hanging(Text(mark, style=style), title, 2, width), 100)

    def _hanging(self, label: Text, body: Text, gap: int, width: int) -> list[Line]:
        """A label, and a text beside it that wraps below itself."""
        grid = Table.grid(padding=0)
        grid.add_column(width=gap, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(label, body)
        return self._indented(grid, width)

    def _failed(self, view: View, test: TestResult, width: int) -> Iterator[Block]:
        mark, style = MARKS.get(test.verdict, MISS)
        task = f"task {test.task}"
        asides = (f"{task}, {'before this save' if view.stale else test.verdict.words}", task)
        style = f"{style} dim" if view.stale else f"bold {style}"
        yield self._title(mark, style, test.sentence, asides, width)
        if test.failure:
            yield from self._failure(test.failure, width)
        if test.printed.strip():
            yield Block(self._indented(printed_row(test.printed), width), 20)

    def _failure(self, failure: Failure, width: int) -> Iterator[Block]:
        weights = {"called": 40, "expected": 80, "got": 90, "at": 70, "hint": 60}
        for label, body in failure_rows(failure, max(8, min(WINDOW, width - LABELS - 9))).items():
            lines = self._indented(body, width)
            yield Block(lines, weights[label], len(lines) if label == "at" else LEAST)

    def _indented(self, body: RenderableType, width: int, by: int = 1) -> list[Line]:
        return self._lines(Padding(body, (0, 1, 0, by), expand=False), width)

    def _others(self, view: View, width: int) -> Iterator[Block]:
        parts = [f"{view.more} more of this task"] if view.more else []
        parts += [f"{view.elsewhere} of other tasks"] if view.elsewhere else []
        if parts:
            verb = "fails" if view.more + view.elsewhere == 1 else "fail"
            yield Block(self._indented(Text(f"{' and '.join(parts)} {verb}", style="dim"), width, 3), 50, 1)

    def _solved(self, view: View, width: int) -> Iterator[Block]:
        text = f"All {number(view.max_points)} points. Well done!"
        yield self._title("✓", "bold green", text, (), width)
        for remark in view.remarks:
            yield Block(self._indented(Text(clean_line(remark), style="dim"), width, 3), 40)
        yield Block([[]], 0, 1)
        further = (
            f"n goes on to the next one: {clean_line(view.next)}"
            if view.next
            else "That was the last one that was open."
        )
        yield Block(self._indented(Text(further), width, 3), 90)

    def _begin(self, view: View, task: Task, width: int) -> Iterator[Block]:
        title = f"Task {task.number} is to be written: {task.title}"
        yield self._title("·", "bold", title, (), width)
        file = clean_line(view.file)
        lesson = file.rpartition("/")[0] + "/README.md"
        yield Block(self._indented(Text(f"read  {lesson}", style="dim"), width, 3), 60)
        yield Block(self._indented(Text(f"edit  {file}, and save", style="dim"), width, 3), 70)

    def _hints(self, view: View, width: int, gap: list[Block]) -> Iterator[Block]:
        yield from gap if view.hints else []
        for place, hint in enumerate(view.hints, start=1):
            body = row(f"hint {place}", clean_line(hint, 600), "yellow")
            yield Block(self._indented(body, width), 95 if place == len(view.hints) else 30 + place)
        if view.hints and view.hints_left:
            left = "one more hint" if view.hints_left == 1 else f"{view.hints_left} more hints"
            yield Block(self._indented(Text(f"h for {left}", style="dim"), width, 3), 10, 1)

    def _training(self, view: View, width: int) -> Iterator[Block]:
        if view.training:
            text = Text(f"… {clean_line(view.training)}", style="cyan")
            yield Block(self._indented(text, width), 85)

    def _help(self, width: int) -> Iterator[Block]:
        for keys, words in HELP:
            yield Block(self._hanging(Text(keys, style="bold cyan"), Text(words), 6, width), 90)
        yield Block([[]], 0, 1)
        yield Block(self._indented(Text("any key goes back", style="dim"), width, 2), 10, 1)

    def _list(self, entries: Sequence[Entry], width: int, height: int) -> Iterator[Block]:
        lines = [self._entry(entry, width) for entry in entries]
        current = next((place for place, entry in enumerate(entries) if entry.current), 0)
        start = max(0, min(current - height // 2, len(lines) - height))  # the current one is always among them
        for line in lines[start : start + max(1, height)]:
            yield Block([line], 90, 1)

    def _entry(self, entry: Entry, width: int) -> Line:
        solved = entry.points is not None and entry.points >= entry.max_points
        mark, style = ("✓", "green") if solved else ("·", "dim") if not entry.points else ("✗", "red")
        left = Text.assemble(("› " if entry.current else "  ", "bold cyan"), (f"{mark} ", style))
        left.append(f"{clean_line(entry.key):>5}  {clean_line(entry.title)}", style="bold" if entry.current else "")
        points = "–" if entry.points is None else number(entry.points)
        return self._spread(left, Text(f"{points} / {number(entry.max_points)}", style=style), width)

    def _notice(self, view: View, width: int, height: int) -> list[Line]:
        if not view.notice or height < 6:
            return []
        lines = self._indented(Text(clean_line(view.notice, 400), style="yellow"), width)
        return cut(lines, 2 if height < ROOMY else 3, width)

    def _foot(self, view: View, width: int) -> Line:
        notice = view.notice if view.notice and width < 20 else ""
        state = Text(clean_line(notice or view.state), style=_state_style(view))
        for keys in KEYS:
            left = Text("  ").join(Text.assemble((key[0], "bold"), (key[1:], "dim")) for key in keys)
            if left.cell_len + max(STATE, state.cell_len) + 4 <= width:
                return self._spread(left, state, width)
        return self._spread(state, Text(), width)


def _mark(task: Row) -> tuple[str, str]:
    mark, style = UNKNOWN if task.verdict is None else MARKS.get(task.verdict, MISS)
    return mark, f"{style} dim" if task.due and task.verdict is not None else style


def _state_style(view: View) -> str:
    if view.failure and view.failure.verdict is Verdict.JUDGE_ERROR:
        return "bold magenta"
    return "bold green" if view.solved else "bold cyan"
