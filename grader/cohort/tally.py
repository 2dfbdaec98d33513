"""What became of each submission, counted, and how long the rest will take."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.result import Report, Verdict


@dataclass
class Tally:
    """The state of a run."""

    total: int
    graded: int = 0
    known: int = 0
    faults: int = 0  # of ours, among those graded
    lost: list[str] = field(default_factory=list)  # judges that had to be replaced, and forks of theirs, and why
    unread: list[str] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)  # such as why there is no sandbox
    _seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, report: Report) -> None:
        self.graded += 1
        self.faults += report.verdict is Verdict.JUDGE_ERROR
        if report.provenance.notice:
            self.notices[report.provenance.notice] += 1
        self._seconds[report.exercise].append(report.provenance.seconds)

    @property
    def done(self) -> int:
        return self.graded + self.known + len(self.unread)

    def seconds_left(self, left: Mapping[str, int], judges: int) -> float | None:
        """An estimate, from what submissions of the same exercise took; None before anything is known."""
        every = [each for rows in self._seconds.values() for each in rows]
        if not every:
            return None
        means = {slug: sum(rows) / len(rows) for slug, rows in self._seconds.items()}
        overall = sum(every) / len(every)
        return sum(count * means.get(slug, overall) for slug, count in left.items()) / judges
