"""The state of a watched exercise: which results hold for the file as it is now, and which tests are due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grader.catalog import Exercise, Task
from grader.live.station import Done, Item, Ready
from grader.result import Failure, Measured, TestResult, Verdict, worst
from grader.summary import Outcome

MISSED = (Verdict.ACCEPTED, Verdict.NOT_ATTEMPTED)  # what is neither is something to tell
LONG = 0.25  # seconds of a test that is begun before the short ones


@dataclass(frozen=True)
class Row:
    """A task as the screen lists it."""

    task: Task
    verdict: Verdict | None  # None where nothing is known yet
    failing: int
    total: int
    due: bool  # whether some of it rests on an earlier state of the file

    @property
    def points(self) -> float:
        return self.task.points if self.verdict is Verdict.ACCEPTED else 0


@dataclass
class Board:
    """Results by the test's name. A result of a test that is due is the one from before the last save."""

    exercise: Exercise
    items: list[Item] = field(default_factory=list)
    results: dict[str, TestResult] = field(default_factory=dict)
    touched: dict[str, frozenset[str] | None] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)
    whole: bool = False  # every test was asked for, whatever fails
    remarks: list[str] = field(default_factory=list)  # of the suite
    _seeds: dict[str, int] = field(default_factory=dict)
    _measured: dict[str, list[Measured]] = field(default_factory=dict)

    def collect(self, items: Sequence[Item]) -> None:
        """The suite's tests, as they are now. All are due."""
        self.items = list(items)
        names = {item.name for item in items}
        self.results = {name: result for name, result in self.results.items() if name in names}
        self.touched = {name: names_used for name, names_used in self.touched.items() if name in names}
        self.due = names

    def change(self, names: Iterable[str]) -> None:
        """These tests may end otherwise now; so may those that a fault of ours ended."""
        faulty = {name for name, result in self.results.items() if result.verdict is Verdict.JUDGE_ERROR}
        self.due |= (set(names) | faulty) & {item.name for item in self.items}
        self.whole = False

    def change_all(self) -> None:
        """Every test is to run, those that train included."""
        self.due = {item.name for item in self.items}
        self.whole = True

    def take(self, result: TestResult, touched: frozenset[str] | None) -> None:
        """The outcome of a test for the file as it is now."""
        self.results[result.name] = result
        self.touched[result.name] = touched
        self.due.discard(result.name)

    def note(self, names: Iterable[str], done: Done) -> None:
        """What the end of a run of these tests tells beside their results."""
        self.remarks += [each for each in done.remarks if each not in self.remarks]
        for name in names:
            self._seeds[name] = done.seed
            self._measured[name] = [each for each in done.measured if each.test == name]

    @property
    def failed(self) -> set[str]:
        """Tests whose last outcome was no pass."""
        return {name for name, result in self.results.items() if result.verdict is not Verdict.ACCEPTED}

    def quick(self) -> list[str]:
        """Due tests that do not train, in the order in which a verdict comes soonest."""
        return self._sorted(item for item in self.items if item.name in self.due and not item.training)

    def training(self) -> list[str]:
        """Due tests that train: those of a task whose quick tests all pass."""
        return self._sorted(
            item
            for item in self.items
            if item.name in self.due and item.training and (self.whole or not self._quick_failures(item.task))
        )

    def _sorted(self, items: Iterable[Item]) -> list[str]:
        """The task that is worked at first, in it what failed last time, then the others'.

        Where nothing fails, what takes long begins first: two lanes share the tests, and one begun last would be waited
        for alone.
        """
        place = {item.name: number for number, item in enumerate(self.items)}
        row, failed = self.first, self.failed
        first = row.task.number if row else 0

        def rank(item: Item) -> tuple[bool, bool, float, int, int]:
            known = self.results.get(item.name)
            long = known.seconds if known and known.seconds >= LONG and not failed else 0.0
            return item.task != first, item.name not in failed, -long, item.task, place[item.name]

        return [item.name for item in sorted(items, key=rank)]

    def _quick_failures(self, task: int) -> list[TestResult]:
        quick = [item.name for item in self.items if item.task == task and not item.training]
        return [result for result in map(self.results.get, quick) if result and result.verdict is not Verdict.ACCEPTED]

    @property
    def settled(self) -> bool:
        """Whether every quick test has a result for the file as it is now."""
        return bool(self.items) and not any(item.name in self.due for item in self.items if not item.training)

    @property
    def complete(self) -> bool:
        """The same of all tests, but for those that need not train because their task is lost already."""
        return self.settled and not self.training()

    def outcome(self, ready: Ready) -> Outcome:
        """Once complete: what a report is made of. Results of several runs have no one seed that repeats them."""
        seeds = {self._seeds.get(item.name) for item in self.items if item.name not in self.due}
        return Outcome(
            device=ready.device,
            seed=seeds.pop() if len(seeds) == 1 else None,
            results=self.outcomes(),
            remarks=self.remarks,
            measured=[each for item in self.items for each in self._measured.get(item.name, [])],
            isolation=ready.isolation,
            notice=ready.notice,
            versions=ready.versions,
        )

    def outcomes(self) -> list[TestResult]:
        """A result for each test, in the suite's order; those that need not train have failed."""
        return [self._spared(item) if item.name in self.due else self.results[item.name] for item in self.items]

    def _spared(self, item: Item) -> TestResult:
        verdicts = {result.verdict for result in self._quick_failures(item.task)}
        verdict = Verdict.NOT_ATTEMPTED if verdicts == {Verdict.NOT_ATTEMPTED} else Verdict.WRONG_ANSWER
        failure = Failure("a pass of the quick tests of this task", "not run: a quick test has failed")
        return TestResult(item.name, item.sentence, item.task, verdict, 0.0, failure, attempts=0)

    @property
    def rows(self) -> list[Row]:
        """The tasks, as far as they are known."""
        return [self._row(task) for task in self.exercise.tasks]

    def _row(self, task: Task) -> Row:
        items = [item for item in self.items if item.task == task.number]
        spared = bool(self._quick_failures(task.number))
        wanted = [item for item in items if not (item.training and spared and item.name in self.due)]
        found = [self.results[item.name] for item in wanted if item.name in self.results]
        if not items:  # not collected yet: what an earlier report said
            found = [result for result in self.results.values() if result.task == task.number]
        verdict = worst(result.verdict for result in found) if found and len(found) >= len(wanted) else None
        failing = sum(result.verdict not in MISSED for result in found)
        verdict = worst(result.verdict for result in found) if failing else verdict
        due = not items or any(item.name in self.due for item in wanted)
        return Row(task, verdict, failing, max(len(items), len(found)), due)

    @property
    def first(self) -> Row | None:
        """The task to tell of: the first that fails, or else the first that is not attempted; a bonus comes last."""
        rows = self.rows
        rows.sort(key=lambda row: row.task.bonus)
        failing = next((row for row in rows if row.failing), None)
        return failing or next((row for row in rows if row.verdict is Verdict.NOT_ATTEMPTED), None)

    def failures(self, task: int) -> list[TestResult]:
        """What fails of a task, in the suite's order."""
        order = {item.name: number for number, item in enumerate(self.items)}
        found = [each for each in self.results.values() if each.task == task and each.verdict not in MISSED]
        return sorted(found, key=lambda each: order.get(each.name, 0))

    @property
    def points(self) -> float:
        return sum(row.points for row in self.rows)

    @property
    def max_points(self) -> float:
        """Of the tasks that have tests here: the public ones may leave a task out."""
        return sum(row.task.points for row in self.rows if (row.total or not self.items) and not row.task.bonus)

    @property
    def solved(self) -> bool:
        """Whether all points are earned, for the file as it is now."""
        tested = [row for row in self.rows if row.total]
        due = [row for row in tested if not row.task.bonus] or tested
        return self.complete and all(row.verdict is Verdict.ACCEPTED for row in due)
