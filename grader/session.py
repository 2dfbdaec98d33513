"""One `dojo grade` on a terminal: the live line, the report, and the JSON that is kept."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console
from rich.status import Status

from grader.archive import keep, report_path
from grader.catalog import Exercise
from grader.course.congratulations import word
from grader.course.printing import show, width
from grader.course.progress import remember
from grader.devices import NoDevice
from grader.errors import JudgeError, UsageError
from grader.grading import Progress, Settings, grade
from grader.report import print_report
from grader.reset import keep_stubs
from grader.result import Report, TestResult
from grader.sandbox import Mode
from grader.submission import locate
from grader.text import clean_line

DEVICES = ("auto", "cpu", "cuda")
SUITES = ("auto", "hidden", "public")
AUDIENCES = ("student", "instructor")


@dataclass(frozen=True)
class Choices:
    """The options of `dojo grade`, checked."""

    settings: Settings
    source: str | None
    instructor: bool
    report: Path | None
    student: str = ""  # whose submission it is, where that is known: an extension may be theirs

    @classmethod
    def parse(cls, options: SimpleNamespace) -> Choices:
        """Raises UsageError, naming the option and what it may be."""
        settings = Settings(
            sandbox=Mode(one_of("SANDBOX", options.sandbox, tuple(Mode))),
            device=one_of("DEVICE", options.device, DEVICES),
            seed=_seed(options.seed),
            suite=one_of("SUITE", options.suite, SUITES),
        )
        instructor = one_of("AUDIENCE", options.audience, AUDIENCES) == "instructor"
        report = Path(options.report) if options.report else None
        return cls(settings, options.source, instructor, report, getattr(options, "student", ""))


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """`value` if it is allowed for the setting `name`. Raises UsageError."""
    if value not in allowed:
        raise UsageError(f"{name}='{value}' is not one of {', '.join(allowed)}")
    return value


def _seed(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**63:
        raise UsageError(f"SEED='{text}' is not a whole number from 0 to 2^63 - 1")
    return seed


def grade_and_report(exercise: Exercise, choices: Choices) -> int:
    """Grades, prints and saves. Returns the exit code."""
    console = Console(highlight=False)
    folder = locate(exercise, choices.source)
    live = Console(stderr=True)
    live.quiet = not live.is_terminal  # elsewhere there is nothing to move, and a full disk is no reason to stop
    withheld = "" if choices.instructor else exercise.rules.withheld(choices.student)
    with Status(f"grading {exercise.slug} …", console=live) as status:
        report = grade(exercise, folder, choices.settings, _progress(status, exercise, not withheld))
    if folder == exercise.folder:
        keep_stubs(exercise)
    path = choices.report or report_path(exercise)
    code = report.exit_code
    try:
        with contextlib.suppress(BrokenPipeError):  # whoever has stopped reading has the exit code
            _print(console, report, _short(exercise.folder), choices.instructor, withheld)
    finally:
        kept = _save(report, path)
    if kept == 0 and folder == exercise.folder:
        with contextlib.suppress(BrokenPipeError):
            _note(exercise, report, console)
    return max(code, kept)


def _note(exercise: Exercise, report: Report, console: Console) -> None:
    """A grade of the student's own files counts in `dojo status`; one of anything else does not."""
    advance = remember(exercise, report)
    for problem in advance.problems:
        print(f"dojo: {clean_line(problem)}", file=sys.stderr)
    show(word(advance, width(console)))


def grade_all(exercises: list[Exercise], choices: Choices) -> int:
    """Grades one after the other; a fault of ours in one does not keep the rest, nor does a device that it lacks.

    Returns the worst exit code.
    """
    worst = 0
    for exercise in exercises:
        try:
            worst = max(worst, grade_and_report(exercise, choices))
        except JudgeError as error:
            print(f"dojo: exercise {exercise.key}: {clean_line(str(error))}", file=sys.stderr)
            worst = max(worst, error.exit_code)
        except NoDevice as error:  # it names the exercise
            print(f"dojo: {clean_line(str(error))}", file=sys.stderr)
            worst = max(worst, error.exit_code)
    return worst


def _print(console: Console, report: Report, folder: str, instructor: bool, withheld: str) -> None:
    if console.is_terminal:
        print_report(console, report, folder, instructor, withheld)
        return
    # In a file or a pipe the spaces that fill a line to the screen's width are only noise.
    with console.capture() as capture:
        print_report(console, report, folder, instructor, withheld)
    for line in capture.get().splitlines():
        print(line.rstrip())


def _progress(status: Status, exercise: Exercise, told: bool) -> Progress:
    done = 0

    def started(sentence: str) -> None:
        what = f": {sentence}" if told else ""
        status.update(f"{exercise.slug}, test {done + 1}{what} …")

    def finished(_: TestResult) -> None:
        nonlocal done
        done += 1

    return Progress(started, finished)


def _save(report: Report, path: Path) -> int:
    """Keeps the report. Returns the exit code of that."""
    problem = keep(report, path)
    if problem:
        print(f"dojo: {problem}", file=sys.stderr)
    return JudgeError.exit_code if problem else 0


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
