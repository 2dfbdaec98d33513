"""What `dojo start` shows: what happens here, and the first thing to do, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from grader.course.overview import number
from grader.course.printing import spread
from grader.course.progress import Standing
from grader.course.wording import typed
from grader.reset import UNTOUCHED

INDENT = " " * 11


def first_lesson(standing: Standing, columns: int) -> Iterator[Text]:
    """The lines; paths as seen from where the person is."""
    row = standing.next or standing.rows[0]
    exercise, key = row.exercise, row.exercise.key
    file = exercise.folder / exercise.files[0]
    sums = Text(f"{len(standing.rows)} exercises, {number(standing.total)} points", style="dim")
    yield spread(Text(" Torch Dojo", style="bold cyan"), sums, columns)
    yield Text()
    yield Text(" You write PyTorch. Tests call your code in a sandbox, compare what comes back")
    yield Text(" with values of their own, and say what they expected and what came.")
    yield Text()
    yield _step(1, "read", short(exercise.folder / "README.md"), typed("read", key))
    yield _step(2, "write", short(file), "")
    todo = _first_todo(file)
    if todo:
        yield Text(f"{INDENT}Your code takes the place of lines like this one:")
        line = Text(f"{INDENT}    {todo}", style="yellow")
        line.truncate(columns, overflow="ellipsis")
        yield line
    yield _step(3, "save", "with this in a second terminal:", typed("watch", key))
    yield Text(f"{INDENT}After each save it says which tests pass, and what the first that")
    yield Text(f"{INDENT}fails got. That is the whole loop. `q` leaves.")
    yield Text()
    others = (
        ("Notebook?", typed("lesson", key), "the same lesson in Jupyter"),
        ("Stuck?", typed("hint", key), "one more hint at a time"),
        ("Lost?", typed("reset", key), "the stub again; what you wrote is kept"),
        ("Where?", typed("status"), "your points, and what is next"),
        ("Trouble?", typed("doctor"), "what is wrong with this machine, and what mends it"),
    )
    longest = max(len(command) for _, command, _ in others)
    for question, command, what in others:
        yield Text.assemble(f" {question:<10}", (f"{command:<{longest}}", "cyan"), "   ", (what, "dim"))


def _step(place: int, verb: str, what: str, command: str) -> Text:
    line = Text.assemble((f" {place}  ", "bold cyan"), (f"{verb:<7}", "bold"), what)
    return line.append(f"   {command}", style="cyan") if command else line


def _first_todo(file: Path) -> str:
    """The line that the stub marks as the student's first."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.strip() for line in lines if UNTOUCHED in line), "")


def short(path: Path) -> str:
    """As seen from here, where it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
