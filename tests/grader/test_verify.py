"""`verify` notices what it is there to notice, on a course of one toy exercise."""

from __future__ import annotations

from grader.catalog import Exercise
from grader.grade import Settings
from grader.verify import verify


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
