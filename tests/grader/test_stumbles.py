"""A suite that stumbles over what came: its test on the reference tells a bug of ours from a hostile reply."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.catalog import Exercise
from grader.result import Report, TestResult, Verdict
from grader.sandbox import Mode, Sandbox
from tests.tampering.corpus import ATTACKS, hand_in, leaks

SUITE = '''
import pytest
import torch

from grader.checks import check_close


def both(sub, x):
    return {"sum": float(sub.double(x).sum()), "parts": [float(part) for part in sub.double(x)]}


def judged(got, x):
    check_close(got["parts"][0], 2 * float(x[0]))
    check_close(got["sum"], 2 * float(x.sum()))


@pytest.mark.task(1)
def test_reads_without_a_look(submission, rng):
    """The suite trusts the form of what its driver returns."""
    x = torch.rand(3, generator=rng)
    judged(submission.run(both, x, call="double(x)"), x)
'''
BUGS = {
    "a key that no reply has": "got['mean']",
    "a bug in itself": "{}['nothing']",
    "a bug when the answer is wrong": "torch.rand(3) + torch.rand(4) if got['sum'] < 0 else None",
    "a plain assert": "assert x is None",
    "a check of ours that breaks": "check_close(got['sum'], None)",
}
HONEST = "def double(x):\n    return 2 * x\n"
WRONG = "def double(x):\n    return -x\n"
LACKS_KEYS = """
import os

from grader.wire import encode


def double(x):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, encode({"ok": VALUE}))
        except OSError:
            pass
    os._exit(0)
"""
needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture(scope="module")
def caged() -> Iterator[Sandbox]:
    with Sandbox(["torch"], Mode.REQUIRE) as sandbox:
        yield sandbox


def graded(toy: Exercise, sandbox: Sandbox, source: str, folder: Path, bug: str = "pass") -> tuple[Report, TestResult]:
    assert toy.hidden_suite is not None
    toy.hidden_suite.write_text(SUITE.replace("def judged(got, x):\n", f"def judged(got, x):\n    {bug}\n"))
    (toy.solution / toy.files[0]).write_text(HONEST + "# CANARY-SOLUTION\n")
    report = hand_in(toy, source, folder / "handed in", sandbox)
    return report, report.tasks[0].tests[0]


@needs_bubblewrap
@pytest.mark.parametrize("value", ["{}", "[]", "None", "{'sum': 1.0}", "{'parts': []}", "{'parts': 1}", "1.0"])
def test_a_reply_of_another_form_is_a_wrong_answer(value: str, toy: Exercise, caged: Sandbox, tmp_path: Path) -> None:
    report, test = graded(toy, caged, LACKS_KEYS.replace("VALUE", value), tmp_path)
    assert test.verdict is Verdict.WRONG_ANSWER
    assert test.failure is not None
    assert test.failure.call == "double(x)"
    assert "the reference passes on the same inputs" in test.failure.private
    assert list(leaks(report)) == []
    assert report.for_student().tasks[0].tests[0].failure.private == ""  # type: ignore[union-attr]


@needs_bubblewrap
@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ('raise NotImplementedError("task 1: twice the input")', Verdict.NOT_ATTEMPTED),
        ("raise NotImplementedError", Verdict.NOT_ATTEMPTED),
        ("return torch.nn.Module()(x)", Verdict.RUN_TIME_ERROR),  # torch raises this type for what it lacks, too
        ("return torch.zeros(1, 1, 2, 2, dtype=torch.uint8).cholesky()", Verdict.RUN_TIME_ERROR),
    ],
)
def test_only_a_line_that_is_yet_to_be_written_is_not_attempted(
    body: str, verdict: Verdict, toy: Exercise, caged: Sandbox, tmp_path: Path
) -> None:
    _, test = graded(toy, caged, f"import torch\n\n\ndef double(x):\n    {body}\n", tmp_path)
    assert test.verdict is verdict


@needs_bubblewrap
def test_a_forged_fault_of_ours_is_seen_through(toy: Exercise, caged: Sandbox, tmp_path: Path) -> None:
    source = next(attack.source for attack in ATTACKS if attack.name == "forged_fault_of_ours")
    assert graded(toy, caged, source, tmp_path)[1].verdict is Verdict.WRONG_ANSWER


@needs_bubblewrap
@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("source", [HONEST, WRONG], ids=["right", "wrong"])
def test_a_bug_of_the_suite_stays_a_judge_error(
    source: str, bug: str, toy: Exercise, caged: Sandbox, tmp_path: Path
) -> None:
    _, test = graded(toy, caged, source, tmp_path, BUGS[bug])
    if bug == "a bug when the answer is wrong":
        # The reference does not reach it. It costs no right answer its points, and the instructor reads of it.
        due = Verdict.ACCEPTED if source is HONEST else Verdict.WRONG_ANSWER
        assert test.verdict is due
    else:
        assert test.verdict is Verdict.JUDGE_ERROR


@needs_bubblewrap
def test_without_a_reference_it_stays_a_judge_error(toy: Exercise, caged: Sandbox, tmp_path: Path) -> None:
    graded(toy, caged, HONEST, tmp_path)
    (toy.solution / toy.files[0]).unlink()
    assert hand_in(toy, LACKS_KEYS.replace("VALUE", "{}"), tmp_path / "forged", caged).verdict is Verdict.JUDGE_ERROR


def test_without_bubblewrap_the_reference_stays_out_of_reach(toy: Exercise, tmp_path: Path) -> None:
    with Sandbox(["torch"], Mode.OFF) as sandbox:
        _, test = graded(toy, sandbox, LACKS_KEYS.replace("VALUE", "{}"), tmp_path)
    assert test.verdict is Verdict.JUDGE_ERROR


@needs_bubblewrap
def test_the_next_test_holds_the_submission_again(toy: Exercise, caged: Sandbox, tmp_path: Path) -> None:
    assert toy.hidden_suite is not None
    graded(toy, caged, HONEST, tmp_path)
    again = SUITE[SUITE.index("@pytest") :].replace("test_reads", "test_reads_again").replace("task(1)", "task(2)")
    toy.hidden_suite.write_text(SUITE + again)
    report = hand_in(toy, LACKS_KEYS.replace("VALUE", "{}"), tmp_path / "forged", caged)
    assert [task.verdict for task in report.tasks] == [Verdict.WRONG_ANSWER] * 2
