"""How the course speaks: rich on a terminal, plain text in a pipe, a pager for what is longer than the screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from grader.text import clean

WIDEST = 80  # columns of what is laid out; longer lines are hard to follow
# For a terminal or a file without Unicode. What is not here becomes a question mark.
SIGNS = "─│╭╮╰╯┤▁▂▃▄▅▆▇█░✓✗·…→×−’›"
LETTERS = "-|+++++  ==####.*x..>x-'>"
PLAIN = str.maketrans(SIGNS, LETTERS)


def console() -> Console:
    return Console(highlight=False)


def width(of: Console) -> int:
    return max(20, min(of.width, WIDEST))


def show(lines: Iterable[RenderableType]) -> None:
    """Prints lines that are laid out already, or paragraphs, which wrap."""
    to = console()
    with to.capture() as capture:
        for line in lines:
            to.print(line, width=None if isinstance(line, Text) and line.no_wrap else width(to), crop=True)
    _write(capture.get(), to)


def message(text: str) -> Iterable[RenderableType]:
    """The course's message of the day, cleaned; nothing where there is none."""
    if text:
        yield Padding(Text(clean(text), style="yellow"), (0, 0, 1, 1))


def _write(text: str, to: Console) -> None:
    if not (sys.stdout.encoding or "ascii").lower().startswith("utf"):
        text = text.translate(PLAIN)
    # In a file or a pipe the spaces that fill a line to the screen's width are only noise.
    for line in text.splitlines():
        print(line if to.is_terminal else line.rstrip())


def page(body: RenderableType) -> None:
    """Shows `body` in the person's own pager. For a terminal alone."""
    to = console()
    with to.capture() as capture:
        to.print(body, width=min(to.width, 100))
    _page(capture.get())


def page_code(lines: Iterable[Text]) -> None:
    """The same for code, whose lines are not broken here: the pager does that, or scrolls."""
    to = console()
    with to.capture() as capture:
        for line in lines:
            to.print(line, soft_wrap=True)
    _page(capture.get())


def _page(text: str) -> None:
    import click

    os.environ.setdefault("LESS", "-FRX")  # as git has it: colours, and no stop where all fits on the screen
    click.echo_via_pager(text)


def spread(left: Text, right: Text, columns: int) -> Text:
    """One line with something at either end. Where there is no room for both, the left end is cut."""
    line = left.copy()
    gap = 1 if right.cell_len else 0
    line.truncate(max(0, columns - right.cell_len - gap), overflow="ellipsis")
    line.pad_right(max(0, columns - line.cell_len - right.cell_len))
    line.append_text(right)
    line.no_wrap, line.overflow = True, "crop"
    return line
