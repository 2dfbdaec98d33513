"""`rerun` counts, finds the test that fails now and then, and hears how near comparisons come to their tolerances."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from collections.abc import Callable

import pytest
import torch

from grader.__main__ import main
from grader.catalog import Exercise
from grader.checks import check_close, check_tensor
from grader.effort import Selection
from grader.errors import JudgeError, UsageError
from grader.grading import Settings, grade
from grader.margins import Comparison, Margins, listening
from grader.proof.evidence import rerun_and_report
from grader.proof.plants import cases
from grader.proof.records import layout, read_record, write_record
from grader.proof.rerun import Plan, kinds, rerun, right_answers, share_bound
from grader.proof.source import code_of
from grader.result import Failed, Verdict

FLAKY = '''

@pytest.mark.task(1)
def test_fails_now_and_then(submission, rng):
    """Fails for one seed in two."""
    luck = int(torch.randint(2, (1,), generator=rng))
    check_tensor(submission.double(torch.ones(1)), torch.tensor([2.0 + luck]), hint="Luck.")


@pytest.mark.training
@pytest.mark.task(2)
def test_trains(submission):
    """Trains, so to speak."""
    check_tensor(submission.double(torch.ones(1)), torch.tensor([2.000001]), atol=1e-5, rtol=0.0)
'''


@pytest.fixture
def flaky(toy: Exercise) -> Exercise:
    """The toy exercise with a test that fails now and then, one that trains, and an accepted plant."""
    suite = toy.hidden_suite
    assert suite is not None
    suite.write_text(suite.read_text() + FLAKY)
    plant = toy.hidden / "accepted" / "sum_of_two.py"
    plant.parent.mkdir()
    right = '    if x.dim() == 0:\n        raise ValueError(f"{x.item()}")\n    return x + x\n'
    plant.write_text(f'"""A sum."""\n\n\ndef double(x):\n{right}')
    return toy


def options(**chosen: str) -> argparse.Namespace:
    defaults = {"times": "1", "training": "0", "source": "solution", "device": "cpu", "sandbox": "auto"}
    return argparse.Namespace(**{**defaults, **chosen})


def test_a_test_that_fails_now_and_then_is_found_with_its_seeds(flaky: Exercise):
    campaign = rerun(flaky, Plan(right_answers(flaky, "all"), times=10, training=2, settings=Settings(device="cpu")))
    assert {name: (count.quick, count.training) for name, count in campaign.counts.items()} == {
        "solution": (10, 2),
        "accepted/sum_of_two": (10, 2),
    }
    assert campaign.runs_of == {
        "test_doubles": 20,
        "test_refuses_a_scalar": 20,
        "test_fails_now_and_then": 20,
        "test_trains": 4,
    }
    assert {miss.result.name for miss in campaign.misses} == {"test_fails_now_and_then"}
    failed = {miss.seed for miss in campaign.misses}
    assert 0 < len(failed) < 20
    again = grade(flaky, flaky.solution, Settings(device="cpu", seed=failed.pop()))
    assert again.verdict is Verdict.WRONG_ANSWER
    row = campaign.margins.rows["test_trains", "float32", "cpu"]
    assert (row.comparisons, row.tolerance) == (4, 1e-5)
    assert 0 < row.margin < 0.2


def test_the_counts_are_recorded_beside_those_of_other_exercises(flaky: Exercise, capsys: pytest.CaptureFixture[str]):
    write_record(flaky.root, "reruns.json", {"ex09_other": {"cpu": {"kept": True}}})
    code = rerun_and_report([flaky], options(times="0", training="2"))
    printed = capsys.readouterr().out
    assert code == 0
    assert "solution 0 + 2; 1 tests, 2 verdicts, 0 failures (at most 77.6% of runs fail" in printed
    record = json.loads((flaky.root / "docs/results/reruns.json").read_text())
    assert record["ex09_other"] == {"cpu": {"kept": True}}
    entry = record["ex01_double"]["cpu"]
    assert entry["runs"]["solution"] == {"quick": 0, "training": 2, "verdicts": 2, "failed_runs": 0}
    assert entry["failures"] == []
    assert entry["about"]["solution"] == code_of(next(cases(flaky)).files)
    margins = json.loads((flaky.root / "docs/results/tolerances.json").read_text())
    assert margins["ex01_double"]["cpu"]["tests"]["test_trains"]["float32"]["comparisons"] == 2


def test_a_failure_ends_with_1_and_is_recorded_and_printed(flaky: Exercise, capsys: pytest.CaptureFixture[str]):
    assert rerun_and_report([flaky], options(times="12")) == 1
    failures = json.loads((flaky.root / "docs/results/reruns.json").read_text())["ex01_double"]["cpu"]["failures"]
    assert failures[0]["test"] == "test_fails_now_and_then"
    assert f"seed {failures[0]['seed']}: expected 3 at [0]; got 2" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{"times": "many"}, {"training": "-1"}, {"source": "me"}, {"device": "tpu"}])
def test_a_wrong_setting_is_told(toy: Exercise, wrong: dict[str, str]):
    with pytest.raises(UsageError):
        rerun_and_report([toy], options(**wrong))


def test_the_command_takes_how_often_and_of_whom(toy: Exercise, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(toy.root)
    assert main(["rerun", "--times", "0", "--training", "0", "--from", "accepted", "--", "1"]) == 0
    assert "ex01_double: nothing was run" in capsys.readouterr().out
    assert not (toy.root / "docs").exists()
    assert main(["rerun", "--times", "often", "--", "1"]) == 2
    assert "TIMES='often' is not a whole number" in capsys.readouterr().err


def test_a_suite_is_known_by_its_kinds_of_tests(toy: Exercise, flaky: Exercise):
    assert kinds(flaky) == {Selection.QUICK, Selection.TRAINING}
    suite = flaky.hidden_suite
    assert suite is not None
    suite.write_text(suite.read_text().replace("@pytest.mark.training\n", ""))
    assert kinds(flaky) == {Selection.QUICK}


def test_the_right_answers_are_the_solution_and_the_accepted_plants(flaky: Exercise):
    names = {source: [case.name for case in right_answers(flaky, source)] for source in ("solution", "accepted", "all")}
    assert names["solution"] == ["solution"]
    assert names["accepted"] == ["accepted/sum_of_two"]
    assert names["all"] == ["solution", "accepted/sum_of_two"]


@pytest.mark.parametrize(("failed", "n", "bound"), [(0, 200, 0.01487), (0, 30, 0.0950), (1, 10, 0.3942), (10, 10, 1.0)])
def test_the_bound_on_a_share_is_that_of_clopper_and_pearson(failed: int, n: int, bound: float):
    assert share_bound(failed, n) == pytest.approx(bound, abs=1e-4)


# --- margins


def heard(action: Callable[[], None]) -> list[Comparison]:
    told: list[Comparison] = []
    with listening(told.append), contextlib.suppress(Failed):
        action()
    return told


def test_the_worst_entry_of_a_comparison_is_told():
    got, expected = torch.tensor([1.0, 2.5, 100.0]), torch.tensor([1.0, 2.0, 102.0])
    (told,) = heard(lambda: check_tensor(got, expected, rtol=0.1, atol=1.0))
    assert (told.dtype, told.device) == ("float32", "cpu")
    assert told.error == pytest.approx(0.5)
    assert told.tolerance == pytest.approx(1.2)
    assert told.margin == pytest.approx(0.5 / 1.2)


def test_infinite_values_that_agree_have_no_error():
    value = torch.tensor([math.inf, math.nan, -math.inf])
    (told,) = heard(lambda: check_tensor(value.clone(), value))
    assert told.margin == 0


def test_exact_comparisons_have_no_margin():
    ones = torch.ones(2)
    assert heard(lambda: check_tensor(ones, ones.clone(), rtol=0.0, atol=0.0)) == []
    assert heard(lambda: check_tensor(ones.long(), ones.long())) == []
    assert heard(lambda: check_close(1.0, 1.0, rel=0.0)) == []
    assert heard(lambda: check_tensor(torch.ones(0), torch.ones(0))) == []


def test_numbers_are_heard_too():
    (told,) = heard(lambda: check_close(1.01, 1.0, rel=0.1))
    assert told.margin == pytest.approx(0.01 / 0.101)


def test_nobody_hears_outside_of_the_block():
    told: list[Comparison] = []
    with listening(told.append):
        pass
    check_close(1.0, 1.0)
    assert told == []


def test_margins_keep_the_worst_of_a_test_and_nothing_of_one_that_failed():
    margins = Margins()
    for error, passed in ((0.1, True), (0.3, True), (0.2, True), (0.9, False)):
        margins.hear(Comparison("float32", "cpu", error, 1.0))
        margins.settle("test_it[2]", passed, f"plant {error}")
    row = margins.rows["test_it", "float32", "cpu"]
    assert (row.comparisons, row.margin, row.submission) == (3, 0.3, "plant 0.3")


# --- records


def test_a_record_has_a_line_for_each_row_and_reads_as_it_was_written(tmp_path):
    body = {"a": {"rows": [{"x": 1, "y": "é"}, {"x": 2, "y": None}], "empty": [], "n": 0.1}}
    write_record(tmp_path, "some.json", body)
    assert read_record(tmp_path, "some.json") == body
    assert '   {"x": 1, "y": "é"},\n' in layout(body)
    assert read_record(tmp_path, "none.json") == {}


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_a_damaged_record_is_told_and_not_overwritten(tmp_path, text):
    path = tmp_path / "docs/results/some.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(JudgeError, match=r"restore or delete it|a table is due"):
        read_record(tmp_path, "some.json")


def test_comments_docstrings_and_layout_do_not_make_another_code():
    one = {"a.py": '"""Says."""\n\n\ndef f(x):\n    """Says."""\n    return x  # so\n'}
    same = {"a.py": "def f(x):\n    return (x)\n"}
    other = {"a.py": "def f(x):\n    return -x\n"}
    assert code_of(one) == code_of(same) != code_of(other)
    assert code_of(one) != code_of({"b.py": one["a.py"]})
    assert code_of({"a.py": "def f(:"}) != code_of({"a.py": "def g(:"})
