"""A suite's pytest is the judge's own: what is set for another pytest changes no verdict, and is left as it was."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

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


def test_a_suite_is_read_once_however_many_submissions_fail_it(
    toy: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its account of a failed test pytest parses the suite once for each frame, and nobody reads it."""
    assert toy.hidden_suite is not None
    text = toy.hidden_suite.read_text() + "# not read by any other test\n"
    toy.hidden_suite.write_text(text)
    parsed: list[object] = []
    parse = ast.parse

    def counting(source: str, *rest: Any, **options: Any) -> ast.AST:
        parsed.append(source.strip() if isinstance(source, str) else "the import's")
        return parse(source, *rest, **options)

    monkeypatch.setattr(ast, "parse", counting)
    (tmp_path / "double.py").write_text("def double(x):\n    return 3 * x\n")
    for _ in range(2):
        report = grade(toy, tmp_path / "double.py", Settings())
        assert report.points == 0
        assert report.tasks[0].tests[0].failure
    assert parsed.count(text.strip()) == 1
