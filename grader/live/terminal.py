"""The terminal while a watch has it: alternate screen, no cursor, single keys. Everything is put back afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[2J"  # other screen, no cursor, pastes in brackets, empty
LEAVE = "\x1b[?2004l\x1b[?25h\x1b[?1049l"
SIGNALS = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
SMALLEST = (10, 3)
WRITE_SECONDS = 5.0  # for a terminal that takes nothing


def usable() -> bool:
    """Whether a person sits at both ends, at something that can move a cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class Terminal:
    """Standard input and output as a screen. Signals that concern it come through `fileno`."""

    def __init__(self) -> None:
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._modes: list[Any] | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        self._shown: list[str] | None = None  # the lines on the screen, where they are known
        self._wakeup, self._bell = os.pipe()
        for end in (self._wakeup, self._bell):
            os.set_blocking(end, False)
        self._old_wakeup = -1

    def __enter__(self) -> Self:
        sys.stdout.flush()
        self._old_wakeup = signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        for number in SIGNALS:
            self._handlers[number] = signal.signal(number, _noted)
        self._modes = termios.tcgetattr(self._input)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with undisturbed():
            self._give_back()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._old_wakeup)
            os.close(self._wakeup)
            os.close(self._bell)

    def fileno(self) -> int:
        """Readable when `signals` has something to handle."""
        return self._wakeup

    def _take(self) -> None:
        tty.setcbreak(self._input, termios.TCSADRAIN)
        self._write(ENTER)
        self._shown = None

    def _give_back(self) -> None:
        with contextlib.suppress(OSError, termios.error):  # the terminal may have gone
            self._write(LEAVE)
            if self._modes is not None:
                termios.tcsetattr(self._input, termios.TCSAFLUSH, self._modes)

    def signals(self) -> bool:
        """Handles the signals that have come: a new size, Ctrl-Z, and the way back. Whether to draw anew."""
        try:
            numbers = set(os.read(self._wakeup, 4096))
        except BlockingIOError:
            return False
        if signal.SIGTSTP in numbers:
            with undisturbed():
                self._give_back()
            os.kill(os.getpid(), signal.SIGSTOP)
            numbers.add(signal.SIGCONT)
        if signal.SIGCONT in numbers:
            self._take()
        self._shown = None
        return bool(numbers.intersection(SIGNALS))

    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        try:
            asked = fcntl.ioctl(self._output, termios.TIOCGWINSZ, b"\0" * 8)
        except OSError:
            return 80, 24
        lines, columns, _, _ = struct.unpack("HHHH", asked)
        return max(SMALLEST[0], columns or 80), max(SMALLEST[1], lines or 24)

    def keys(self) -> bytes:
        """What was typed. Raises EOFError when the terminal has gone."""
        try:
            data = os.read(self._input, 4096)
        except OSError:
            data = b""
        if not data:
            raise EOFError
        return data

    def show(self, lines: Sequence[str]) -> None:
        """Puts `lines` on the screen. Only those that differ from what is there are written: nothing flickers."""
        old = self._shown
        parts = ["\x1b[2J"] if old is None else []
        for number in range(max(len(lines), len(old or []))):
            line = lines[number] if number < len(lines) else ""
            if old is None or number >= len(old) or old[number] != line:
                parts.append(f"\x1b[{number + 1};1H\x1b[2K{line}")
        self._shown = list(lines)
        if parts:
            self._write(f"\x1b[?2026h{''.join(parts)}\x1b[?2026l")  # as one frame, where a terminal knows of such

    def _write(self, text: str) -> None:
        data = text.encode(sys.stdout.encoding or "utf-8", "replace")
        while data:
            try:
                data = data[os.write(self._output, data) :]
            except BlockingIOError:  # somebody who shares the terminal has set it so
                if not select.select([], [self._output], [], WRITE_SECONDS)[1]:
                    return


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor has the number; a handler there must be, or none is written."""


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C, or a place in the background, does not keep us from tidying up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU)
    handlers = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
