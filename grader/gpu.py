"""A GPU's memory: a worker's share of it, and whose doing it is when there is not enough.

That a submission ran out of memory is its own word, so it counts against it, unless the GPU, asked from outside once
the worker has ended, shows that its share could not be had.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import Any, NamedTuple

from grader.errors import JudgeError
from grader.workers import Worker, WorkerEnd

USABLE = 0.9  # of a GPU's memory is shared out: a context takes about half a gigabyte that no budget counts
ASK_SECONDS = 10.0
ASKED = "memory.total,memory.free"
# torch's own error, and how CUDA and its libraries say it.
OUT = re.compile(r"(CUDA|CUDNN|cuda) ?(error: )?out of memory|(CUDNN|CUBLAS|CUSOLVER|CUFFT)_STATUS_ALLOC_FAILED")
TORCH = "OutOfMemoryError"


@dataclass(frozen=True)
class Slot:
    """A part of one GPU, for one worker at a time."""

    card: str  # as CUDA_VISIBLE_DEVICES names it
    of: int = 1  # how many parts there are

    @property
    def share(self) -> float:
        """Of the whole memory."""
        return USABLE / self.of

    def budget(self, memory: Memory | None) -> str:
        """What a worker may use, in words."""
        size = f"{memory.total * self.share:,.0f} MB" if memory else f"{self.share:.0%}"
        part = f", the share of one of {self.of} slots" if self.of > 1 else ""
        return f"{size} of the GPU's memory{part}"


class Memory(NamedTuple):
    """Of a GPU, in MB."""

    total: int
    free: int


def memory(card: str) -> Memory | None:
    """What nvidia-smi says of a GPU; None where it is not installed or does not know, as of a part made by MIG."""
    command = ["nvidia-smi", f"--id={card}", f"--query-gpu={ASKED}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=True)
        total, free = (int(number) for number in done.stdout.split(","))
        return Memory(total, free)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def account(reply: Any, slot: Slot, worker: Worker, begun: bool) -> None:
    """Ends the worker if its reply is that the GPU had no memory: raises WorkerEnd, or JudgeError for a fault of ours.

    `begun`: whether the submission may have run. Before that, inputs that find no room are ours.
    """
    if not ran_out(reply) or ("fault" in reply and not begun):
        return
    worker.discard()  # what it held is free when it has ended: the rest is held by others
    now = memory(slot.card)
    reason: WorkerEnd | JudgeError = WorkerEnd("gpu", slot.budget(now))
    if now is not None and now.free < now.total * slot.share:
        room = f"of GPU {slot.card}'s {now.total:,} MB only {now.free:,} are free"
        reason = JudgeError(f"{room}, and a worker is to have {slot.budget(now)}: others hold the rest")
    worker.end(reason)
    raise reason


def ran_out(reply: Any) -> bool:
    """Whether a reply says that the GPU's memory ran out."""
    if not isinstance(reply, dict) or len(reply) != 1:
        return False
    kind, body = next(iter(reply.items()))
    if kind == "fault":
        return isinstance(body, str) and OUT.search(body) is not None
    if kind not in ("raised", "import_failed") or not isinstance(body, dict):
        return False
    name, message = body.get("name"), body.get("message")
    return name == TORCH or (isinstance(message, str) and OUT.search(message) is not None)
