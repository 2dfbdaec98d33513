"""Workers that were told to end: the judge goes on where nothing of them can be met, and waits where it can."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque

from grader.errors import JudgeError

END_SECONDS = 20.0  # for a supervisor to end its worker, on a loaded machine


class Endings:
    """Supervisors that were told to end, and have not yet.

    Where each has name spaces of its own nothing of an ended worker can be met by the next one, and `patience` of them
    may take their time; elsewhere each is waited for.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._waiting: deque[tuple[socket.socket, float]] = deque()

    def add(self, control: socket.socket, at_once: bool) -> None:
        """Tells a supervisor to end, and waits for it where it is to end at once. Raises JudgeError if one does not."""
        with contextlib.suppress(OSError):
            control.shutdown(socket.SHUT_WR)
        self._waiting.append((control, time.monotonic() + END_SECONDS))
        patience = 0 if at_once else self._patience
        while self._waiting and self._first_has_ended(wait=len(self._waiting) > patience):
            self._waiting.popleft()[0].close()

    def close(self) -> None:
        """Waits for nobody any more: whatever is left is ended by other means."""
        while self._waiting:
            self._waiting.popleft()[0].close()

    def _first_has_ended(self, wait: bool) -> bool:
        control, deadline = self._waiting[0]
        while True:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([control], [], [], max(0.0, left) if wait else 0.0)
            if ready and not receive(control):
                return True
            if left <= 0:
                self._waiting.popleft()[0].close()
                raise JudgeError("a worker's processes did not end")
            if not ready and not wait:
                return False


def receive(source: socket.socket) -> bytes:
    """What has come; nothing when the other side has gone, also when it left something of ours unread."""
    try:
        return source.recv(65536)
    except ConnectionResetError:
        return b""
