"""`verify` notices what it is there to notice, on a course of one toy exercise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.catalog import Exercise
from grader.effort import Effort
from grader.errors import JudgeError
from grader.grading import Settings, open_sandbox
from grader.proof.caught import read_caught, write_caught
from grader.proof.rules import Finding
from grader.proof.verify import Listener, grade_files, time_of_the_reference, verify
from grader.result import Report

SOLUTION = """def double(x) -> Tensor:
    if x.dim() == 0:
        raise ValueError(f"{x.item()}")
    return x + x
"""


def plant(toy: Exercise, name: str, body: str) -> None:
    path = toy.hidden / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'"""A plant."""\n\n\ndef double(x):\n{body}')


def test_verify_holds_for_a_sound_exercise_and_names_each_thing_that_falls_short(toy: Exercise):
    right = '    if x.dim() == 0:\n        raise ValueError(f"{x.item()}")\n    return x + x\n'
    plant(toy, "accepted/sum_of_two.py", right)
    plant(toy, "accepted/really_wrong.py", "    return x\n")
    plant(toy, "wrong_answer/three_times.py", "    return 3 * x\n")
    plant(toy, "wrong_answer/really_right.py", right + "    # a bug, they say\n")
    plant(toy, "wrong_answer/really_an_error.py", "    return 1 / 0\n")
    plant(toy, "run_time_error/either.py", "    # either\n    return 3 * x\n")
    either = toy.hidden / "run_time_error/either.py"
    either.write_text(either.read_text().replace("\n\n\n", "\n# verdicts: run_time_error, wrong_answer\n\n\n", 1))
    (toy.folder / "notes.txt").write_text("a stray file")
    (toy.folder / "double.py").write_text("a drifted stub")
    short = {finding.name for finding in verify(toy, Settings(seed=3)) if not finding.ok}
    assert short == {
        # of a toy course
        "the parts of the lesson",
        "the figure of the report",
        "the lesson states the points",
        "planted submissions",
        # of what was planted here
        "stub in step with solution",
        "files of the exercise",
        "accepted/really_wrong",
        "wrong_answer/really_right",
        "wrong_answer/really_an_error",
    }


def test_verify_notices_a_test_that_the_stub_passes(toy: Exercise):
    suite = toy.hidden_suite
    assert suite is not None
    blind = '\n\n@pytest.mark.task(2)\ndef test_blind(submission):\n    """Asks nothing."""\n'
    suite.write_text(suite.read_text() + blind)
    stub = next(finding for finding in verify(toy, Settings(seed=3)) if finding.name == "stub")
    assert not stub.ok
    assert "test_blind" in stub.note


def test_a_reference_is_slow_where_it_is_slow_each_time(toy: Exercise):
    """The limit is 10 s, so half of it is 5; a neighbour may have slowed two of three runs."""
    with open_sandbox(toy, Settings()) as sandbox:
        report = grade_files(toy, {"double.py": SOLUTION}, Settings(), sandbox)
    brisk = replace(toy, limits=replace(toy.limits, test_seconds=10.0))

    def taking(seconds: float) -> Report:
        first, *others = report.tasks[0].tests
        task = replace(report.tasks[0], tests=[replace(first, seconds=seconds), *others])
        return replace(report, tasks=[task, *report.tasks[1:]])

    for seconds, ok in [([4.0], True), ([9.0, 4.0], True), ([9.0, 8.0, 7.0, 4.0], False)]:
        runs = map(taking, seconds)
        finding = time_of_the_reference(brisk, next(runs), lambda runs=runs: next(runs))
        assert finding.ok is ok
        assert len(list(runs)) == (0 if ok else 1)  # no run that is not needed, and no fourth one
        assert finding.got.startswith(f"{min(seconds[:3]):.2f} s in test_")


def test_a_plant_that_a_quick_test_has_caught_does_not_train(toy: Exercise):
    suite = toy.hidden_suite
    assert suite is not None
    slow = (
        "\n\n@pytest.mark.training\n@pytest.mark.task(2)\ndef test_first_in_the_file(submission):\n"
        '    """Trains."""\n    check_tensor(submission.double(torch.ones(1)), torch.full((1,), 2.0))\n'
    )
    text = suite.read_text("utf-8")
    head, tail = text.split("@pytest.mark.task(1)", 1)
    suite.write_text(f"{head}{slow.strip()}\n\n\n@pytest.mark.task(1){tail}", "utf-8")
    with open_sandbox(toy, Settings()) as sandbox:

        def attempts(body: str, effort: Effort) -> dict[str, int]:
            files = {"double.py": f"def double(x):\n{body}"}
            report = grade_files(toy, files, Settings(effort=effort), sandbox)
            return {test.name: test.attempts for task in report.tasks for test in task.tests}

        wrong, right = "    return 3 * x\n", SOLUTION.split("-> Tensor:\n")[1]
        assert attempts(wrong, Effort.SPARING)["test_first_in_the_file"] == 0
        assert attempts(wrong, Effort.WHOLE)["test_first_in_the_file"] == 1
        assert attempts(right, Effort.SPARING)["test_first_in_the_file"] == 1
        first = attempts(wrong, Effort.FIRST_FAILURE)
        assert sorted(first.values()) == [0, 0, 1]
        assert first["test_doubles"] == 1


def test_a_plant_is_looked_at_until_a_test_has_caught_it(toy: Exercise):
    plant(toy, "wrong_answer/three_times.py", "    return 3 * x\n")
    plant(toy, "wrong_answer/in_truth_an_error.py", "    return 1 / 0\n")

    def looked_at(whole: bool) -> tuple[dict[str, Finding], dict[str, str]]:
        caught: dict[str, str] = {}
        found = verify(toy, Settings(seed=3), whole, Listener(caught=caught.__setitem__))
        return {finding.name: finding for finding in found}, caught

    every, caught = looked_at(whole=True)
    assert caught["wrong_answer/three_times"] == "test_doubles"
    assert every["wrong_answer/three_times"].note == "test_doubles and 1 more"
    assert not every["wrong_answer/in_truth_an_error"].ok
    assert "foretold by the public tests" in every
    brief, _ = looked_at(whole=False)
    assert brief["wrong_answer/three_times"].note == "test_doubles"
    assert not brief["wrong_answer/in_truth_an_error"].ok
    write_caught(toy, {**caught, "wrong_answer/three_times": "test_refuses_a_scalar"})
    noted, _ = looked_at(whole=False)
    assert noted["wrong_answer/three_times"].note == "test_refuses_a_scalar"


@pytest.mark.parametrize("text", ["[]", "{", "\xff"])
def test_a_damaged_note_of_what_was_caught_is_told(toy: Exercise, text: str):
    (toy.hidden / "caught.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(JudgeError, match=r"caught\.json.*WHOLE=1"):
        read_caught(toy)
