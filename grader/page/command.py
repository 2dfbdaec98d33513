"""`dojo report`: grades as `dojo grade` does, and writes the page beside the JSON."""

from __future__ import annotations

import contextlib
import sys
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

from grader.archive import keep, report_path
from grader.catalog import Exercise
from grader.course.congratulations import word
from grader.course.printing import console, show, width
from grader.course.progress import remember
from grader.errors import JudgeError
from grader.page.making import Made, make
from grader.report import MARKS, MISS, scored
from grader.reset import keep_stubs
from grader.result import Report, Verdict, write_atomically
from grader.session import Choices
from grader.submission import locate
from grader.text import clean_line


def make_report(exercise: Exercise, choices: Choices, open_it: bool) -> int:
    """Grades, draws, writes the JSON and the page, and says where it is. Returns the exit code of the grade."""
    folder = locate(exercise, choices.source)
    with _live(exercise) as told:
        withheld = "" if choices.instructor else exercise.rules.withheld(choices.student)
        made = make(exercise, folder, choices.settings, told, withheld)
    own = folder == exercise.folder
    if own:
        keep_stubs(exercise)
    path = page_path(exercise, made.report)
    problems = [keep(made.report, choices.report or report_path(exercise)), _write(made, path, choices.instructor)]
    with contextlib.suppress(BrokenPipeError):  # whoever has stopped reading has the exit code
        show([_closing(made.report)])
        if not problems[1]:
            print(_short(path))  # in one piece, however narrow the terminal is
        if own and not problems[0]:
            problems += _remember(exercise, made.report)
    if open_it and not problems[1]:
        problems.append(_open(path))
    for problem in filter(None, problems):
        print(f"dojo: {clean_line(problem)}", file=sys.stderr)
    return max(made.report.exit_code, JudgeError.exit_code if any(problems[:2]) else 0)


def page_path(exercise: Exercise, report: Report) -> Path:
    """Where the page goes. A run in which the judge failed never replaces an earlier page."""
    path = report_path(exercise).with_name("report.html")
    failed = report.verdict is Verdict.JUDGE_ERROR and path.exists()
    return path.with_name("report.judge_error.html") if failed else path


@contextlib.contextmanager
def _live(exercise: Exercise) -> Iterator[Callable[[str], None]]:
    """A line that says what is going on, where there is a terminal to show it."""
    live = Console(stderr=True)
    live.quiet = not live.is_terminal
    with Status(f"grading {exercise.slug} …", console=live) as status:
        yield lambda text: status.update(Text(text))


def _write(made: Made, path: Path, instructor: bool) -> str:
    """Writes the page; returns what went wrong."""
    try:
        write_atomically(path, made.html(instructor))
    except OSError as error:
        return f"the page could not be written to '{path}': {error.strerror}; the points above stand"
    return ""


def _closing(report: Report) -> Text:
    mark, style = MARKS.get(report.verdict, MISS)
    return Text(f"{mark} {report.verdict.words}: {scored(report)}", style=f"bold {style}")


def _remember(exercise: Exercise, report: Report) -> tuple[str, ...]:
    """A grade of the student's own files counts in `dojo status`. Returns what went wrong with that."""
    advance = remember(exercise, report)
    show(word(advance, width(console())))
    return advance.problems


def _open(path: Path) -> str:
    """Shows the page in a browser; returns what went wrong."""
    with contextlib.suppress(webbrowser.Error, OSError):
        if webbrowser.open(path.resolve().as_uri()):
            return ""
    return f"no browser was found here: open '{path}' in one yourself"


def _short(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
