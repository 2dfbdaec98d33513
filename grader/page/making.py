"""One submission graded and drawn, and what its page is made of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from grader.catalog import Exercise
from grader.grading import Progress, Settings, grade, open_sandbox
from grader.page.render import render
from grader.page.view import page_of
from grader.result import Report, TestResult, Verdict
from grader.sandbox import Sandbox
from grader.submission import Submission, read_submission
from grader.text import clean_line

if TYPE_CHECKING:
    from grader.figures.picture import Picture


@dataclass(frozen=True)
class Made:
    """A graded submission with its pictures; `undrawn` says why there are none."""

    exercise: Exercise
    report: Report
    files: Mapping[str, str]
    pictures: list[Picture]
    undrawn: str = ""
    withheld: str = ""  # why a student does not read the words of hidden tests, where that is so

    def html(self, instructor: bool = False, inline: bool = False) -> str:
        """The page, for a student or an instructor; `inline`: for the inside of a notebook."""
        folder = self.exercise.folder.relative_to(self.exercise.root).as_posix()
        page = page_of(self.report, self.files, self.pictures, self.undrawn, folder, instructor, self.withheld)
        return render(page, inline)


def make(
    exercise: Exercise,
    folder: Path,
    settings: Settings,
    told: Callable[[str], None] = lambda _: None,
    withheld: str = "",
) -> Made:
    """Grades what lies at `folder` and draws it, in one sandbox. `told` hears what is going on.

    `withheld`: why a student does not read the words of hidden tests, where that is so.
    Raises UsageError, or JudgeError where no report is possible. No fault in a picture loses the report.
    """
    made = _made(exercise, folder, settings, told, not withheld)
    return replace(made, withheld=withheld)


def _made(exercise: Exercise, folder: Path, settings: Settings, told: Callable[[str], None], sentences: bool) -> Made:
    submission = read_submission(exercise, folder)
    with contextlib.ExitStack() as stack:
        sandbox = None
        if submission.problem is None:
            sandbox = stack.enter_context(open_sandbox(exercise, settings))
        report = grade(exercise, folder, settings, _progress(exercise, told, sentences), sandbox)
        if sandbox is None:
            return Made(exercise, report, _unparsed(folder, report), [])
        if report.provenance.submission_sha256 != submission.sha256:
            changed = "The file was saved again while it was graded: its text and figures are left out here."
            return Made(exercise, report, {}, [], changed)
        told(f"{exercise.slug}, drawing the figures …")
        return _drawn(exercise, report, submission, settings, sandbox)


def _unparsed(folder: Path, report: Report) -> dict[str, str]:
    """The text of a file that is no valid Python: it was found to be a small text file before it was parsed."""
    place = report.problem.place if report.problem else None
    if place is None:
        return {}
    path = folder / place.file if folder.is_dir() else folder
    try:
        return {place.file: path.read_text("utf-8-sig")}
    except (OSError, ValueError):  # it has changed since
        return {}


def _drawn(exercise: Exercise, report: Report, submission: Submission, settings: Settings, sandbox: Sandbox) -> Made:
    if report.verdict is Verdict.JUDGE_ERROR:
        return Made(exercise, report, submission.files, [], "No figures are drawn where the grader has failed.")
    try:
        from grader.figures.draw import draw

        return Made(exercise, report, submission.files, draw(exercise, submission.files, settings, sandbox))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a picture, the verdict stands
        what = clean_line(f"{type(error).__name__}: {error}")
        return Made(
            exercise,
            report,
            submission.files,
            [],
            f"The figures could not be drawn; no points depend on them ({what}).",
        )


def _progress(exercise: Exercise, told: Callable[[str], None], sentences: bool) -> Progress:
    done = 0

    def started(sentence: str) -> None:
        what = f": {clean_line(sentence)}" if sentences else ""
        told(f"{exercise.slug}, test {done + 1}{what} …")

    def finished(_: TestResult) -> None:
        nonlocal done
        done += 1

    return Progress(started, finished)
