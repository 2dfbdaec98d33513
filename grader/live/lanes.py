"""The lanes of a run: forks of the warm judge that take tests from one list, each telling what it found on a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

LANES = 2
END = b"\xff\xff"

Tell = Callable[[dict[str, Any]], None]
Work = Callable[[int, Iterator[int], Tell], None]


@dataclass
class Lane:
    """A fork that runs tests, and the pipe that it tells them on."""

    process: int
    pipe: int
    buffer: bytearray = field(default_factory=bytearray)

    def hear(self) -> tuple[list[dict[str, Any]], bool]:
        """What it has told, and whether it has ended."""
        data = os.read(self.pipe, 1 << 20)
        self.buffer += data
        *lines, rest = self.buffer.split(b"\n")
        self.buffer = bytearray(rest)
        if not data:
            self.close()
        return [json.loads(line) for line in lines], not data

    def kill(self) -> None:
        """Ends it; its workers end as their channels close."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        os.close(self.pipe)
        os.waitpid(self.process, 0)


@dataclass
class Round:
    """A run under way."""

    number: int
    left: set[str]  # names of tests without a result
    seed: int
    lanes: list[Lane] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    measured: list[dict[str, Any]] = field(default_factory=list)

    def take(self, row: dict[str, Any]) -> bool:
        """Notes what a lane told. Whether it is for the watch as well."""
        kind, body = row["event"], row["body"]
        if kind == "finished":
            self.left.discard(body["result"]["name"])
        if kind != "lane":
            return True
        self.faults += body["faults"]
        self.remarks += [each for each in body["remarks"] if each not in self.remarks]
        self.measured += body["measured"]
        return False

    def end(self) -> dict[str, Any]:
        """The sum, once every lane has ended."""
        if self.left:
            self.faults.append(f"tests without a result: {', '.join(sorted(self.left))}")
        seconds = round(time.monotonic() - self.began, 4)
        told = {"faults": self.faults, "remarks": self.remarks, "measured": self.measured}
        return {"run": self.number, **told, "seconds": seconds, "seed": self.seed}


def open_lanes(count: int, tests: Sequence[int], work: Work, leave: Callable[[], None]) -> list[Lane]:
    """Forks `count` lanes. In each, `work(part, its tests as they come, tell)` runs, and `leave` when all is told."""
    tokens, source = os.pipe()
    # Far below what a pipe holds: a lane takes two bytes at a time, and no two get the same.
    os.write(source, b"".join(_tokens(tests)) + END * count)
    os.close(source)
    lanes = []
    for part in range(count):
        pipe, theirs = os.pipe()
        process = os.fork()
        if process == 0:
            _become(part, tokens, theirs, work, leave)
        os.close(theirs)
        lanes.append(Lane(process, pipe))
    os.close(tokens)
    return lanes


def _tokens(tests: Iterable[int]) -> Iterator[bytes]:
    return (number.to_bytes(2, "big") for number in tests)


def _taken(tokens: int) -> Iterator[int]:
    while (token := os.read(tokens, 2)) not in (END, b""):
        yield int.from_bytes(token, "big")


def _become(part: int, tokens: int, pipe: int, work: Work, leave: Callable[[], None]) -> NoReturn:
    """In the fork."""
    try:
        if sys.platform == "linux":
            from grader.worker import kernel

            kernel.die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with os.fdopen(pipe, "w") as told:
            work(part, _taken(tokens), lambda row: print(json.dumps(row), file=told, flush=True))
        leave()
    except BrokenPipeError:
        pass
    except BaseException as error:  # noqa: BLE001 - a lane that ends without its results says so by that
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(0)
