"""A quick form of `make tamper`: every attack against one of three real exercises, each with one test of its suite."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.tampering.corpus import ATTACKS, FAMILIES, Part, adapter, drawn
from tests.tampering.table import HONEST, ROOT, run_one, summary

KEYS = ("1", "2", "3")
needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@needs_bubblewrap
@needs_linux
@pytest.mark.parametrize("key", KEYS)
def test_no_attack_on_a_real_exercise_gets_or_breaks_anything(key: str) -> None:
    names = [attack.name for attack in ATTACKS[KEYS.index(key) :: len(KEYS)]]  # each attack meets one exercise
    rows = run_one(key, names, Part.ONE_TEST)
    assert [row for row in rows if not row.ok] == []
    found = summary(rows)
    assert (found["forged_points"], found["leaks"], found["judge_errors"], found["left_behind"]) == (0, 0, 0, 0)
    assert {row.attack for row in rows} >= set(names)
    assert [row.family for row in rows if row.attack == HONEST] == FAMILIES


def test_an_adapter_gives_an_attack_the_names_of_the_stub() -> None:
    stub = "from torch import nn\ndef one(a, b): ...\nclass Two(nn.Module):\n    def forward(self, x): ...\n"
    space: dict[str, object] = {"double": lambda x: ("doubled", x.tolist())}
    exec(adapter(stub), space)
    import torch

    assert space["one"](1, [torch.ones(2)]) == ("doubled", [1.0, 1.0])  # type: ignore[operator]
    assert space["Two"](3)(torch.zeros(1)) == ("doubled", [0.0])  # type: ignore[operator]


def test_a_drawn_suite_has_its_tasks_in_a_row_and_is_the_same_each_time() -> None:
    suite = next((ROOT / "tests" / "hidden" / "ex03_training_loop").glob("test_*.py")).read_text("utf-8")
    each, numbers = drawn(suite, range(1, 6), "lot", Part.EACH_TASK)
    assert numbers == [1, 2, 3, 4, 5]
    assert (each.count("def test_"), each.count("CANARY-EXPECTED")) == (5, 5)
    one, (number,) = drawn(suite, range(1, 6), "lot", Part.ONE_TEST)
    assert one.count("def test_") == one.count("mark.task(1)") == 1
    assert number in numbers
    assert drawn(suite, range(1, 6), "lot", Part.EACH_TASK)[0] == each
    assert {drawn(suite, range(1, 6), str(lot), Part.ONE_TEST)[1][0] for lot in range(40)} == set(numbers)
