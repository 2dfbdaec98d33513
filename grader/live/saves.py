"""Notices that files were saved: by the system's events, and by a look of its own now and then, should none come."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path

DEBOUNCE_MS = 100  # a burst of events counts as one, at the longest
STEP_MS = 10  # of quiet end it
ALIVE_MS = 500  # after which the thread looks whether it still watches the right folder
LOOK_SECONDS = 0.5  # between two looks without an event
SETTLE_SECONDS = 0.15  # in which a file that has gone, or is empty, is likely to be about to be written
GRAIN_SECONDS = 0.05  # two writes within it may bear the same time
LARGEST = 2_000_000  # bytes of a file that is read

Signature = tuple[int, ...] | None


class Saves:
    """Whether the contents of some files of one folder have changed. `fileno` is readable when it may be so."""

    def __init__(self, folder: Path, names: Sequence[str], poll: bool = False) -> None:
        self._folder = folder
        self._paths = [folder / name for name in names]
        self._signatures: list[Signature] = []
        self._digest = ""
        self._due = 0.0  # when to look without an event
        self._since = 0.0  # when files went missing or empty; 0 where they have not
        self.saved = 0.0  # when the last change was made, by `time.time`
        self._wakeup, self._bell = os.pipe()
        for end in (self._wakeup, self._bell):
            os.set_blocking(end, False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(poll or None,), daemon=True, name="saves")
        self.changed()
        self._thread.start()

    def fileno(self) -> int:
        return self._wakeup

    @property
    def wait(self) -> float:
        """Seconds until a look is due, whether or not an event comes."""
        return max(0.0, self._due - time.monotonic())

    def changed(self) -> bool:
        """Whether the contents differ from those at the last change. A new time stamp alone is none."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        now, clock = time.monotonic(), time.time()
        signatures = [signature_of(path) for path in self._paths]
        fresh = any(each and clock - each[0] / 1e9 < GRAIN_SECONDS for each in signatures)
        self._due = now + (GRAIN_SECONDS if fresh else LOOK_SECONDS)
        if signatures == self._signatures and not fresh and not self._since:
            return False
        if self._digest and any(not each or not each[1] for each in signatures):
            # Many editors empty or rename a file before they write it.
            self._since = self._since or now
            if now - self._since < SETTLE_SECONDS:
                self._due = self._since + SETTLE_SECONDS
                return False
        self._since, self._signatures = 0.0, signatures
        digest = digest_of(self._paths)
        if digest == self._digest:
            return False
        self._digest = digest
        stamps = [each[3] / 1e9 for each in signatures if each]
        self.saved = max(stamps, default=clock) if stamps and 0 <= clock - max(stamps) < 2 else clock
        return True

    def _listen(self, poll: bool | None) -> None:
        """Rings the bell at every event in the folder; arms anew where another folder has taken its place."""
        try:
            while not self._stop.is_set():
                # No folder, no watches left: the looks remain.
                with contextlib.suppress(OSError, RuntimeError, ImportError):
                    self._watch(poll)
                self._ring()
                self._stop.wait(ALIVE_MS / 1000)
        finally:
            os.close(self._bell)  # by whoever rings it: its number may be another file's afterwards

    def _watch(self, poll: bool | None) -> None:
        from watchfiles import watch

        identity = _identity(self._folder)
        for changes in watch(
            self._folder,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=ALIVE_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            raise_interrupt=False,
            force_polling=poll,
            poll_delay_ms=DEBOUNCE_MS,
            recursive=False,
        ):
            if _identity(self._folder) != identity:
                return
            if changes:
                self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full is as good as rung; closed is the end
            os.write(self._bell, b"\0")

    def close(self) -> None:
        """Ends the thread, which may take a moment longer on a busy machine. Twice is no harm done."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(2)
        os.close(self._wakeup)


def digest_of(paths: Sequence[Path]) -> str:
    """A digest of the files' contents and of which are missing. What is no file of sane size counts by its looks."""
    digest = hashlib.sha256()
    for path in paths:
        signature = signature_of(path)
        with contextlib.suppress(OSError):
            if signature and stat.S_ISREG(path.stat().st_mode) and signature[1] <= LARGEST:
                content = path.read_bytes()
                digest.update(b"%d\0" % len(content) + content)
                continue
        digest.update(repr(signature).encode())
    return digest.hexdigest()


def signature_of(path: Path) -> Signature:
    """What is likely to differ when a file's content does. None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns


def _identity(folder: Path) -> Signature:
    signature = signature_of(folder)
    return signature and signature[2:3]
