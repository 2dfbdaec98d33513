"""`dojo watch`: save the file, and the verdict is on the screen. Imports neither torch nor pytest."""

from __future__ import annotations

import contextlib
import select
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

from grader.archive import last_report
from grader.catalog import Catalog, Exercise, Task
from grader.course.hints import see
from grader.course.store import Store
from grader.devices import device_for
from grader.errors import DojoError, UsageError
from grader.grading import Settings, find_suite
from grader.live.desk import Desk
from grader.live.keys import Keys
from grader.live.screen import Painter
from grader.live.terminal import Terminal, undisturbed, usable
from grader.live.view import Entry, View
from grader.reset import reset
from grader.result import Verdict
from grader.sandbox import Mode
from grader.session import DEVICES, SUITES, one_of

FRAME_SECONDS = 0.1  # between two frames while tests run: drawing is not to take their processor
TICK_SECONDS = 1.0
KEY_SECONDS = 0.05  # after which an ESC is a key, and not the begin of a sequence
NOTICE_SECONDS = 2.0  # in which a save does not wipe the answer to a key
WIDTH = 80  # of lines for a pipe


class Face(Protocol):
    """Where a watch is seen, and where keys come from."""

    def sources(self) -> list[int]: ...

    def keys(self, ready: list[int]) -> tuple[list[str], bool]:
        """The keys that were pressed, and whether to draw anew."""

    def wait(self) -> float: ...

    def show(self, view: View) -> None: ...


class ScreenFace:
    """A person at a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._keys = Keys()
        self._heard = 0.0  # when the last key was
        self._painter = Painter()

    def sources(self) -> list[int]:
        return [sys.stdin.fileno(), self._terminal.fileno()]

    def wait(self) -> float:
        return KEY_SECONDS if self._keys.waits else TICK_SECONDS

    def keys(self, ready: list[int]) -> tuple[list[str], bool]:
        anew = self._terminal.fileno() in ready and self._terminal.signals()
        if sys.stdin.fileno() in ready:
            self._heard = time.monotonic()
            return self._keys.feed(self._terminal.keys()), anew
        alone = time.monotonic() - self._heard >= KEY_SECONDS
        return self._keys.rest() if alone else [], anew

    def show(self, view: View) -> None:
        width, height = self._terminal.size()
        self._terminal.show(self._painter.screen(view, width, height))


class LineFace:
    """A pipe or a file: one block of lines for a verdict, and no keys."""

    def __init__(self) -> None:
        self._painter = Painter(colour=False)
        self._number = 0
        self._notice = ""

    def sources(self) -> list[int]:
        return []

    def wait(self) -> float:
        return TICK_SECONDS

    def keys(self, ready: list[int]) -> tuple[list[str], bool]:  # noqa: ARG002 - as its twin has it
        return [], False

    def show(self, view: View) -> None:
        if view.notice != self._notice:
            self._notice = view.notice
            if view.notice:
                print(view.notice, flush=True)
        if view.number != self._number:
            self._number = view.number
            print("\n".join([*self._painter.verdict(view, WIDTH), ""]), flush=True)


class Watch:
    """The loop: waits for saves, results and keys, and shows what they make of the exercise."""

    def __init__(self, catalog: Catalog, exercise: Exercise, settings: Settings, face: Face, poll: bool) -> None:
        self._catalog, self._settings, self._face, self._poll = catalog, settings, face, poll
        self._desk = Desk(exercise, settings, poll)
        self._left: list[Desk] = []  # those whose judges may still be ending
        self._notice = ""
        self._noted = 0.0
        self._asked = False  # whether r was pressed once
        self._help = False
        self._list = False
        self._hints = 0
        self._shown_for = (exercise.slug, 0)  # what the hints belong to
        self._drawn = 0.0

    def run(self) -> None:
        """Until q, or until the terminal has gone."""
        self._show()
        try:
            while self._turn():
                pass
        except EOFError:
            raise KeyboardInterrupt from None

    def close(self) -> None:
        """Leaves no process behind. To be called whatever ends the loop."""
        with undisturbed():
            self._desk.close()
            for desk in (*self._left, self._desk):
                desk.join()

    def _turn(self) -> bool:
        desk, sources = self._desk, [source.fileno() for source in self._desk.sources]
        timeout = min(desk.wait, self._face.wait())
        ready, _, _ = select.select([*sources, *self._face.sources()], [], [], timeout)
        changes = desk.changes
        urgent = desk.step()
        if desk.changes != changes:
            self._leave()
        keys, anew = self._face.keys(ready)
        for key in keys:
            if key == "q":
                return False
            self._press(key)
        waited = time.monotonic() - self._drawn
        moved = bool(ready) or desk.ticking
        if urgent or anew or keys or (moved and waited >= (FRAME_SECONDS if ready else TICK_SECONDS)):
            self._show()
        return True

    def _leave(self) -> None:
        """A save leads back to the verdict. A line that was just written stays: a reset is a save too."""
        self._help = self._list = False
        if time.monotonic() - self._noted > NOTICE_SECONDS:
            self._notice, self._asked = "", False

    # --- keys

    def _press(self, key: str) -> None:
        asked, self._asked = self._asked, False
        helped, listed, self._help, self._list = self._help, self._list, False, False
        self._notice, self._noted = "", time.monotonic()
        match key:
            case "h":
                self._more_hints()
            case "n":
                self._go(self._next(), "no other exercise is open")
            case "p":
                self._go(self._previous(), "this is the first exercise")
            case "l":
                self._list = not listed
            case "?":
                self._help = not helped
            case "a":
                self._desk.run_all()
            case "r":
                self._reset(asked)

    def _more_hints(self) -> None:
        hints = 0 if self._desk.solved else len(self._told().hints)
        if self._hints >= hints:
            self._notice = "there are no more hints" if hints else "there is nothing left to hint at"
        if self._hints < hints:
            self._hints += 1
            see(Store(self._desk.exercise.root), self._desk.exercise, self._told(), self._hints)

    def _told(self) -> Task:
        return self._desk.exercise.tasks[self._desk.task - 1]

    def _reset(self, asked: bool) -> None:
        names = " and ".join(self._desk.exercise.files)
        if not asked:
            self._asked = True
            self._notice = f"r again gives the stub of {names} back; what you wrote is kept beside it"
            return
        try:
            backups = reset(self._desk.exercise)
        except UsageError as error:
            self._notice = str(error)
            return
        kept = " and ".join(backup.name for backup in backups)
        self._notice = f"the stub is back; your text is kept as {kept}" if kept else f"{names}: a stub already"

    def _next(self) -> Exercise | None:
        """The next exercise that is not solved, after the last one from the first one on."""
        exercises = self._catalog.exercises
        place = self._place()
        others = [*exercises[place + 1 :], *exercises[:place]]
        return next((each for each in others if not is_solved(each)), None)

    def _previous(self) -> Exercise | None:
        place = self._place()
        return self._catalog.exercises[place - 1] if place else None

    def _place(self) -> int:
        slugs = [each.slug for each in self._catalog.exercises]
        return slugs.index(self._desk.exercise.slug)

    def _go(self, exercise: Exercise | None, otherwise: str) -> None:
        if exercise is None:
            self._notice = otherwise
            return
        try:
            find_suite(exercise, self._settings.suite)
        except DojoError as error:
            self._notice = str(error)
            return
        self._desk.close()
        self._left.append(self._desk)
        self._desk = Desk(exercise, self._settings, self._poll)

    # --- what is seen

    def _show(self) -> None:
        self._drawn = time.monotonic()
        self._face.show(self._view())

    def _view(self) -> View:
        view = self._desk.view()
        about = (view.exercise.slug, self._desk.task)
        if about != self._shown_for:
            self._shown_for, self._hints = about, 0
        hints = [] if view.solved else self._told().hints
        following = self._next() if view.solved else None
        return replace(
            view,
            hints=hints[: self._hints],
            hints_left=max(0, len(hints) - self._hints),
            next=f"{following.key}, {following.title}" if following else "",
            notice=self._notice or view.notice,
            help=self._help,
            entries=[self._entry(each, view) for each in self._catalog.exercises] if self._list else (),
        )

    def _entry(self, exercise: Exercise, view: View) -> Entry:
        if exercise.slug == view.exercise.slug:
            return Entry(exercise.key, exercise.title, view.points, view.max_points, current=True)
        report = last_report(exercise)
        return Entry(exercise.key, exercise.title, report.points if report else None, exercise.max_points)


def is_solved(exercise: Exercise) -> bool:
    """Whether the report that is kept says so."""
    report = last_report(exercise)
    return report is not None and report.verdict is Verdict.ACCEPTED


def watch(root: Path, options: SimpleNamespace) -> int:
    """The command. Raises UsageError before anything is on the screen."""
    catalog = Catalog(root)
    exercise = _chosen(catalog, options.exercise)
    settings = Settings(
        sandbox=Mode(one_of("SANDBOX", options.sandbox, tuple(Mode))),
        device=one_of("DEVICE", options.device, DEVICES),
        suite=one_of("SUITE", options.suite, SUITES),
    )
    find_suite(exercise, settings.suite)
    device_for(exercise, settings.device)
    if not usable():
        with contextlib.closing(Watch(catalog, exercise, settings, LineFace(), options.poll)) as loop:
            loop.run()
        return 0
    terminal = Terminal()
    # The terminal is given back first: to end a warm judge takes a moment.
    with contextlib.closing(Watch(catalog, exercise, settings, ScreenFace(terminal), options.poll)) as loop, terminal:
        loop.run()
    return 0


def _chosen(catalog: Catalog, text: str) -> Exercise:
    if text.strip().lower() == "all":
        raise UsageError("a watch is of one exercise: give its number, or nothing for the first that is not solved")
    if text:
        return catalog.find(text)
    return next((each for each in catalog.exercises if not is_solved(each)), catalog.exercises[-1])
