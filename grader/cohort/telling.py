"""What a run tells: each result in a line once it is kept; a bar below on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from grader.cohort.collect import Collection
from grader.cohort.tally import Tally
from grader.gradebook.attempt import Attempt
from grader.result import Verdict
from grader.text import clean_line

PIPE_SECONDS = 15.0  # between two lines about the state, where there is no bar
MOST = 20  # files that are named at the end
STYLES = {Verdict.ACCEPTED: "green", Verdict.JUDGE_ERROR: "bold red"}


class Telling:
    """Results go to standard output, the state to standard error."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._out = Console(highlight=False, soft_wrap=True)
        self._live = Console(stderr=True, highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._bar = Progress(*columns, console=self._live, disable=not self._live.is_terminal, transient=True)
        self._task = self._bar.add_task("grading", total=tally.total, left="")
        self._told = self._began = time.monotonic()

    def __enter__(self) -> Telling:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def result(self, attempt: Attempt) -> None:
        """One that is on the disk."""
        line = Text.assemble(
            f"{clean_line(attempt.student, 40):24} {attempt.slug:26} {attempt.points:>5g} / {attempt.max_points:<5g} ",
            (attempt.verdict.words, STYLES.get(attempt.verdict, "")),
        )
        self._print(line)

    def unread(self, student: str, slug: str) -> None:
        self._print(Text(f"{clean_line(student, 40):24} {slug:26} can't be read", "bold red"))

    def _print(self, line: Text) -> None:
        with contextlib.suppress(BrokenPipeError):  # whoever has stopped reading has the gradebook
            self._write(line)

    def _write(self, line: Text) -> None:
        if self._live.is_terminal and self._out.is_terminal:
            self._bar.console.print(line)  # above the bar
        elif self._out.is_terminal:
            self._out.print(line)
        else:
            print(line.plain, flush=True)

    def state(self, left: Mapping[str, int], judges: int) -> None:
        """How far it is, when it is time to say so."""
        seconds = self._tally.seconds_left(left, max(1, judges))
        remaining = f"about {lasting(seconds)} left" if seconds is not None else ""
        self._bar.update(self._task, completed=self._tally.done, left=remaining)
        now = time.monotonic()
        if not self._live.is_terminal and now - self._told >= PIPE_SECONDS:
            self._told = now
            line = f"{self._tally.done:,} of {self._tally.total:,}"
            print(f"{line}, {remaining}" if remaining else line, file=sys.stderr, flush=True)

    def seconds(self) -> float:
        return time.monotonic() - self._began


def lasting(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def closing(tally: Tally, found: Collection, seconds: float) -> list[str]:
    """The end of a run in lines."""
    rate = f", {60 * tally.graded / seconds:.1f} a minute" if tally.graded and seconds else ""
    faults = f" (faults of ours: {tally.faults:,})" if tally.faults else ""
    lines = [f"{tally.graded:,} graded{faults}, {tally.known:,} known already; {lasting(seconds)}{rate}"]
    lines += [f"{notice}: {count:,} graded in plain processes" for notice, count in tally.notices.items()]
    lines += listed("judges that were lost and replaced", tally.lost)
    lines += listed("can't be read, mend the permissions and run again", tally.unread)
    lines += listed("not matched", [f"'{each.where}': {each.why}" for each in found.strays])
    if found.others:
        lines.append(f"{found.others:,} other files beside them, which no exercise asks for")
    return [clean_line(line, 400) if not line.startswith("  ") else f"  {clean_line(line, 400)}" for line in lines]


def listed(title: str, rows: Sequence[str]) -> list[str]:
    if not rows:
        return []
    more = [f"  and {len(rows) - MOST:,} more"] if len(rows) > MOST else []
    return [f"{title} ({len(rows):,}):", *(f"  {row}" for row in rows[:MOST]), *more]
