"""Thresholds follow from recorded runs, honestly for their number, and none in the course was picked by hand."""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.catalog import Catalog, Exercise, read_exercise
from grader.errors import JudgeError, UsageError
from grader.grading import Settings, grade
from grader.proof.calibrate import calibrate, chosen, least
from grader.proof.ledger import Ledger, Training, codes, derived, ledgers, read_ledger
from grader.proof.published import PAGE, page
from grader.proof.rates import calibrate_and_report, conclusions, drifted
from grader.proof.student_t import t_below, t_point
from grader.proof.thresholds import AIM, Fit, derive
from grader.result import Measured

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = Catalog(ROOT).exercises

TRAINS = '''

@pytest.mark.training
@pytest.mark.task(2)
def test_learns(submission, rng, measure, exercise, device):
    """Learns to double four tenths."""
    from grader.checks import check

    noise = 0.01 * float(torch.randn(1, generator=rng))
    share = min(max(float(submission.double(torch.tensor([0.4]))) + noise, 0.0), 1.0)
    measure(f"toy_{device}", share, of=1000, budget="BUDGET")
    needed = exercise.thresholds[f"toy_{device}"]
    check(share >= needed, expected=f"at least {needed}", got=f"{share:.3f}")
'''
PLANTS = {
    "accepted/sum_of_two": "    return x + x\n",
    "wrong_answer/half_more": "    return 1.5 * x\n",
    "wrong_answer/not_at_all": "    return x\n",
    "wrong_answer/nearly_all": "    return 1.999 * x\n",
    "wrong_answer/breaks": "    raise OSError(x)\n",
}
CPU = Settings(device="cpu")


@pytest.fixture
def learning(toy: Exercise) -> Exercise:
    """The toy exercise with a test that trains, so to speak, a placeholder of a threshold, and plants."""
    suite = toy.hidden_suite
    assert suite is not None
    suite.write_text(suite.read_text() + TRAINS)
    for name, body in PLANTS.items():
        path = toy.hidden / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'"""A plant."""\n\n\ndef double(x):\n{body}')
    return with_threshold(toy, 0.5)


def with_threshold(toy: Exercise, value: float) -> Exercise:
    path = toy.folder / "exercise.toml"
    text = path.read_text().partition("[thresholds]")[0]
    path.write_text(f"{text}[thresholds]\ntoy_cpu = {value}\n")
    return read_exercise(toy.root, toy.folder)


def silent(_: str) -> None:
    """What is told on the way."""


def gaussian(name: str, mean: float, sd: float, n: int = 30, of: int = 2000) -> Fit:
    rng = random.Random(f"{name} {mean}")
    return Fit(name, tuple(rng.gauss(mean, sd) for _ in range(n)), of)


# --- Student's t


@pytest.mark.parametrize(
    ("probability", "freedom", "point"),  # of the published tables
    [
        (0.05, 1, 6.314),
        (0.025, 10, 2.228),
        (0.01, 2, 6.965),
        (0.001, 5, 5.893),
        (0.0005, 29, 3.659),
        (0.0005, 120, 3.373),
    ],
)
def test_the_points_of_the_t_distribution_are_those_of_the_tables(probability: float, freedom: int, point: float):
    assert t_point(probability, freedom) == pytest.approx(-point, abs=6e-4)
    assert t_below(-point, freedom) == pytest.approx(probability, rel=2e-3)
    assert t_below(point, freedom) == pytest.approx(1 - probability, rel=1e-5)


def test_far_out_the_tail_is_still_a_number():
    # One degree of freedom is the Cauchy distribution, whose tail is 1 / (pi t).
    assert t_below(-1e8, 1) == pytest.approx(1 / (3.141592653589793 * 1e8), rel=1e-6)
    assert t_below(0.0, 7) == 0.5
    with pytest.raises(ValueError, match="probability"):
        t_point(0.7, 3)


# --- fits and thresholds


def test_the_rates_are_honest_for_few_runs():
    """Five runs, a threshold from them at 5 %, and a sixth run: over many such cases it fails in one of twenty."""
    rng, failed, trials = random.Random(0), 0, 4000
    for _ in range(trials):
        *seen, coming = (rng.gauss(0.6, 0.01) for _ in range(6))
        failed += coming < Fit("solution", tuple(seen), 10**6).fails_from(0.05)
    assert failed / trials == pytest.approx(0.05, abs=0.012)


def test_a_rate_and_its_threshold_are_inverse_to_each_other():
    fit = gaussian("solution", 0.97, 0.004)
    assert fit.below(fit.fails_from(1e-4)) == pytest.approx(1e-4, rel=1e-6)
    assert fit.reaches(fit.passes_until(1e-4)) == pytest.approx(1e-4, rel=1e-6)


def test_near_the_end_of_the_scale_the_threshold_stays_on_it():
    fit = Fit("solution", (0.9995, 1.0, 1.0, 0.999, 0.9995, 1.0) * 5, 2000)
    assert 0.98 < fit.fails_from(AIM) < 0.999
    assert fit.passes_until(AIM) <= 1.0
    same = Fit("solution", (1.0,) * 30, 2000)
    assert 0.5 < same.fails_from(AIM) < 1.0


def test_the_threshold_lies_where_both_rates_are_equal_rounded_down():
    found = derive([gaussian("solution", 0.74, 0.005)], [gaussian("near", 0.66, 0.005), gaussian("far", 0.1, 0.005)])
    assert found.nearest is not None
    assert found.nearest.submission == "near"
    assert 0.69 < found.threshold < 0.71
    assert found.threshold * 1000 == pytest.approx(round(found.threshold * 1000), abs=1e-9)
    assert found.false_fail < AIM
    assert found.false_pass is not None
    assert found.false_pass < AIM
    assert found.supported


def test_the_right_answer_in_the_greatest_danger_counts():
    alone = derive([gaussian("solution", 0.74, 0.005)], [gaussian("near", 0.60, 0.005)])
    both = derive([gaussian("solution", 0.74, 0.005), gaussian("other", 0.70, 0.01)], [gaussian("near", 0.60, 0.005)])
    assert both.threshold < alone.threshold


def test_a_plant_that_learns_as_well_is_not_told_apart_and_moves_nothing():
    right, near, alike = (
        gaussian("solution", 0.74, 0.005),
        gaussian("near", 0.6, 0.005),
        gaussian("alike", 0.739, 0.005),
    )
    found = derive([right], [alike, near])
    assert [fit.submission for fit in found.alike] == ["alike"]
    assert found.threshold == derive([right], [near]).threshold


def test_with_no_plant_told_apart_the_threshold_rests_on_the_right_answers_and_says_so():
    right = gaussian("solution", 0.74, 0.005)
    found = derive([right], [gaussian("alike", 0.739, 0.005)])
    assert found.nearest is None
    assert not found.supported
    assert found.threshold == int(right.fails_from(AIM) * 1000) / 1000


def test_few_runs_conclude_nothing():
    with pytest.raises(ValueError, match="at least 5 runs"):
        derive([gaussian("solution", 0.74, 0.005, n=4)], [])
    found = derive([gaussian("solution", 0.74, 0.005)], [gaussian("rare", 0.2, 0.005, n=3)])
    assert [fit.submission for fit in found.thin] == ["rare"]


def test_a_rule_of_the_course_is_kept_and_its_rates_are_told():
    found = derive([gaussian("solution", 0.98, 0.001)], [gaussian("wrong", 0.5, 0.01)], 0.85)
    assert found.threshold == 0.85
    assert found.false_fail < 1e-12


def test_logits_that_are_not_normal_are_noticed():
    assert gaussian("solution", 0.74, 0.005).from_normal < 1.035
    bent = Fit("solution", tuple([0.74 + 0.0001 * i for i in range(27)] + [0.3, 0.35, 0.4]), 2000)
    assert bent.from_normal > 1.035


# --- figures


def test_a_figure_reaches_the_instructors_report_and_no_student(learning: Exercise):
    report = grade(learning, learning.solution, replace(CPU, seed=5))
    (figure,) = report.measured
    assert (figure.name, figure.of, figure.budget, figure.test) == ("toy_cpu", 1000, "BUDGET", "test_learns")
    assert 0.7 < figure.value < 0.9
    assert type(report).from_json(report.to_json()).measured == [figure]
    assert report.for_student().measured == []


def test_a_figure_that_is_no_share_is_a_fault_of_ours(learning: Exercise):
    suite = learning.hidden_suite
    assert suite is not None
    suite.write_text(suite.read_text().replace("share, of", "100 * share, of"))
    assert grade(learning, learning.solution, CPU).exit_code == 3


def test_of_several_tests_with_one_threshold_the_least_counts_and_of_two_tries_the_second():
    first = Measured("a", 0.9, test="one")
    found = least(
        [Measured("a", 0.1, test="one"), first, Measured("a", 0.8, test="two"), Measured("b", 0.3, test="one")]
    )
    assert {name: figure.value for name, figure in found.items()} == {"a": 0.8, "b": 0.3}


# --- calibration


def test_a_calibration_records_every_run_and_goes_on_where_it_was(learning: Exercise):
    plants = chosen(learning, "half_more, accepted/sum_of_two")
    calibrate(learning, CPU, plants, 2, silent)
    (ledger,) = ledgers(learning)
    assert ledger.name == "thresholds_ex01_double_toy_cpu.json"
    assert sorted(run.submission for run in ledger.runs) == sorted([case.name for case in plants] * 2)
    assert len({run.seed for run in ledger.runs}) == 6
    assert ledger.settings[0]["budget"] == "BUDGET"
    assert ledger.settings[0]["torch"]
    calibrate(learning, CPU, chosen(learning, "half_more"), 4, silent)
    (after,) = ledgers(learning)
    assert after.runs[:6] == ledger.runs
    known = codes(learning)
    counts = {name: len(after.of_code(name, known[name])) for name in ("solution", "wrong_answer/half_more")}
    assert counts == {"solution": 4, "wrong_answer/half_more": 4}


def test_a_plant_that_gives_no_figure_is_not_tried_for_ever(learning: Exercise):
    calibrate(learning, CPU, chosen(learning, "breaks"), 6, silent)
    (ledger,) = ledgers(learning)
    broken = [run for run in ledger.runs if run.submission == "wrong_answer/breaks"]
    assert [run.value for run in broken] == [None, None]
    assert {run.verdict for run in broken} == {"run_time_error"}


def test_runs_of_changed_code_or_of_another_budget_do_not_count(learning: Exercise):
    calibrate(learning, CPU, chosen(learning, "half_more"), 2, silent)
    (ledger,) = ledgers(learning)
    plant = learning.hidden / "wrong_answer/half_more.py"
    plant.write_text(plant.read_text().replace("A plant.", "Another word."))
    name = "wrong_answer/half_more"
    assert len(ledger.of_code(name, codes(learning)[name])) == 2
    plant.write_text(plant.read_text().replace("1.5", "1.6"))
    assert len(ledger.of_code(name, codes(learning)[name])) == 0
    suite = learning.hidden_suite
    assert suite is not None
    suite.write_text(suite.read_text().replace("BUDGET", "TWICE"))
    calibrate(learning, CPU, chosen(learning, "half_more")[:1], 1, silent)
    (ledger,) = ledgers(learning)
    assert ledger.budget == "TWICE"
    assert len(ledger.of_code("solution", codes(learning)["solution"])) == 1
    assert len(ledger.runs) == 5


def recorded(exercise: Exercise) -> Exercise:
    """A ledger of 30 runs each, with the means that the toy's plants have."""
    means = {"solution": 0.8, "accepted/sum_of_two": 0.8, "wrong_answer/half_more": 0.6, "wrong_answer/nearly_all": 0.8}
    ledger = Ledger(exercise.slug, "toy_cpu", "cpu", [{"budget": "BUDGET"}])
    for name, mean in means.items():
        for seed, value in enumerate(gaussian(name, mean, 0.01).values):
            run = Training(name, codes(exercise)[name], seed, value, 1000, 0.1, "accepted", "2026-01-01", 0)
            ledger.runs.append(run)
    ledger.save(exercise.root)
    return exercise


def test_the_report_names_the_threshold_the_rates_and_what_the_data_do_not_support(
    learning: Exercise, capsys: pytest.CaptureFixture[str]
):
    exercise = recorded(learning)
    code = calibrate_and_report(exercise, argparse.Namespace(report=True))
    printed = capsys.readouterr().out
    (line,) = drifted(exercise)
    assert code == 1
    assert 0.67 < float(line.removeprefix("toy_cpu = ")) < 0.72
    for text in (
        f"derived: {line}",
        "exercise.toml says 0.5: write the line above into it",
        "false-fail:",
        "within the aim of 0.0001",
        "nearest plant, wrong_answer/half_more",
        "not told apart by accuracy, so other tests are to catch them: wrong_answer/nearly_all",
        "failed 0 of 30 runs: by itself that bounds the rate at 9.5%",
    ):
        assert text in printed
    held = with_threshold(exercise, float(line.removeprefix("toy_cpu = ")))
    assert calibrate_and_report(held, argparse.Namespace(report=True)) == 0


def test_a_required_threshold_is_left_alone(learning: Exercise):
    exercise = replace(recorded(learning), required=["toy_cpu"])
    (ledger,) = ledgers(exercise)
    found = derived(exercise, ledger)
    assert found is not None
    assert found.threshold == 0.5
    assert drifted(exercise) == []
    assert "a rule of the course" in conclusions(exercise, ledger, found)[0]


def test_required_names_are_thresholds(toy: Exercise):
    path = toy.folder / "exercise.toml"
    path.write_text(f'required = ["acuracy"]\n{path.read_text()}')
    with pytest.raises(JudgeError, match="'required' names 'acuracy'"):
        read_exercise(toy.root, toy.folder)


def test_the_published_page_is_drawn_anew(learning: Exercise):
    text = "Words.\n<!-- thresholds: drawn from docs/results -->\n<!-- end of thresholds -->\nMore.\n"
    (learning.root / PAGE).parent.mkdir(parents=True, exist_ok=True)
    (learning.root / PAGE).write_text(text)
    calibrate_and_report(recorded(learning), argparse.Namespace(report=True))
    drawn = (learning.root / PAGE).read_text()
    assert drawn.startswith("Words.\n")
    assert drawn.endswith("\nMore.\n")
    assert "| 1 | 50.0% | toy_cpu (cpu) | measurement | 30, " in drawn


@pytest.mark.parametrize(("plants", "report"), [("no_such_plant", False), ("", True)])
def test_what_can_not_be_calibrated_is_wrong_usage(learning: Exercise, plants: str, report: bool):
    options = {"report": report, "plants": plants, "runs": "1", "device": "cpu", "sandbox": "auto", "data_dir": None}
    with pytest.raises(UsageError):
        calibrate_and_report(learning, argparse.Namespace(**options))


def test_an_exercise_that_trains_nothing_has_nothing_to_calibrate(toy: Exercise):
    with pytest.raises(UsageError, match="no tests marked 'training'"):
        calibrate(toy, CPU, chosen(toy, ""), 1, silent)


def test_the_command_says_what_is_recorded_and_where_nothing_is(toy: Exercise, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(toy.root)
    assert main(["calibrate", "--report", "--", "1"]) == 2
    assert "nothing is recorded of exercise 1: run `make calibrate EX=1`" in capsys.readouterr().err
    assert main(["calibrate", "--runs", "few", "--", "1"]) == 2
    assert "RUNS='few' is not a whole number" in capsys.readouterr().err
    assert main(["calibrate", "--data-dir", "nowhere", "--", "1"]) == 2
    assert "DATA='nowhere' is not a folder" in capsys.readouterr().err


def test_a_damaged_ledger_is_told(toy: Exercise):
    path = toy.root / "docs/results/thresholds_ex01_double_toy_cpu.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"runs": [{"seed": 1}]}))
    with pytest.raises(JudgeError, match="restore or delete it"):
        read_ledger(toy.root, path.name)


# --- this course


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.slug)
def test_the_thresholds_are_those_that_the_records_give(exercise: Exercise):
    wrong = drifted(exercise)
    assert not wrong, f"{exercise.slug}/exercise.toml is to hold: {', '.join(wrong)} (make calibrate EX={exercise.key})"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.slug)
def test_recorded_runs_are_of_the_code_as_it_is(exercise: Exercise):
    for ledger in ledgers(exercise):
        text = f"{ledger.name}: too few runs of the solution as it is now: run `make calibrate EX={exercise.key}`"
        assert derived(exercise, ledger) is not None, text


def test_the_published_tables_are_in_step_with_the_records():
    text = (ROOT / PAGE).read_text("utf-8")
    assert page(ROOT, text) == text, "run `dojo calibrate EX --report`, which draws docs/thresholds.md anew"
