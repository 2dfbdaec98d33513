"""One exercise under watch: its file, a warm judge, and what is known of the file as it is now."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grader.archive import keep, last_report, report_path
from grader.catalog import Catalog, Exercise
from grader.course.progress import remember
from grader.errors import DojoError
from grader.grading import Settings, find_suite
from grader.live.board import Board
from grader.live.errand import Errand, Phase
from grader.live.ground import Ground, ground_of
from grader.live.saves import Saves
from grader.live.station import Died, Done, Event, Finished, Ready, Started, Station
from grader.live.view import View
from grader.live.withheld import without_words
from grader.reset import keep_stubs
from grader.result import Failure
from grader.submission import Submission, read_submission
from grader.summary import now, sum_up


class Desk:
    """Takes saves in and results. `news` counts the verdicts that a person is to see."""

    def __init__(self, exercise: Exercise, settings: Settings, poll: bool = False) -> None:
        self.exercise, self.settings = exercise, settings
        self.notice = ""  # a line for the person
        self.news = 0
        self.changes = 0  # of the file, since the start
        self._poll = poll
        self._suite, self._kind = find_suite(exercise, settings.suite)
        self._station: Station | None = Station(exercise, settings)  # first, for it takes longest
        self._errand = Errand()
        self._saves = Saves(exercise.folder, exercise.files, poll)
        self._ground: Ground = ground_of(exercise)
        self._leaving: list[threading.Thread] = []
        self._deaths = 0
        self._fault = ""
        self._ready: Ready | None = None
        self._board = Board(exercise)
        self._submission = self._read()
        self._base: Submission | None = None  # what the results that are not due hold for
        self._clock = time.time()  # when the change was made that is being judged
        self._seconds: float | None = None  # from there to the verdict
        self._begun = now(), time.monotonic()
        keep_stubs(exercise)
        self._recall()
        self.news += self._submission.problem is not None

    def _read(self) -> Submission:
        try:
            return read_submission(self.exercise, self.exercise.folder)
        except DojoError as error:
            return Submission({}, "", Failure("a file that can be read", str(error)))

    def _recall(self) -> None:
        """What the kept report says of this very file is shown until the judge is warm."""
        report = last_report(self.exercise)
        if report and not report.problem and report.provenance.submission_sha256 == self._submission.sha256:
            for task in report.for_student().tasks:
                self._board.results |= {test.name: test for test in task.tests}

    # --- what comes in

    @property
    def sources(self) -> list[Saves | Station]:
        """What to wait for, beside `wait`."""
        return [self._saves, *([self._station] if self._station else [])]

    @property
    def wait(self) -> float:
        """Seconds until something is due by itself."""
        return self._saves.wait

    @property
    def ticking(self) -> bool:
        """Whether the state shows a clock."""
        return self._errand.ticking

    def step(self) -> bool:
        """Takes in what has come. Whether something is to be seen at once."""
        seen = (self._errand.phase, self.news, self.notice)
        for event in self._station.events() if self._station else []:
            self._on(event)
        if self._saves.changed():
            self._saved()
        if names := self._ground.changed():
            self._renew(names)
        return seen != (self._errand.phase, self.news, self.notice)

    def _on(self, event: Event) -> None:
        match event:
            case Ready():
                self._ready = event
                self._errand.turn(Phase.IDLE)
                self._board.collect(event.items)
                self._clock = time.time()
                self._begin()
            case Started():
                self._errand.begun(event.name)
            case Finished():
                self._board.take(event.result, event.touched)
                self._errand.ended(event.result.name)
            case Done():
                self._ended(event)
            case Died():
                self._died(event.reason)

    def _saved(self) -> None:
        before, self._submission = self._submission, self._read()
        if self._submission == before:
            return
        self.changes += 1
        self._clock, self._seconds, self.notice, self._fault = self._saves.saved, None, "", ""
        self._begun = now(), time.monotonic()
        if self._submission.problem:
            self._stop()
            self._verdict()
            return
        if self._base:
            self._board.change(self._affected(self._base))
            self._base = self._submission
        self._begin()

    def _affected(self, base: Submission) -> set[str]:
        from grader.live.affected import affected  # parses, and is not needed before the first save

        used = {item.name: self._board.touched.get(item.name) for item in self._board.items}
        try:
            return affected(base.files, self._submission.files, used, self._board.failed)
        except (RecursionError, MemoryError):  # code that is nested so deeply may have changed anywhere
            return set(used)

    def run_all(self) -> None:
        """Every test runs, those that train included."""
        if self._submission.problem:
            return
        self._clock, self._seconds, self.notice, self._fault = time.time(), None, "", ""
        self._begun = now(), time.monotonic()
        self._board.change_all()
        self._begin()

    # --- the judge

    def _begin(self) -> None:
        """Runs what is due, with a new judge where there is none."""
        if self._station is None:
            self._start()
        if self._errand.phase is Phase.WARMING or self._submission.problem:
            return
        self._base = self._submission
        names = self._board.quick()
        if names:
            self._launch(names, Phase.QUICK)
        else:
            self._stop()
            self._proceed()

    def _launch(self, names: list[str], phase: Phase) -> None:
        assert self._station is not None
        self._errand.launch(phase, names)
        self._station.run(self._submission.files, names)

    def _stop(self) -> None:
        if self._station and self._errand.running:
            self._station.cancel()
            self._errand.turn(Phase.IDLE)

    def _ended(self, done: Done) -> None:
        self._errand.turn(Phase.IDLE)
        self._board.note(self._errand.names, done)
        if done.faults:
            self._died(_last_line(done.faults[0]))
            return
        self._deaths = 0
        self._proceed()

    def _proceed(self) -> None:
        """After the quick tests come those that train, and after these the report."""
        if not self._board.settled:
            self._fail("tests without a result")
            return
        if self._seconds is None:
            self._seconds = max(0.0, time.time() - self._clock)
        training = self._board.training()
        if training:
            self._launch(training, Phase.TRAINING)
        else:
            self._keep()
        self._verdict()

    def _verdict(self) -> None:
        if self._seconds is None:
            self._seconds = max(0.0, time.time() - self._clock)
        self.news += 1

    def _fail(self, reason: str) -> None:
        self._fault = _last_line(reason)
        self.notice = f"a fault of the grader, not of yours: {self._fault}; save, or press a, to try again"
        self.news += 1

    def _died(self, reason: str) -> None:
        self._close_station()
        self._deaths += 1
        if self._deaths > 1:
            self._errand.turn(Phase.BROKEN)
            self._fail(reason)
            return
        self.notice = f"the warm judge has ended ({reason}): a new one starts"
        self._start()

    def _start(self) -> None:
        self._station = Station(self.exercise, self.settings)
        self._errand, self._ready = Errand(), None

    def _close_station(self) -> None:
        station, self._station = self._station, None
        if station:  # which takes a moment, in which nobody is to wait
            self._leaving.append(threading.Thread(target=station.close, daemon=True))
            self._leaving[-1].start()

    def _renew(self, names: Sequence[str]) -> None:
        """What the warm judge rests on has changed: a new one takes its place."""
        what = " and ".join(names)
        try:
            exercise = Catalog(self.exercise.root).find(self.exercise.key)
            self._suite, self._kind = find_suite(exercise, self.settings.suite)
        except DojoError as error:
            self._fail(str(error))
            return
        if exercise.files != self.exercise.files:
            self._saves.close()
            self._saves = Saves(exercise.folder, exercise.files, self._poll)
        self.exercise = self._board.exercise = exercise
        self.notice, self._fault, self._deaths = f"{what} changed: a new warm judge starts", "", 0
        self._submission, self._base, self._seconds = self._read(), None, None
        self._close_station()
        self._start()

    def _keep(self) -> None:
        """The report, as `dojo grade` keeps it."""
        assert self._ready is not None
        outcome, (started, began) = self._board.outcome(self._ready), self._begun
        seconds, complete = time.monotonic() - began, self._kind == "hidden"
        report = sum_up(self.exercise, self._submission, self._suite, self._kind, outcome, started, seconds, complete)
        problem = keep(report, report_path(self.exercise))
        problems = [problem] if problem else remember(self.exercise, report).problems
        self.notice = next(iter(problems), self.notice)

    def close(self) -> None:
        """Ends the looking, and begins to end the judge."""
        self._close_station()
        self._saves.close()

    def join(self) -> None:
        """After `close`: returns when nothing is left."""
        for thread in self._leaving:
            thread.join()

    # --- what is seen

    @property
    def state(self) -> str:
        """What happens at this moment, in a few words."""
        if self._fault:
            return "the grader failed"
        return self._errand.words or self._verdict_words() or "watching"

    def _verdict_words(self) -> str:
        return "" if self._seconds is None else f"verdict in {self._seconds:.2f} s"

    @property
    def task(self) -> int:
        """The number of the task that is told of, 1 where there is none."""
        first = self._board.first
        return first.task.number if first else 1

    @property
    def solved(self) -> bool:
        return self._board.solved and not self._submission.problem

    def view(self) -> View:
        """What there is to show of the exercise."""
        reason = self.exercise.rules.withheld() if self._kind == "hidden" else ""
        return without_words(self._view(), reason) if reason else self._view()

    def _view(self) -> View:
        board, ready, first = self._board, self._ready, self._board.first
        failures = board.failures(first.task.number) if first else []
        everywhere = sum(row.failing for row in board.rows)
        where = f"{ready.device}, {ready.isolation}" if ready else ""
        return View(
            exercise=self.exercise,
            rows=[replace(row, due=True) for row in board.rows] if self._submission.problem else board.rows,
            points=board.points,
            max_points=board.max_points,
            state=self.state,
            file=_short(self.exercise.folder / self.exercise.files[0]),
            how=f"{self._kind} tests, {where}" if where else "",
            problem=self._submission.problem,
            failure=failures[0] if failures else None,
            stale=bool(failures) and (failures[0].name in board.due or not board.items),
            more=max(0, len(failures) - 1),
            elsewhere=everywhere - len(failures),
            todo=first if first and not failures else None,
            solved=self.solved,
            training=self._trains(),
            verdict=self._verdict_words(),
            notice=self.notice,
            remarks=board.remarks,
            number=self.news,
        )

    def _trains(self) -> str:
        if self._errand.phase is not Phase.TRAINING:
            return ""
        names = self._errand.under_way
        return next((item.sentence for item in self._board.items if item.name in names), "")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason is known"])[-1]


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
