"""Every fault is taken as the table says: `tests/faults` holds the rows, and `make faults` prints them."""

from __future__ import annotations

import shutil
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the faults are injected through /proc", allow_module_level=True)

from tests.faults import scene as stage
from tests.faults.scene import Fault, Scene, play
from tests.faults.table import rows

ROWS = rows()


@pytest.mark.parametrize(("fault", "mode"), [pytest.param(*row, id=f"{row[0].name}, {row[1]}") for row in ROWS])
def test_a_fault_is_taken_as_it_should_be(fault: Fault, mode: str) -> None:
    assert play(fault, mode).problems == []


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_no_two_rows_are_the_same() -> None:
    names = [(fault.name, mode) for fault, mode in ROWS]
    assert len(names) == len(set(names)) > 100


def test_a_fault_that_is_taken_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table can fail: a wrong answer is no acceptance, and what is left behind is seen."""
    monkeypatch.setattr(stage, "STRAY_SECONDS", 0.2)

    def leaving(scene: Scene) -> None:
        scene.submit("def double(x): return x\n")
        (scene.temporary / "dojo-left").mkdir()

    problems = play(Fault("", leaving, leaves="nothing"), "off").problems
    assert [problem.partition(":")[0] for problem in problems] == ["exit code", "verdict", "left behind"]
