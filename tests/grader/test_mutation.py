"""Mutation of a toy exercise: what is killed, what survives, and what a list of survivors must say."""

from __future__ import annotations

import pytest

from grader.catalog import Exercise
from grader.errors import JudgeError
from grader.grading import Settings
from grader.proof.mutation import mutation, read_reasons
from grader.proof.rules import Finding
from grader.proof.verify import Listener


def findings(toy: Exercise) -> dict[str, Finding]:
    return {finding.name: finding for finding in mutation(toy, Settings())}


def soften(toy: Exercise, old: str, new: str) -> None:
    suite = toy.hidden_suite
    assert suite is not None
    text = suite.read_text("utf-8")
    assert old in text
    suite.write_text(text.replace(old, new), "utf-8")


def test_a_sound_suite_kills_every_mutant(toy: Exercise):
    steps: list[tuple[int, int]] = []
    found = list(mutation(toy, Settings(), listener=Listener(told=lambda *step: steps.append(step))))
    assert [finding for finding in found if not finding.ok] == []
    assert found[-1].name == "mutants"
    assert "(100.0%)" in found[-1].got
    assert len(steps) == steps[0][1] >= 8


def test_a_survivor_falls_short_until_a_reason_is_given(toy: Exercise):
    # A suite that asks for no error: what is raised, and when, is nobody's business.
    suite = toy.hidden_suite
    assert suite is not None
    blind = suite.read_text("utf-8").split("@pytest.mark.task(2)")[0]
    suite.write_text(
        blind + "@pytest.mark.task(2)\ndef test_again(submission):\n    submission.double(torch.ones(1))\n"
    )
    before = findings(toy)
    name = "mutant double: raise ValueError(f'a scalar {x.item()}') → (dropped)"
    assert [each for each, finding in before.items() if not finding.ok] == [name, "mutants"]
    assert "(87.5%), 0 survivors justified" in before["mutants"].got  # 7 of 8: too few as well
    (toy.hidden / "survivors.toml").write_text(
        f'[[survivor]]\nmutant = "{name.removeprefix("mutant ")}"\nreason = "nobody asks for an error"\n'
    )
    after = findings(toy)
    assert [each for each, finding in after.items() if not finding.ok] == ["mutants"]
    assert "1 survivors justified" in after["mutants"].got
    steps: list[tuple[int, int]] = []
    brief = list(mutation(toy, Settings(), whole=False, listener=Listener(told=lambda *step: steps.append(step))))
    assert "7 of 8 killed (87.5%), 1 survivors justified" in brief[-1].got


def test_a_reason_for_a_mutant_that_is_not_made_falls_short(toy: Exercise):
    (toy.hidden / "survivors.toml").write_text(
        "[[survivor]]\nmutant = 'double: return 2 * x → return 5 * x'\nreason = 'x'\n"
    )
    stale = next(finding for name, finding in findings(toy).items() if name.startswith("survivors.toml"))
    assert not stale.ok
    assert "return 3 * x" in stale.note


def test_a_mutant_that_never_ends_is_killed_by_the_time_limit(toy: Exercise):
    path = toy.solution / "double.py"
    loop = "    n = 2\n    while n > 0:\n        n -= 1\n    return 2 * x\n"
    path.write_text(path.read_text("utf-8").replace("    return 2 * x\n", loop), "utf-8")
    found = findings(toy)
    assert "mutant double: n -= 1 → n += 1" not in found
    assert "mutant double: n -= 1 → (dropped)" not in found


def test_a_reference_that_fails_is_not_mutated(toy: Exercise):
    soften(toy, "x + x", "x + x + 1")
    with pytest.raises(JudgeError, match="fails its own suite"):
        findings(toy)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[survivor]]\nmutant = 'x'\n", "lacks 'reason'"),
        ("[[survivor]]\nmutant = 'x'\nreason = ' '\n", "'x' has no reason"),
        ("[[survivors]]\nmutant = 'x'\nreason = 'y'\n", "unknown key 'survivors'"),
        ("not toml", "survivors.toml"),
    ],
)
def test_a_list_of_survivors_that_can_not_be_read(toy: Exercise, text: str, told: str):
    (toy.hidden / "survivors.toml").write_text(text)
    with pytest.raises(JudgeError, match=told):
        read_reasons(toy)
