"""All faults, and how each was taken, as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.faults.failing import bubblewraps, clocks, failures
from tests.faults.killing import killings
from tests.faults.outside import outputs, signals
from tests.faults.scene import INSTALLED, LOST, OFF, RUN_TIME, WRONG, Fault, Scene, play
from tests.faults.suites import suites


def controls() -> Iterator[Fault]:
    def handing_in(code: str) -> Callable[[Scene], None]:
        return lambda scene: scene.submit(code)

    yield Fault("no fault", lambda _: None, tries=1)
    yield Fault("a wrong answer", handing_in("def double(x): return x\n"), WRONG, LOST, tries=1)
    leaves = "import os\ndef double(x): os._exit(0)\n"
    yield Fault("a submission that leaves", handing_in(leaves), RUN_TIME, LOST, tries=1)
    kills = "import os\ndef double(x): os.kill(os.getpid(), 9)\n"
    yield Fault("a submission that kills itself", handing_in(kills), RUN_TIME, LOST, tries=2)


def rows() -> list[tuple[Fault, str]]:
    """Every fault in every mode that it is about. Without bubblewrap, only what plain processes can show."""
    found = []
    for group in (controls, killings, failures, clocks, bubblewraps, suites, signals, outputs):
        for fault in group():
            found += [(fault, mode) for mode in fault.modes if INSTALLED or mode == OFF or group is bubblewraps]
    return found


def print_table(wanted: str = "") -> int:
    """Prints the rows whose names hold `wanted`; the exit code is 1 if one is not as it is to be."""
    print(f"{'fault':<60} {'sandbox':<8} {'whose':<14} {'verdict':<20} {'exit':>4}  {'stray':<6} {'s':>5}")
    wrong = 0
    began = time.monotonic()
    table = [(fault, mode) for fault, mode in rows() if wanted in f"{fault.name} {mode}"]
    for fault, mode in table:
        outcome = play(fault, mode)
        stray = ", ".join(sorted({each.split()[0] for each in outcome.strays})) or "none"
        line = (
            f"{fault.name:<60} {mode:<8} {outcome.whose:<14} {outcome.verdict.replace('_', ' '):<20} {outcome.code:>4}"
        )
        print(f"{line}  {stray:<6} {outcome.seconds:>5.1f}", *outcome.problems, sep="\n    ! ", flush=True)
        wrong += bool(outcome.problems)
    print(f"{len(table)} faults, {wrong} not taken as they should be, {time.monotonic() - began:.0f} s")
    return int(wrong > 0)
