"""A suite's pytest is the judge's own: what is set for another pytest changes no verdict, and is left as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grader.catalog import Exercise
from grader.grading import Settings, grade
from grader.runner import HEEDED_BY_PYTEST

RIGHT = "def double(x):\n    if x.dim() == 0:\n        raise ValueError(f'a scalar {x.item()}')\n    return 2 * x\n"


@pytest.mark.parametrize("options", ["-k nothing", "--collect-only", "--frobnicate"])
def test_options_meant_for_another_pytest_change_no_point(
    toy: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", options)
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    before = {name: os.environ.get(name) for name in HEEDED_BY_PYTEST}
    (tmp_path / "handed").mkdir()
    (tmp_path / "handed/double.py").write_text(RIGHT)
    assert grade(toy, tmp_path / "handed", Settings()).points == 3
    assert {name: os.environ.get(name) for name in HEEDED_BY_PYTEST} == before
