"""Every fault is taken as the table says: `faults.py` holds the rows, and `make faults` prints them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load(path: Path) -> ModuleType:
    """A module that lies beside the tests, and in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if sys.platform != "linux":
    pytest.skip("the faults are injected through /proc", allow_module_level=True)
faults = load(Path(__file__).with_name("faults.py"))
ROWS = faults.rows()


@pytest.mark.parametrize(("fault", "mode"), [pytest.param(*row, id=f"{row[0].name}, {row[1]}") for row in ROWS])
def test_a_fault_is_taken_as_it_should_be(fault: object, mode: str) -> None:
    assert faults.play(fault, mode).problems == []


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_no_two_rows_are_the_same() -> None:
    names = [(fault.name, mode) for fault, mode in ROWS]
    assert len(names) == len(set(names)) > 100


def test_a_fault_that_is_taken_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table can fail: a wrong answer is no acceptance, and what is left behind is seen."""
    monkeypatch.setattr(faults, "STRAY_SECONDS", 0.2)

    def leaving(scene: faults.Scene) -> None:
        scene.submit("def double(x): return x\n")
        (scene.temporary / "dojo-left").mkdir()

    problems = faults.play(faults.Fault("", leaving, leaves="nothing"), "off").problems
    assert [problem.partition(":")[0] for problem in problems] == ["exit code", "verdict", "left behind"]
