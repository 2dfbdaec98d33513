"""The judge of a notebook, in a process of its own: `python -m grader.page.inline`.

A notebook's kernel runs the student's own cells. A judge in there could be changed by any of them, also by mistake: a
default dtype, a disabled gradient, a name that hides a module. So the kernel only asks, and gets data back.

The request is a line of JSON on stdin; the folder that it names receives `report.json`, `report.html`, `report.txt`.
"""

from __future__ import annotations

import io
import json
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from grader.errors import DojoError, JudgeError
from grader.text import clean_line

FILES = ("report.json", "report.html", "report.txt")
INTERRUPTED = 130


def main() -> int:
    """Grades what stdin asks for. Returns 0 where there is a report, whatever it says; an error is one line."""
    try:
        _grade(json.load(sys.stdin))
    except DojoError as error:
        print(clean_line(str(error), 2000), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a person in a notebook is told in a line, too
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
        print(f"a fault of the grader: {clean_line(what)}", file=sys.stderr)
        return JudgeError.exit_code
    return 0


def _grade(request: dict[str, Any]) -> None:
    from grader.archive import keep, report_path
    from grader.catalog import Catalog, find_root
    from grader.course.progress import remember
    from grader.page.making import make
    from grader.session import Choices
    from grader.submission import locate

    exercise = Catalog(find_root(Path.cwd())).find(request["exercise"])
    choices = Choices.parse(SimpleNamespace(**request["options"], report=None))
    folder = locate(exercise, choices.source)
    if request["code"] is not None:
        folder = _written(request["code"], exercise.files, Path(request["folder"]))
    withheld = "" if choices.instructor else exercise.rules.withheld()
    made = make(exercise, folder, choices.settings, withheld=withheld)
    shown = made.report if choices.instructor else made.report.for_student(withheld)
    where = exercise.folder.relative_to(exercise.root).as_posix()
    terminal = _terminal(made.report, where, choices.instructor, withheld)
    for name, text in zip(FILES, (shown.to_json(), made.html(choices.instructor, inline=True), terminal), strict=True):
        (Path(request["folder"]) / name).write_text(text, "utf-8")
    if folder == exercise.folder:
        problems = (keep(made.report, report_path(exercise)), *remember(exercise, made.report).problems)
        for problem in filter(None, problems):
            print(clean_line(problem), file=sys.stderr)


def _written(code: str, files: list[str], folder: Path) -> Path:
    """A submission of one file, from a cell's text."""
    from grader.errors import UsageError

    if len(files) != 1:
        raise UsageError(f"a cell is one file, and this exercise has {len(files)}: {', '.join(files)}; give source=…")
    submission = folder / "submission"
    submission.mkdir()
    (submission / files[0]).write_bytes(code.encode("utf-8", "surrogatepass"))
    return submission


def _terminal(report: Any, folder: str, instructor: bool, withheld: str) -> str:
    from rich.console import Console

    from grader.report import print_report

    file = io.StringIO()
    console = Console(width=80, file=file, color_system=None, highlight=False)
    print_report(console, report, folder, instructor, withheld)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


if __name__ == "__main__":
    raise SystemExit(main())
