"""Grading in a notebook: `grade(3)` shows what `dojo report 3` writes, and a cell can be the submission.

This module runs in the kernel, beside the student's own cells. So it holds no judge: it starts one (`page.inline`).
"""

from __future__ import annotations

import html
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.errors import JudgeError, UsageError
from grader.result import Report, Verdict

PACKAGE = Path(__file__).resolve().parent
HEIGHT = "44rem"  # of the page inside a notebook; its corner can be dragged
OPTIONS = {"device": "auto", "sandbox": "auto", "suite": "auto", "audience": "student"}


class NotGraded(UsageError):
    """There is no report, for a reason that the person can mend. A notebook shows one line, and no traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in the place of a traceback."""
        return [f"grade: {self}"]


class JudgeFailed(NotGraded):
    """There is no report, for a reason that lies with the grader or the machine."""

    exit_code = JudgeError.exit_code


@dataclass(frozen=True, repr=False)
class Graded:
    """A graded submission: a page in a notebook, the terminal's report anywhere else."""

    report: Report
    page: str = field(compare=False)
    text: str = field(compare=False)

    @property
    def verdict(self) -> Verdict:
        return self.report.verdict

    @property
    def points(self) -> float:
        return self.report.points

    @property
    def max_points(self) -> float:
        return self.report.max_points

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its styles stay inside. Nothing in the frame may run or load."""
        title = html.escape(f"Report: {self.report.title}")
        style = f"width: 100%; height: {HEIGHT}; resize: vertical; border: 1px solid #8884; border-radius: 6px"
        return f'<iframe sandbox="" title="{title}" style="{style}" srcdoc="{html.escape(self.page)}"></iframe>'


def grade(
    exercise: int | str, *, source: str | os.PathLike[str] | None = None, code: str | None = None, **options: str
) -> Graded:
    """Grades `exercise` (3, "final"): the student's own file, what lies at `source`, or the text `code`.

    Options: device, sandbox, suite and audience, as in `dojo grade`. Only a grade of the student's own file is kept.
    Raises NotGraded where there is no report.
    """
    if source is not None and code is not None:
        raise NotGraded("give a source or code, not both")
    for name in options:
        if name not in OPTIONS:
            raise NotGraded(f"there is no option '{name}': the options are {', '.join(OPTIONS)}")
    with tempfile.TemporaryDirectory(prefix="torch-dojo-") as folder:
        chosen = {**OPTIONS, **options, "seed": None, "source": None if source is None else os.fspath(source)}
        _ask({"exercise": str(exercise), "code": code, "folder": folder, "options": chosen})
        report, page, text = (Path(folder, f"report.{kind}").read_text("utf-8") for kind in ("json", "html", "txt"))
    return Graded(Report.from_json(report), page, text)


def _ask(request: dict[str, Any]) -> None:
    """Lets a judge write its report into the request's folder. What it says is shown; Ctrl-C ends it too."""
    # -P: a random.py beside the notebook is not to become the judge's.
    command = [sys.executable, "-P", "-m", "grader.page.inline"]
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    # As in the Makefile: idle OpenMP threads sleep, for spinning ones slow two busy processes 30 times.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, env=environment, text=True, encoding="utf-8") as judge:
        try:
            said = judge.communicate(json.dumps(request))[1].strip()
        except KeyboardInterrupt:  # a notebook interrupts the kernel alone; the judge has a sandbox to end
            judge.send_signal(signal.SIGINT)
            judge.wait()
            raise
    if judge.returncode == UsageError.exit_code:
        raise NotGraded(said)
    if judge.returncode:
        raise JudgeFailed(said.rpartition("\n")[2] or f"the judge ended with exit code {judge.returncode}")
    if said:
        print(said, file=sys.stderr)


def register(shell: Any) -> None:
    """Makes the cell magic %%grade known."""
    shell.register_magic_function(_cell, magic_kind="cell", magic_name="grade")


def _cell(line: str, cell: str) -> Graded:
    """%%grade EX [suite=public] [device=cpu] …: the text of this cell is the submission. It is graded, not run."""
    words = shlex.split(line)
    if not words or any("=" not in word for word in words[1:]):
        raise NotGraded("write the exercise behind %%grade, and options as name=value: %%grade 3 suite=public")
    return grade(words[0], code=cell, **dict(word.split("=", 1) for word in words[1:]))
