"""The reports that are kept, one for each exercise: `reports/SLUG/report.json`."""

from __future__ import annotations

from pathlib import Path

from grader.catalog import Exercise
from grader.errors import JudgeError
from grader.result import Report, Verdict, write_atomically


def report_path(exercise: Exercise) -> Path:
    """Where an exercise's report is kept."""
    return exercise.root / "reports" / exercise.slug / "report.json"


def last_report(exercise: Exercise) -> Report | None:
    """The report that is kept, where there is one that can be read."""
    try:
        return Report.from_json(report_path(exercise).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, JudgeError):
        return None


def keep(report: Report, path: Path) -> str:
    """Keeps a report; returns what went wrong. A run in which the judge failed never replaces an earlier one."""
    if report.verdict is Verdict.JUDGE_ERROR and path.exists():
        path = path.with_name(f"{path.stem}.judge_error{path.suffix}")
    try:
        write_atomically(path, report.to_json())
    except OSError as error:
        kept = "the points above stand, an earlier report is kept"
        return f"the report could not be written to '{path}': {error.strerror}; {kept}"
    return ""
