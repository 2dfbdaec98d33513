"""Sample tests of exercise 16. Run them with `make grade EX=16` or, in your own process, with `pytest`."""

import pytest

from grader.checks import check, check_equal


@pytest.mark.task(1)
def test_four_combinations(submission):
    """Two values for each of two keys: the last key changes fastest."""
    expected = [{"lr": 1, "width": 8}, {"lr": 1, "width": 16}, {"lr": 2, "width": 8}, {"lr": 2, "width": 16}]
    got = submission.grid({"lr": [1, 2], "width": [8, 16]})
    check_equal(got, expected, hint="Which key is the outer loop, and which one the inner?")


@pytest.mark.task(2)
def test_a_search_that_can_be_extended(submission):
    """Nine trials begin with the four of a shorter search, and each value is in its range."""
    space = {"lr": ("log", 0.001, 0.1), "depth": ("int", 2, 4), "dropout": (0.0, 0.5), "act": ["relu", "tanh"]}
    longer, shorter = submission.random_search(space, 9, 7), submission.random_search(space, 4, 7)
    hint = "In which order are your numbers drawn: trial after trial, or key after key?"
    check_equal(shorter, longer[:4], what="four trials with the same seed", hint=hint)
    for config in longer:
        inside = 0.001 <= config["lr"] <= 0.1 and config["depth"] in (2, 3, 4) and 0 <= config["dropout"] <= 0.5
        expected = "lr from 0.001 to 0.1, depth 2, 3 or 4, dropout up to 0.5, act one of two"
        check(
            inside and config["act"] in ("relu", "tanh"), expected=expected, got=str(config), hint="Which range is it?"
        )


# A driver: it gets the student's module first, and runs where that module is.
def search_twice(sub, first, second, curves, settings):
    """The trials that each of two searches ran, and what the second one returned. The file is the same."""
    import tempfile
    from pathlib import Path

    begun = []

    def objective(config, report):
        begun[-1].append(config["trial"])
        for value in curves[config["trial"]]:
            report(value)
        return {"accuracy": curves[config["trial"]][-1]}

    with tempfile.TemporaryDirectory() as folder:
        for numbers in (first, second):
            begun.append([])
            configs = [{"trial": number} for number in numbers]
            rows = sub.run_trials(configs, objective, Path(folder) / "search.jsonl", **settings)
        lines = (Path(folder) / "search.jsonl").read_text().splitlines()
    return {"begun": begun, "rows": rows, "lines": len(lines)}


CURVES = [[0.25, 0.5], [0.25, 0.625], [0.25, 0.75], [0.0, 0.125]]


@pytest.mark.task(3)
def test_a_row_and_a_line_for_each_trial(submission):
    """Two trials: what is in their rows, and as many lines in the file."""
    got = submission.run(search_twice, [0], [0, 1], CURVES, {}, call="run_trials(configs, objective, path)")
    hint = "The README has a table of what is in a row."
    due = {"config": {"trial": 1}, "status": "finished", "values": [0.25, 0.625], "accuracy": 0.625}
    row = {key: got["rows"][-1].get(key) for key in due}
    check_equal(row, due, what="the row of trial 1", hint=hint)
    check_equal(got["lines"], 2, what="lines in the file", hint="One line for each trial. When is it written?")


@pytest.mark.task(4)
def test_only_new_trials_are_run(submission):
    """After trials 0 and 2, a search for 2, 1 and 0 runs trial 1, and has three rows."""
    call = "run_trials of trials 0 and 2; then of 2, 1 and 0, with the same file"
    got = submission.run(search_twice, [0, 2], [2, 1, 0], CURVES, {}, call=call)
    hint = "What does the file say before the first trial? By what do you know a trial again?"
    check_equal(got["begun"], [[0, 2], [1]], what="the trials that were run", hint=hint)
    check_equal([row["config"]["trial"] for row in got["rows"]], [2, 1, 0], what="the rows that came back", hint=hint)


@pytest.mark.task(5)
def test_a_hopeless_trial_is_stopped(submission):
    """After step 2 the others had 0.5, 0.625 and 0.75. A trial whose best is 0.125 is stopped."""
    settings = {"warmup": 1, "startup": 3}
    call = "run_trials(configs, objective, path, warmup=1, startup=3)"
    got = submission.run(search_twice, [0, 1, 2], [0, 1, 2, 3], CURVES, settings, call=call)
    hint = "Which median is it compared with, and is its best worse than that?"
    statuses = ["finished", "finished", "finished", "stopped"]
    check_equal([row["status"] for row in got["rows"]], statuses, what="the statuses", hint=hint)


@pytest.mark.task(6)
def test_three_rows_of_which_one_is_dominated(submission):
    """A large model that is slower and no better than the small one is left out; the best one stays."""
    small = {"parameters": 100, "seconds": 1.0, "accuracy": 0.5}
    large = {"parameters": 900, "seconds": 3.0, "accuracy": 0.5}
    best = {"parameters": 900, "seconds": 4.0, "accuracy": 0.75}
    hint = "Which row has another one beside it that is as good or better in all three?"
    check_equal(submission.pareto_front([large, best, small]), [best, small], hint=hint)


def draw(sub, rows):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        sub.plot_trade_offs(rows, Path(folder) / "chart")
        return {path.name: path.read_bytes()[:4].hex(" ") for path in Path(folder).iterdir()}


@pytest.mark.task(7)
def test_a_png_at_the_path(submission):
    """The file is where it was asked for, under exactly that name, and it is a PNG."""
    rows = [
        {"parameters": 100, "seconds": 1.0, "accuracy": 0.5},
        {"parameters": 900, "seconds": 3.0, "accuracy": 0.25},
        {"parameters": 5000, "seconds": 4.0, "accuracy": 0.75},
    ]
    got = submission.run(draw, rows, call="plot_trade_offs(rows, 'chart')")
    hint = "Look into the folder. Which name has the file, and in which format is it?"
    check_equal(got, {"chart": "89 50 4e 47"}, what="the file and its first four bytes", hint=hint)
