"""A short run of the fuzzer, in every run of the tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("fuzz_wire", Path(__file__).with_name("fuzz_wire.py"))
assert spec is not None
assert spec.loader is not None
fuzz_wire = importlib.util.module_from_spec(spec)
sys.modules["fuzz_wire"] = fuzz_wire
spec.loader.exec_module(fuzz_wire)


def test_twenty_thousand_hostile_frames_end_as_foreseen() -> None:
    tally = fuzz_wire.fuzz(seed=20, frames=20_000)
    assert list(fuzz_wire.shortcomings([tally])) == []
    assert set(tally.outcomes) >= {"a value", "a failed test", "refused", "waits for more"}  # it reaches everything


def test_the_same_seed_gives_the_same_frames() -> None:
    one, other = fuzz_wire.Mutator(3), fuzz_wire.Mutator(3)
    assert [one.stream() for _ in range(200)] == [other.stream() for _ in range(200)]


def test_what_the_fuzzer_looks_for_it_finds() -> None:
    tally = fuzz_wire.Tally(1, 1.0, fuzz_wire.MAX_SECONDS + 1, fuzz_wire.MAX_GROWTH + 1, {}, ["a_module"])
    assert len(list(fuzz_wire.shortcomings([tally]))) == 3
