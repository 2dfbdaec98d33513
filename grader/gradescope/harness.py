"""What `run_autograder` starts: grades the submission that Gradescope has put down, and writes results.json.

Where the judge fails no results are written: Gradescope says then that the autograder failed, and asks to run it again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from grader.catalog import Catalog
from grader.errors import DojoError, JudgeError
from grader.formats.gradescope import VISIBILITIES, gradescope
from grader.grading import Settings as Grading
from grader.grading import grade
from grader.result import Report, write_atomically
from grader.sandbox import Mode
from grader.text import clean_line

SETTINGS = "gradescope.json"


@dataclass(frozen=True)
class Settings:
    """What was decided when the zip was made."""

    exercise: str  # its key
    visibility: str = VISIBILITIES[0]
    sandbox: str = Mode.AUTO.value

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises JudgeError for anything but what `to_json` wrote."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise JudgeError(f"'{path}' can't be read: {error}") from None


def run(course: Path, autograder: Path) -> int:
    """Returns the exit code: 0 when results are there, whatever the points."""
    results = autograder / "results" / "results.json"
    try:
        settings = Settings.read(course / SETTINGS)
        exercise = Catalog(course).find(settings.exercise)
        # The reference stands on the CPU; a class is compared there, whatever the machine of one submission has.
        how = Grading(sandbox=Mode(settings.sandbox), device="cpu", suite="hidden")
        report = grade(exercise, autograder / "submission", how)
        _write(results, gradescope(report.for_student(), settings.visibility))
    except DojoError as error:
        print(f"dojo: {clean_line(str(error))}", file=sys.stderr)
        return error.exit_code
    _say(report)
    return 0


def _write(results: Path, body: dict[str, Any]) -> None:
    try:
        write_atomically(results, json.dumps(body, indent=2, ensure_ascii=False) + "\n")
        results.chmod(0o644)
    except OSError as error:
        raise JudgeError(f"'{results}' can't be written: {error.strerror}") from None


def _say(report: Report) -> None:
    """For the instructor's view of the run. Nothing of a submission is in it: its own words are in the results."""
    where = report.provenance
    print(f"{report.exercise}: {report.points:g} of {report.max_points:g} points, {where.isolation or 'not run'}")
    if where.notice:
        print(clean_line(where.notice))


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), Path(sys.argv[2])))
