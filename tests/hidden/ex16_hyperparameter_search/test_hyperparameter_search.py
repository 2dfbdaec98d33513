"""Hidden suite of exercise 16.

The trials of a search are played: a plan says what each of them reports, returns or raises, so that the judge knows
before the call which ones are run, which are stopped, and what stands in the file. Reported values are eighths: the
mean of two of them is exact, and a tie is one. Results have their own "seconds" wherever rows are compared. What is
drawn by chance is compared with its distribution, by bounds that a right answer exceeds less than once in 10¹¹ runs.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from grader.checks import NOTHING, check, check_equal, check_raises, same, show

Config = dict[str, Any]
Row = dict[str, Any]
NAN = math.nan


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: grid
# ---------------------------------------------------------------------------------------------------------------------


def call_grid(sub, space):
    return sub.grid(space)


def grid_of(submission, space: dict[str, Any]) -> Any:
    return submission.run(call_grid, space, call=f"grid({show(space)})")


@pytest.mark.task(1)
def test_six_configurations_by_hand(submission):
    """Two learning rates times three widths, and the last key changes fastest, like the last digit of a counter."""
    space = {"lr": [0.1, 0.01], "width": [8, 16, 32]}
    expected = [{"lr": lr, "width": width} for lr in (0.1, 0.01) for width in (8, 16, 32)]
    hint = "Which of the two stays the same while the other one runs through all of its values?"
    check_equal(grid_of(submission, space), expected, hint=hint)


@pytest.mark.task(1)
def test_four_keys_in_the_order_of_the_space(submission, rng):
    """However many keys there are, and whatever their names: the order is that of the space, and nothing is sorted."""
    names, sizes = ["width", "act", "lr", "bias"], [3, 2, 4, 1]
    space = {name: torch.randperm(90, generator=rng)[:size].tolist() for name, size in zip(names, sizes, strict=True)}
    expected = []
    for number in range(math.prod(sizes)):  # its digits, each in the base of its key
        config = {}
        for name, size in reversed(list(zip(names, sizes, strict=True))):
            number, digit = divmod(number, size)
            config[name] = space[name][digit]
        expected.append({name: config[name] for name in names})
    got = grid_of(submission, space)
    hint = "In which order do the keys come, and the values of each key? Neither of them is sorted."
    check_equal(got, expected, hint=hint)
    check_equal([list(config) for config in got[:3]], [names] * 3, what="the keys in their order", hint=hint)


@pytest.mark.task(1)
def test_values_come_as_they_are(submission):
    """Texts, flags, None, whole numbers, floats and lists are values: none is converted, none is taken apart."""
    space = {"layers": [[64, 32], [16], []], "norm": [None, True, 0, 1.0], "optimizer": ["sgd", "adam"]}
    expected = [
        {"layers": layers, "norm": norm, "optimizer": optimizer}
        for layers in space["layers"]
        for norm in space["norm"]
        for optimizer in space["optimizer"]
    ]
    hint = "One value of the list is one value of the configuration, also if it is a list itself, empty, or None."
    check_equal(grid_of(submission, space), expected, hint=hint)


@pytest.mark.task(1)
def test_one_combination_or_none(submission):
    """Without keys there is one combination, the empty one; with a key that has no value there is none."""
    hint = "How many ways are there to choose nothing? And to choose one of no values? What is an empty product?"
    for space, expected in (({}, [{}]), ({"lr": [0.1]}, [{"lr": 0.1}]), ({"lr": [0.1, 0.2], "width": []}, [])):
        check_equal(grid_of(submission, space), expected, hint=hint)


def change_one_of(sub, space):
    configs = sub.grid(space)
    configs[0]["lr"] = configs[0]["more"] = "changed"
    return {"configs": configs, "space": space}


@pytest.mark.task(1)
def test_each_configuration_is_a_dict_of_its_own(submission):
    """Who changes one configuration changes neither another one nor the space."""
    space = {"lr": [1, 2], "width": [3, 4]}
    others = [{"lr": 1, "width": 4}, {"lr": 2, "width": 3}, {"lr": 2, "width": 4}]
    got = submission.run(change_one_of, space, call='configs = grid(space); configs[0]["lr"] = "changed"')
    hint = "Is there one dict that you change again and again, or a new one for each configuration?"
    check_equal(got["configs"][1:], others, what="the other configurations afterwards", hint=hint)
    check_equal(got["space"], space, what="the space afterwards", hint=hint)


@pytest.mark.task(1)
def test_a_range_has_no_grid(submission):
    """A text would fall into its letters, and a range into its ends: anything but a list is a ValueError."""
    hint = 'What does your grid make of "adam", or of ("log", 0.001, 0.1)? Whoever wrote that meant something else.'
    for name, wrong in (("rate", ("log", 0.001, 0.1)), ("method", "adam"), ("dropout", (0.0, 0.5)), ("units", 64)):
        space = {"depth": [2, 3], name: wrong}
        check_raises(ValueError, grid_of, submission, space, mentions=(name,), hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: random_search
# ---------------------------------------------------------------------------------------------------------------------

MANY = 3000
SPACE = {"lr": ("log", 0.0001, 1.0), "width": ("int", 3, 900), "dropout": (0.0, 0.5), "act": ["relu", "tanh", None]}


def random_seed(rng: torch.Generator) -> int:
    return int(torch.randint(1 << 30, (), generator=rng))


def call_random_search(sub, space, trials, seed):
    return sub.random_search(space, trials, seed)


def search_of(submission, space: dict[str, Any], trials: int, seed: int) -> Any:
    call = f"random_search({show(space)}, {trials}, {seed})"
    return submission.run(call_random_search, space, trials, seed, call=call)


def drawn(submission, space: dict[str, Any], trials: int, seed: int) -> list[Config]:
    """The configurations, checked to be as many as asked, with the keys of the space in their order."""
    got = search_of(submission, space, trials, seed)
    sound = type(got) is list and len(got) == trials and all(type(config) is dict for config in got)
    came = f"a list of {len(got)}: {show(got)}" if type(got) is list else show(got)
    hint = NOTHING if got is None else "One dict for each trial. How many of them does the loop make?"
    check(sound, expected=f"a list of {trials:,} dicts", got=came, hint=hint)
    for number, config in enumerate(got):
        hint = "Each trial has a value for each key of the space, in the order of the space."
        check_equal(list(config), list(space), what=f"the keys of configuration {number}", hint=hint)
    return got


def check_spread(values: list[Any], low: float, high: float, share: Callable[[float], float], hint: str) -> None:
    """Floats in the range, of which about share(x) are up to x, whatever x is.

    The distance of Kolmogorov and Smirnov is over this bound once in 10¹² runs (Massart): 0.069 for 3,000 values.
    """
    for value in values:
        inside = type(value) is float and low * (1 - 1e-9) <= value <= high * (1 + 1e-9)  # exp(log(x)) is not quite x
        check(inside, expected=f"a Python float from {low:g} to {high:g}", got=show(value), hint=hint)
    ordered, n = sorted(values), len(values)
    distances = [max(abs(share(x) - i / n), abs(share(x) - (i + 1) / n)) for i, x in enumerate(ordered)]
    worst = max(range(n), key=distances.__getitem__)
    due = f"{share(ordered[worst]):.0%} of {n:,} values up to {ordered[worst]:.3g}"
    near = distances[worst] < math.sqrt(math.log(2 / 1e-12) / 2 / n)
    check(near, expected=due, got=f"{(worst + 1) / n:.0%} of them", hint=hint)


def check_equally_often(values: list[Any], kinds: list[Any], hint: str) -> None:
    """Each of three kinds a third of the time. By Hoeffding, 3,000 are off by 0.07 less than once in 10¹² runs."""
    counts = [sum(same(value, kind) for value in values) for kind in kinds]
    strange = [value for value in values if not any(same(value, kind) for kind in kinds)]
    check(not strange, expected=f"one of {show(kinds)}", got=show(strange[0]) if strange else "", hint=hint)
    for kind, count in zip(kinds, counts, strict=True):
        got, due = count / len(values), 1 / len(kinds)
        expected = f"{show(kind)} in about {due:.0%} of {len(values):,} trials"
        check(abs(got - due) < 0.07, expected=expected, got=f"in {got:.0%} of them", hint=hint)


@pytest.mark.task(2)
def test_the_logarithm_of_a_learning_rate_is_uniform(submission, rng):
    """From 0.0001 to 1 there are four decades, and each of them gets a quarter of the trials."""
    low, high = 0.0001, 1.0
    got = drawn(submission, {"lr": ("log", low, high)}, MANY, random_seed(rng))
    hint = "Drawn uniformly, nine of ten are over 0.1, and hardly one is near 0.001. What is it that is uniform here?"
    share = math.log(high / low)
    check_spread([config["lr"] for config in got], low, high, lambda x: math.log(x / low) / share, hint)


@pytest.mark.task(2)
def test_a_pair_is_a_uniform_range(submission, rng):
    """(2, 5): floats, spread evenly from 2 to 5, although the ends are written as whole numbers."""
    got = drawn(submission, {"width": (2, 5)}, MANY, random_seed(rng))
    hint = "Two numbers are the ends of a range of floats. Which parts of it does your draw reach, and how often?"
    check_spread([config["width"] for config in got], 2, 5, lambda x: (x - 2) / 3, hint)


@pytest.mark.task(2)
def test_both_ends_of_a_whole_range_are_drawn(submission, rng):
    """("int", 3, 5) is 3, 4 or 5, each a third of the time."""
    got = drawn(submission, {"depth": ("int", 3, 5)}, MANY, random_seed(rng))
    hint = "Is the upper end among your numbers? Is an end as likely as what lies between? Rounding does not do that."
    check_equally_often([config["depth"] for config in got], [3, 4, 5], hint)


@pytest.mark.task(2)
def test_each_value_of_a_list_is_as_likely(submission, rng):
    """A choice is a value of the list as it stands there: a text, None, a list."""
    kinds = ["relu", None, [64, 32]]
    got = drawn(submission, {"act": kinds}, MANY, random_seed(rng))
    hint = "How often does each place of the list come up, the first one and the last one too?"
    check_equally_often([config["act"] for config in got], kinds, hint)


@pytest.mark.task(2)
def test_a_list_of_two_numbers_is_no_range(submission, rng):
    """[16, 64] is a choice of two values, (16, 64) is a range: list or tuple makes the difference."""
    got = drawn(submission, {"width": [16, 64], "log": ["log", 1, 10]}, 60, random_seed(rng))
    hint = "What tells a choice from a range, if both hold two numbers?"
    for config in got:
        check(
            type(config["width"]) is int and config["width"] in (16, 64),
            expected="16 or 64",
            got=show(config["width"]),
            hint=hint,
        )
        check(
            any(same(config["log"], each) for each in ("log", 1, 10)),
            expected="'log', 1 or 10",
            got=show(config["log"]),
            hint=hint,
        )


@pytest.mark.task(2)
def test_a_longer_search_begins_like_the_shorter_one(submission, rng):
    """The first 7 of 23 trials are those of a search for 7, so that a search can be extended; 0 trials are none."""
    seed = random_seed(rng)
    longer = drawn(submission, SPACE, 23, seed)
    hint = "In which order are numbers drawn: trial after trial, or key after key? What changes with more trials?"
    for trials in (23, 7, 1, 0):
        what = f"{trials} trials with the seed of a search for 23"
        check_equal(drawn(submission, SPACE, trials, seed), longer[:trials], what=what, hint=hint)


@pytest.mark.task(2)
def test_another_seed_is_another_search(submission, rng):
    """Two searches with neighbouring seeds have no configuration in common, and one search has none twice."""
    seed = random_seed(rng)
    rates = [config["lr"] for each in (seed, seed + 1) for config in drawn(submission, {"lr": (0.0, 1.0)}, 200, each)]
    twice = len(rates) - len(set(rates))
    hint = "What does each trial's draw depend on? Is trial 1 of one seed trial 0 of the next?"
    check(twice == 0, expected="400 different values from two seeds", got=f"{twice} of them again", hint=hint)


@pytest.mark.task(2)
def test_hyper_parameters_are_drawn_independently(submission, rng):
    """What one key draws says nothing about another key, nor about the next trial."""
    got = drawn(submission, {"a": (0.0, 1.0), "b": (0.0, 1.0)}, MANY, random_seed(rng))
    a, b = (torch.tensor([config[name] for config in got], dtype=torch.float64) for name in "ab")
    hint = "Does each value get a draw of its own, from one generator that goes on?"
    pairs = {
        "a and b": (a, b),
        "a and the next trial's a": (a[:-1], a[1:]),
        "b and the next trial's a": (b[:-1], a[1:]),
    }
    for what, pair in pairs.items():
        correlation = float(torch.corrcoef(torch.stack(pair))[0, 1])
        # With 3,000 trials a standard deviation is 0.018.
        expected = f"a correlation near 0 of {what}"
        check(abs(correlation) < 0.14, expected=expected, got=f"{correlation:.2f}", hint=hint)


def draw_between(sub, space, seed, others):
    """The configurations after each of `others` seeded the global generators; and what these give afterwards."""
    import random

    import numpy as np
    import torch

    found = []
    for other in others:
        for draws in (True, False):
            random.seed(other)
            np.random.seed(other)
            torch.manual_seed(other)
            configs = sub.random_search(space, 5, seed) if draws else None
            after = {"random": random.random(), "numpy": float(np.random.rand()), "torch": float(torch.rand(()))}
            found.append({"configs": configs, "after": after})
    return found


@pytest.mark.task(2)
def test_the_global_generators_are_neither_used_nor_changed(submission, rng):
    """The search depends on its seed alone; and dropout, shuffling, augmentation go on as if there was no search."""
    others = [random_seed(rng), random_seed(rng)]
    call = "random_search(space, 5, seed), after random, numpy and torch were seeded with something else"
    first, quiet, second, _ = submission.run(draw_between, SPACE, random_seed(rng), others, call=call)
    hint = "Where does your generator come from: is it your own, or one that the whole program shares?"
    check_equal(second["configs"], first["configs"], what="the same search once more", hint=hint)
    for name in ("random", "numpy", "torch"):
        check_equal(first["after"][name], quiet["after"][name], what=f"the next number of {name}", hint=hint)


@pytest.mark.task(2)
def test_a_range_of_one_value(submission, rng):
    """Where both ends are equal, or a list has one value, there is one answer."""
    space = {"depth": ("int", 4, 4), "dropout": (0.25, 0.25), "act": ["relu"], "lr": ("log", 0.5, 0.5)}
    hint = "Both ends belong to a range. What is in one that begins where it ends?"
    for config in drawn(submission, space, 3, random_seed(rng)):
        near = type(config["lr"]) is float and abs(config["lr"] - 0.5) < 1e-9
        check(near, expected="lr: 0.5", got=show(config["lr"]), hint=hint)
        given = [config["depth"], config["dropout"], config["act"]]
        check_equal(given, [4, 0.25, "relu"], what="depth, dropout and act", hint=hint)


@pytest.mark.task(2)
def test_what_is_no_range_is_refused(submission):
    """Ends the wrong way round, a logarithm of 0, nothing to choose from: a ValueError that names the key."""
    hint = "Which value could be drawn from that? Where none could, who is told, and of which key?"
    ranges = (0.5, 0.1), ("log", 0.1, 0.01), ("int", 9, 3), ("log", 0, 1), ("log", -1.0, 1.0), ("normal", 0.0, 1.0)
    for wrong in (*ranges, [], "relu", 0.1, (0.1, 0.2, 0.3)):
        space = {"depth": [2, 3], "units": wrong}
        check_raises(ValueError, search_of, submission, space, 3, 0, mentions=("units",), hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# run_trials: what the judge works out, what runs in the worker, and what is compared
# ---------------------------------------------------------------------------------------------------------------------

STOPS = ("KeyboardInterrupt", "SystemExit")  # what ends a whole search
PATH = "search.jsonl"


def trial(values: list[Any], raises: str = "", **results: Any) -> dict[str, Any]:
    """What a trial does: it reports the values, and raises something or returns its results."""
    return {"values": values, "raises": raises, "results": {"seconds": 0.25, **results}}


def config_of(number: int) -> Config:
    """The configuration of trial `number` of a plan, with all that a configuration may hold."""
    return {"trial": number, "lr": 0.1 / (number + 3), "layers": [64, [number, None]], "act": "größer ✓", "bias": True}


def configs_of(numbers: Any) -> list[Config]:
    return [config_of(number) for number in numbers]


def played(run: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """What is due of one call of run_trials, when the file holds `rows`; the new ones are appended to them."""
    settings = {"warmup": None, "startup": 5, "mode": "max"} | run["settings"]

    def rank(value: float) -> float:
        return -math.inf if math.isnan(value) else value if settings["mode"] == "max" else -value

    begun: list[int] = []
    notes: dict[int, dict[int, str]] = {}  # of each trial, its comparisons with the others, by their step
    for config in run["configs"]:
        if any(same(row["config"], config) for row in rows):
            continue
        number = config["trial"]
        plan, row = run["plan"][number], {"config": config, "status": "finished", "values": []}
        begun.append(number)
        for step, value in enumerate(plan["values"]):
            row["values"].append(value)
            others = [other["values"] for other in rows if other["status"] == "finished"]
            there = sorted((values[step] for values in others if len(values) > step), key=rank)
            if settings["warmup"] is None or step < settings["warmup"] or len(there) < settings["startup"]:
                continue
            ranks = [rank(other) for other in there]
            middle = (ranks[(len(ranks) - 1) // 2] + ranks[len(ranks) // 2]) / 2
            told = f"; at step {step + 1} the others had {show(there)}, with a median of {middle:g}"
            notes.setdefault(number, {})[step + 1] = told.replace("inf", "nan")  # for which it stands
            if max(map(rank, row["values"])) < middle:
                row["status"] = "stopped"
                break
        else:
            if plan["raises"] in STOPS:
                return {"begun": begun, "ended": plan["raises"], "rows": None, "notes": notes}
            row |= {"status": "failed", "error": plan["raises"]} if plan["raises"] else plan["results"]
        rows.append(row)
    found = [row_of(rows, config) for config in run["configs"]]
    return {"begun": begun, "ended": "", "rows": found, "notes": notes}


def row_of(rows: list[Row], config: Config) -> Row:
    return next(row for row in rows if same(row["config"], config))


def search(sub, runs, content, as_path):
    """Searches one after the other, on one file that may hold something already."""
    import pathlib

    path = pathlib.Path("search.jsonl")
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content, encoding="utf-8")
    errors = {"KeyboardInterrupt": KeyboardInterrupt, "SystemExit": SystemExit, "ZeroDivisionError": ZeroDivisionError}

    def text():
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def one(run):
        seen = {"begun": [], "files": [], "ended": "", "rows": None, "left": 0, "configs": run["configs"]}

        def objective(config, report):
            seen["begun"].append(config["trial"])
            seen["files"].append(text())
            plan = run["plan"][config["trial"]]
            try:
                for value in plan["values"]:
                    report(value)
            finally:
                seen["left"] += 1
            if plan["raises"]:
                raise errors.get(plan["raises"], RuntimeError)(f"by trial {config['trial']}")
            if run["changes"]:
                config["layers"][1].append(config.pop("lr"))
            return dict(plan["results"])

        try:
            seen["rows"] = sub.run_trials(run["configs"], objective, path if as_path else str(path), **run["settings"])
        except (KeyboardInterrupt, SystemExit) as error:
            seen["ended"] = type(error).__name__
        return {**seen, "file": text()}

    return [one(run) for run in runs]


def run_of(
    plan: list[dict[str, Any]], configs: list[Config] | None = None, changes: bool = False, **settings: Any
) -> Any:
    configs = configs_of(range(len(plan))) if configs is None else configs
    return {"plan": plan, "configs": configs, "settings": settings, "changes": changes}


def called(run: dict[str, Any]) -> str:
    settings = "".join(f", {name}={value!r}" for name, value in run["settings"].items())
    return f"run_trials(configs, objective, path{settings})"


def check_row(got: Any, due: Row, plan: dict[str, Any], where: str, notes: dict[int, str], hint: str) -> None:
    """A row of the result, or of the file."""
    told = f"{where}, trial {due['config']['trial']}, which reports {show(plan['values'])}"
    check(type(got) is dict, expected=f"{told}: a dict", got=show(got), hint=hint)
    came = got.get("values")
    step = len(came) if type(came) is list else 0
    early = f"; at step {step} nothing is to be compared" if same(got.get("status"), "stopped") else ""
    told += notes.get(step) or early or notes.get(max(notes, default=0), "")
    for key in ("config", "status", "values", *due, "seconds"):
        came = f"a row without {key}: {', '.join(map(str, got))}"
        check(key in got, expected=f"{told}: {key}", got=came, hint=hint)
        if key == "values" and "values" in due:  # NaN is not equal to itself
            right = repr(got[key]) == repr(due[key])
            check(right, expected=f"{told}: {key} {show(due[key])}", got=show(got[key]), hint=hint)
        elif key == "error":
            text = got[key] if type(got[key]) is str else ""
            held = due[key] in text and f"by trial {due['config']['trial']}" in text
            check(held, expected=f"{told}: {key}, with {due[key]} and its message", got=show(got[key]), hint=hint)
        elif key in due:
            check_equal(got[key], due[key], what=f"{told}: {key}", hint=hint)
    check(type(got["seconds"]) is float, expected=f"{told}: seconds, a float", got=show(got["seconds"]), hint=hint)


def lines_of(text: Any, hint: str) -> list[Any]:
    """The lines of a file, read as JSON."""
    *lines, cut = text.split("\n") if type(text) is str else [""]
    check(cut == "", expected=f"{PATH} ends with a newline", got=f"it ends with {show(cut[-60:])}", hint=hint)
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError):
            check(False, expected=f"line {number} of {PATH} is JSON", got=show(line[:150]), hint=hint)
    return rows


def check_rows(got: Any, due: list[Row], plan: Any, where: str, hint: str, notes: Any = None) -> None:
    numbers = [row["config"]["trial"] for row in due]
    sound = type(got) is list and len(got) == len(due)
    came = f"{len(got)} rows" if type(got) is list else show(got)
    check(sound, expected=f"{where}: rows of the trials {show(numbers)}", got=came, hint=hint)
    for each, row, number in zip(got, due, numbers, strict=True):
        check_row(each, row, plan[number], where, (notes or {}).get(number, {}), hint)


def check_runs(submission, runs: list[Any], hint: str, content: str | None = None, as_path: bool = True) -> Any:
    """Searches on one file: which trials they run, what they return, and what stands in the file."""
    rows = [json.loads(line) for line in (content or "").splitlines()]
    due = []
    for run in runs:
        due.append({**played(run, rows), "file": list(rows)})
    calls = list(dict.fromkeys(map(called, runs)))
    call = "; then ".join(calls) + (f", {len(runs)} times" if len(calls) < len(runs) else "")
    got = submission.run(search, runs, content, as_path, call=call)
    for number, (run, one, expected) in enumerate(zip(runs, got, due, strict=True)):
        again = f" of call {number + 1}" if len(runs) > 1 else ""
        check_equal(one["begun"], expected["begun"], what=f"the trials{again} that were run", hint=hint)
        check_equal(one["ended"], expected["ended"], what=f"what came out{again} in place of rows", hint=hint)
        plan, notes = run["plan"], expected["notes"]
        check_rows(lines_of(one["file"], hint), expected["file"], plan, f"in the file{again}", hint, notes)
        if expected["rows"] is not None:
            check_rows(one["rows"], expected["rows"], plan, f"in what came back{again}", hint, notes)
    return got


def eighths(rng: torch.Generator, count: int) -> list[float]:
    return [value / 8 for value in torch.randint(-20, 20, (count,), generator=rng).tolist()]


def random_plan(rng: torch.Generator, trials: int, steps: int = 3) -> list[dict[str, Any]]:
    return [
        trial(eighths(rng, steps), accuracy=accuracy / 64, parameters=7 * accuracy)
        for accuracy in torch.randint(64, (trials,), generator=rng).tolist()
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: a row for each trial
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(3)
def test_a_row_for_each_configuration(submission, rng):
    """Its configuration, that it finished, what it reported, and its results, in the order of the configurations."""
    hint = "The README has a table of what is in a row. Where does the value under this key come from?"
    check_runs(submission, [run_of(random_plan(rng, 4))], hint)


@pytest.mark.task(3)
def test_each_trial_is_in_the_file_before_the_next_one_begins(submission, rng):
    """Trial 3 finds the lines of trials 0, 1 and 2 in the file: a search that dies now has lost one trial."""
    plan = random_plan(rng, 4)
    hint = "When is the line written, and when does it leave Python's buffer? What would be there after a kill?"
    (got,) = check_runs(submission, [run_of(plan)], hint, as_path=False)
    for number, file in enumerate(got["files"]):
        due = [{"config": config_of(earlier), "values": plan[earlier]["values"]} for earlier in range(number)]
        check_rows(lines_of(file, hint), due, plan, f"in the file when trial {number} begins", hint)


def follow_to_the_disk(sub, configs):
    """For each moment: the size of the file, and the most bytes of a file that a sync has brought to the disk."""
    import os
    import pathlib
    import stat

    path, synced, sizes = pathlib.Path("search.jsonl"), [0], []

    def watched(sync):
        def spy(file):
            number = file if type(file) is int else file.fileno()
            sync(number)
            status = os.fstat(number)
            if stat.S_ISREG(status.st_mode):
                synced[0] = max(synced[0], status.st_size)

        return spy

    os.fsync = watched(os.fsync)
    os.fdatasync = watched(getattr(os, "fdatasync", os.fsync))

    def objective(config, report):
        sizes.append([path.stat().st_size if path.exists() else 0, synced[0]])
        return {"accuracy": 0.5}

    sub.run_trials(configs, objective, path)
    return [*sizes, [path.stat().st_size, synced[0]]]


@pytest.mark.task(3)
def test_each_line_is_on_the_disk(submission):
    """Flushed, a line survives the process; only os.fsync makes it survive the machine."""
    got = submission.run(follow_to_the_disk, configs_of(range(3)), call="run_trials(configs, objective, path)")
    hint = "flush hands the line to the system, and fsync waits for the disk. In which order, and for which file?"
    for number, (size, synced) in enumerate(got):
        when = f"when trial {number} begins" if number < 3 else "at the end"
        sound = (size > 0 or number == 0) and synced >= size
        expected = f"{when}: all bytes of the file on the disk"
        check(sound, expected=expected, got=f"{synced} bytes by fsync, of {size}", hint=hint)


def report_tensors(sub, values, results):
    import pathlib

    import torch

    path = pathlib.Path("search.jsonl")

    def objective(config, report):
        for value in values:
            report(value)
        report(torch.ones((), requires_grad=True) * 3)
        return results

    rows = sub.run_trials([{"lr": 0.1}], objective, path)
    return {"rows": rows, "file": path.read_text(encoding="utf-8")}


@pytest.mark.task(3)
def test_what_is_reported_may_be_a_tensor(submission, rng):
    """A loss on the GPU, with its graph, or a whole number: the row has floats. NaN is a value too."""
    values = [torch.tensor(0.25), torch.tensor([2.5]), 3, 0.1, NAN, math.inf]
    due = [0.25, 2.5, 3.0, 0.1, NAN, math.inf, 3.0]
    call = "run_trials(...), whose objective reports tensors, 3, 0.1, nan and inf"
    got = submission.run(report_tensors, values, {"accuracy": 0.5}, call=call)
    hint = "What makes a Python float of a tensor with one element? And what does JSON make of your values?"
    for where, rows in (("in what came back", got["rows"]), ("in the file", lines_of(got["file"], hint))):
        row = rows[0] if type(rows) is list and len(rows) == 1 and type(rows[0]) is dict else {}
        came = show(row.get("values", rows))
        check(repr(row.get("values")) == repr(due), expected=f"{where}: values {show(due)}", got=came, hint=hint)


@pytest.mark.task(3)
def test_a_failed_trial_is_recorded_and_the_search_goes_on(submission, rng):
    """One configuration too many for the memory must not cost the night: its error is in its row, the next one runs."""
    plan = random_plan(rng, 5)
    plan[1]["raises"], plan[3]["raises"], plan[3]["values"] = "ZeroDivisionError", "RuntimeError", []
    hint = "Which exceptions may a trial raise? What is known of it by then, and what belongs into its row?"
    check_runs(submission, [run_of(plan)], hint)


def return_strange_things(sub):
    import pathlib

    import torch

    strange = [lambda: {"accuracy": torch.tensor(0.5)}, lambda: None, lambda: {"accuracy": 0.5, "best": {1, 2}}]
    things = [*strange, lambda: {"accuracy": 0.75}]
    configs = [{"trial": number} for number in range(len(things))]
    rows = sub.run_trials(configs, lambda config, report: things[config["trial"]](), "search.jsonl")
    return {"rows": rows, "file": pathlib.Path("search.jsonl").read_text(encoding="utf-8")}


@pytest.mark.task(3)
def test_results_that_json_cannot_hold_are_a_failure(submission):
    """A tensor among the results, a set, None: failed, with no half of a line in the file, and the next one runs."""
    call = (
        'run_trials(...), with trials that return {"accuracy": tensor(0.5)}, None, {"best": a set}, {"accuracy": 0.75}'
    )
    got = submission.run(return_strange_things, call=call)
    hint = (
        "What does json.dumps say to a tensor, and json.dump to a file that it has begun to write? Where is your try?"
    )
    for where, rows in (("in what came back", got["rows"]), ("in the file", lines_of(got["file"], hint))):
        statuses = [row.get("status") if type(row) is dict else [row] for row in rows]
        check_equal(statuses, ["failed"] * 3 + ["finished"], what=f"{where}: status", hint=hint)
        check_equal(rows[3].get("accuracy"), 0.75, what=f"{where}: accuracy of the last trial", hint=hint)


def take_time(sub, pauses):
    import time

    def objective(config, report):
        time.sleep(pauses[config["trial"]])
        return {"accuracy": 1.0} if config["trial"] else None  # which makes a failure of the first one

    began = time.perf_counter()
    rows = sub.run_trials([{"trial": number} for number in range(len(pauses))], objective, "search.jsonl")
    return {"rows": [row["seconds"] for row in rows], "all": time.perf_counter() - began}


@pytest.mark.task(3)
def test_seconds_is_the_time_of_each_trial(submission):
    """Trials that wait for 0.02 or 0.03 s, the first of which fails: their own times by the clock, in seconds."""
    pauses = [0.02, 0.03] * 4  # times since the search began add up to four times all of it, on a slow disk as well
    got = submission.run(take_time, pauses, call="run_trials(...), with eight trials that wait for 0.02 or 0.03 s")
    hint = "When does the clock start, for each trial? Does it go on while a trial waits, and what is its unit?"
    for each, pause in zip(got["rows"], pauses, strict=False):
        long = type(each) is float and each >= 0.9 * pause  # the clocks of a machine differ a little
        check(long, expected=f"seconds of at least {pause}", got=show(each), hint=hint)
    total = f"{len(pauses)} times that add up to at most {got['all']:.3f} s, what the call took"
    right = len(got["rows"]) == len(pauses) and sum(got["rows"]) <= got["all"] + 0.01
    check(right, expected=total, got=show(got["rows"]), hint=hint)


@pytest.mark.task(3)
def test_a_trial_may_change_its_configuration(submission, rng):
    """Objectives like config.pop("lr"), and append to lists: row, file and configs hold what was asked for."""
    run = run_of(random_plan(rng, 3), changes=True)
    hint = "Whose dict does the objective get? Which lists in it are still yours?"
    (got,) = check_runs(submission, [run], hint)
    check_equal(got["configs"], run["configs"], what="configs afterwards", hint=hint)


@pytest.mark.task(3)
def test_the_same_configuration_is_run_once(submission, rng):
    """A random search over few values draws some twice: one trial, one line, and its row in both places."""
    hint = "Is a configuration that has just been run among those that you know of?"
    check_runs(submission, [run_of(random_plan(rng, 3), configs_of([0, 1, 0, 2, 1]))], hint)


@pytest.mark.task(3)
def test_no_configuration_no_row(submission):
    """A search over nothing is over at once; and settings that make no sense are a ValueError before any trial."""
    hint = "A list of no configurations has a list of no rows."
    check_equal(
        submission.run(search, [run_of([])], None, True, call="run_trials([], objective, path)")[0]["rows"],
        [],
        hint=hint,
    )
    hint = "Which of these settings could any search have? Who is told, and before which trial?"
    for settings in ({"mode": "maximum"}, {"warmup": -1}, {"warmup": 1, "startup": 0}):
        run = run_of([trial([0.5])], **settings)
        check_raises(ValueError, submission.run, search, [run], None, True, call=called(run), hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: a search that was killed goes on
# ---------------------------------------------------------------------------------------------------------------------


def written(rows: list[Row]) -> str:
    """A file as somebody else may have written it: by the rules, with a key more, and with blanks left out."""
    return "".join(json.dumps({"by": "another", **row}, separators=(",", ":"), sort_keys=True) + "\n" for row in rows)


def ended(number: int, values: list[float], status: str = "finished", **more: Any) -> Row:
    return {"config": config_of(number), "status": status, "values": values, "seconds": 2.5, **more}


@pytest.mark.task(4)
def test_nothing_is_run_again(submission, rng):
    """The second call finds all of it in the file: no trial runs, the rows are the same, the file stays as it is."""
    run = run_of(random_plan(rng, 4))
    hint = "Before a trial is run: what does the file say of it? And what comes back for one that is not run?"
    first, second = check_runs(submission, [run, run], hint)
    check_equal(second["file"], first["file"], what="the file after the second call", hint=hint)


@pytest.mark.task(4)
def test_trials_are_known_by_their_configurations(submission, rng):
    """Another order, new ones between the old ones, keys in another order: only what is new is run."""
    plan = random_plan(rng, 6)
    turned = [dict(reversed(config.items())) for config in configs_of([4, 2, 0, 5, 3, 1])]
    runs = [run_of(plan, configs_of([0, 1, 2])), run_of(plan, configs_of([2, 4, 0, 3, 1])), run_of(plan, turned)]
    hint = "What makes two trials the same one: their number, their text, or their values?"
    check_runs(submission, runs, hint)


@pytest.mark.task(4)
def test_ctrl_c_ends_the_search_and_keeps_what_has_ended(submission, rng):
    """KeyboardInterrupt and SystemExit come through; the trial in which they came has no line, and is run again."""
    plan = random_plan(rng, 5)
    runs = []
    for victim, stop in ((2, "KeyboardInterrupt"), (3, "SystemExit"), (None, "")):
        runs.append(run_of([{**each, "raises": stop if number == victim else ""} for number, each in enumerate(plan)]))
    hint = "Who presses Ctrl-C means the search and not the trial. What do you catch, and what is no Exception?"
    check_runs(submission, runs, hint)


def kill_and_resume(sub, configs, values, results, victim):
    """The first process dies in a trial, by a signal that nobody can catch; the second one has the file."""
    import os
    import pathlib
    import signal

    path, begun, dying = pathlib.Path("search.jsonl"), [], [True]

    def objective(config, report):
        begun.append(config["trial"])
        for value in values[config["trial"]]:
            report(value)
        if dying[0] and config["trial"] == victim:
            os.kill(os.getpid(), signal.SIGKILL)
        return dict(results[config["trial"]])

    child = os.fork()
    if child == 0:
        try:
            sub.run_trials(configs, objective, path)
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    dying[0] = False
    left = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = sub.run_trials(configs, objective, path)
    return {"left": left, "begun": begun, "rows": rows, "file": path.read_text(encoding="utf-8")}


@pytest.mark.task(4)
def test_a_killed_process_has_lost_one_trial(submission, rng):
    """A process is killed in its fourth trial, without a word: the file has three, and the next process goes on."""
    plan = random_plan(rng, 6)
    values, results = ([each[part] for each in plan] for part in ("values", "results"))
    call = "run_trials(configs, objective, path), killed in trial 3; once more, in another process"
    got = submission.run(kill_and_resume, configs_of(range(6)), values, results, 3, call=call)
    hint = "No finally and no except runs in a killed process. What is in the file by then, without their help?"
    due = played(run_of(plan), [])["rows"]
    check_rows(lines_of(got["left"], hint), due[:3], plan, "in the file after the kill", hint)
    check_equal(got["begun"], [3, 4, 5], what="the trials that the second process ran", hint=hint)
    check_rows(got["rows"], due, plan, "in what came back", hint)
    check_rows(lines_of(got["file"], hint), due, plan, "in the file at the end", hint)


def cut_and_resume(sub, configs, results, cuts):
    """A whole search; then, for each cut, the file without the end of its last line, and the search once more."""
    import pathlib

    path, begun = pathlib.Path("search.jsonl"), []

    def objective(config, report):
        begun.append(config["trial"])
        report(0.5)
        return dict(results[config["trial"]])

    sub.run_trials(configs, objective, path)
    content = path.read_bytes() if path.exists() else b""
    last = content[:-1].rfind(b"\n") + 1
    found = []
    inside = [place - last for place, byte in enumerate(content) if place > last and byte & 0xC0 == 0x80]  # a letter
    for cut in [*cuts, *inside[-3:]]:
        keep = last + cut % max(1, len(content) - last)
        path.write_bytes(content[:keep])
        begun.clear()
        rows = sub.run_trials(configs, objective, path)
        found.append({"begun": list(begun), "rows": rows, "file": path.read_bytes().decode(errors="replace")})
        found[-1]["kept"] = content[last:keep].decode(errors="replace")
    return found


@pytest.mark.task(4)
@pytest.mark.parametrize("trials", [3, 1])
def test_half_a_line_is_dropped_and_its_trial_run_again(submission, rng, trials):
    """Killed while it wrote: wherever the last line ends, also before its newline alone, it makes no difference."""
    plan = [trial([0.5], accuracy=number / 8) for number in range(trials)]
    cuts = [-1, 1, -2, 0, *torch.randint(10_000, (15,), generator=rng).tolist()]
    call = "run_trials(configs, objective, path), whose file ends in the middle of a line"
    got = submission.run(cut_and_resume, configs_of(range(trials)), [each["results"] for each in plan], cuts, call=call)
    due = played(run_of(plan), [])["rows"]
    hint = "How do you see that a line is whole? And where does the next one begin, if the half stays in the file?"
    for one in got:
        where = f"after a last line that ends with {show(one['kept'][-20:])}"
        check_equal(one["begun"], [trials - 1], what=f"the trials that were run {where}", hint=hint)
        check_rows(lines_of(one["file"], hint), due, plan, f"in the file {where}", hint)
        check_rows(one["rows"], due, plan, f"in what came back {where}", hint)


@pytest.mark.task(4)
def test_failed_and_stopped_trials_have_ended_too(submission, rng):
    """Whatever its status: a trial that has a line is not run again, and its row comes back as it stands there."""
    plan = random_plan(rng, 4)
    rows = [ended(1, [0.5], "stopped"), ended(2, [], "failed", error="ValueError: by trial 2"), ended(0, [0.125])]
    hint = "Which trials have a line in the file? Whoever wants one of them again deletes its line."
    check_runs(submission, [run_of(plan)], hint, written(rows))


@pytest.mark.task(4)
def test_other_configurations_stay_in_the_file(submission, rng):
    """A file may hold more than is asked for now: that stays there, and does not come back."""
    plan = random_plan(rng, 8)
    rows = [ended(7, [0.5], accuracy=0.25), ended(1, [0.75], accuracy=0.5), ended(6, [])]
    hint = "Which rows were asked for, and in which order? What happens to the others?"
    check_runs(submission, [run_of(plan, configs_of([0, 1, 2]))], hint, written(rows))
    check_runs(submission, [run_of(plan, configs_of([0, 1, 2]))], "An empty file has no lines, and is no error.", "")


def watch_the_file(sub, configs, results, content):
    """Looks at the file at the beginning and the end of each function that runs; what was seen, without repetitions."""
    import os
    import pathlib
    import sys

    path, seen = pathlib.Path("search.jsonl"), [content]
    path.write_text(content, encoding="utf-8")

    def look(*_):
        try:
            descriptor = os.open("search.jsonl", os.O_RDONLY)
        except FileNotFoundError:
            now = ""
        else:
            now = os.read(descriptor, 1 << 20).decode(errors="replace")
            os.close(descriptor)
        if now != seen[-1]:
            seen.append(now)

    run_trials = sub.run_trials
    sys.setprofile(look)
    try:
        run_trials(configs, lambda config, report: dict(results[config["trial"]]), path)
    finally:
        sys.setprofile(None)
    return seen[:30]


@pytest.mark.task(4)
def test_no_line_is_missing_at_any_moment(submission, rng):
    """A look at the file at every moment of a search that goes on: what was in it is in it, whole."""
    plan = random_plan(rng, 4)
    content = written([ended(0, [0.5], accuracy=0.25), ended(2, [0.5], accuracy=0.5)]) + '{"config": {"tri'
    call = "run_trials(configs, objective, path), with two lines and a half in the file already"
    arguments = configs_of(range(4)), [each["results"] for each in plan], content
    hint = 'If the process died right after open(path, "w"): what would be left? Must whole lines be written again?'
    before: list[Any] = []
    for text in submission.run(watch_the_file, *arguments, call=call):
        rows = lines_of(text[: text.rfind("\n") + 1], hint)
        kept = same(rows[: len(before)], before)
        came = f"a moment with {len(rows)} lines, after one with {len(before)}"
        check(kept, expected="at every moment the whole lines that were there before", got=came, hint=hint)
        before = rows
    check_equal(len(before), 4, what="lines at the end", hint=hint)


def resume_a_damaged_file(sub, configs, content):
    import pathlib

    path, begun, told = pathlib.Path("search.jsonl"), [], None
    path.write_text(content, encoding="utf-8")
    try:
        sub.run_trials(configs, lambda config, report: begun.append(config) or {}, path)
    except ValueError as error:
        told = str(error)
    return {"told": told, "begun": len(begun), "file": path.read_text(encoding="utf-8")}


@pytest.mark.task(4)
def test_a_whole_line_that_is_no_json_is_told(submission):
    """No kill leaves that: a ValueError names the file and the line, before any trial, and the file is left alone."""
    lines = written([ended(number, [0.5]) for number in range(20)]).splitlines(keepends=True)
    content = "".join([*lines[:16], "lr,accuracy\n", *lines[17:]])
    call = "run_trials(configs, objective, path), whose file has 'lr,accuracy' as its line 17"
    got = submission.run(resume_a_damaged_file, configs_of(range(20)), content, call=call)
    hint = "Is this a file of yours at all? Who should know, of which line, and what may be changed by then?"
    told = got["told"]
    right = type(told) is str and PATH in told and "17" in told
    came = "no ValueError" if told is None else f"ValueError: {told}"
    check(right, expected=f"ValueError whose message holds {PATH} and 17", got=came, hint=hint)
    check_equal(got["begun"], 0, what="the trials that were run", hint=hint)
    check_equal(got["file"], content, what="the file afterwards", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: the median rule
# ---------------------------------------------------------------------------------------------------------------------


def plan_of(*curves: list[float]) -> list[dict[str, Any]]:
    return [trial(curve, accuracy=number / 8) for number, curve in enumerate(curves)]


@pytest.mark.task(5)
def test_a_hopeless_trial_is_stopped(submission):
    """Three trials had 2, 3 and 6 after step 2. One whose best is 2 by then is stopped, its values are kept."""
    plan = plan_of([1.0, 2.0, 9.0], [1.0, 6.0, 7.0], [1.0, 3.0, 8.0], [2.0, 1.0, 9.0], [0.0, 3.5, 9.0])
    hint = "Write the values of step 2 below each other. Which one is the median, and how good is this trial so far?"
    (got,) = check_runs(submission, [run_of(plan, warmup=1, startup=3)], hint)
    check_equal(got["left"], 5, what="trials whose `finally` was run", hint="How does a trial end from inside report?")


@pytest.mark.task(5)
def test_the_median_of_an_even_number_is_between_the_two(submission):
    """Of 1, 2, 4 and 8 the median is 3: 2.5 is below it, and 3.5 is not."""
    plan = plan_of([1.0], [2.0], [4.0], [8.0], [2.5, 9.0], [0.0, 9.0])
    hint = "Sort the four values. What is the median of an even number of them, and what does your function say?"
    check_runs(submission, [run_of(plan, warmup=0, startup=4)], hint)
    check_runs(submission, [run_of(plan_of([1.0], [2.0], [4.0], [8.0], [3.5, 9.0]), warmup=0, startup=4)], hint)
    hint = "With startup=1 one finished trial is enough, and its value is the median. From which trial on is that so?"
    check_runs(submission, [run_of(plan_of([2.0], [1.0, 9.0], [2.0, 9.0]), warmup=0, startup=1)], hint)


@pytest.mark.task(5)
def test_as_good_as_the_median_is_good_enough(submission):
    """A tie goes on: worse means worse."""
    plan = plan_of([1.0, 2.0], [2.0, 3.0], [3.0, 4.0], [2.0, 3.0, 5.0], [1.875, 5.0])
    hint = "How do they compare here: is the best so far worse than the median, or as good?"
    check_runs(submission, [run_of(plan, warmup=0, startup=3)], hint)


@pytest.mark.task(5)
def test_the_best_so_far_counts(submission):
    """A trial that was good at step 1 and bad at step 2 is as good as its step 1."""
    plan = plan_of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.5, 0.0, 3.0], [2.0, 0.0, 0.0, 9.0])
    hint = "Which of the values of this trial is compared: the last one, or the best of them?"
    check_runs(submission, [run_of(plan, warmup=0, startup=3)], hint)


@pytest.mark.task(5)
def test_the_others_are_taken_at_the_same_step(submission):
    """The others began slowly and ended well: what counts is what they had at this step, not their best or last."""
    plan = plan_of([4.0, 0.0, 8.0], [4.0, 1.0, 8.0], [4.0, 2.0, 8.0], [4.0, 0.0, 7.0], [3.0, 9.0, 9.0])
    hint = "The fourth trial's 4 is enough for step 2. Which number of each other trial is it compared with?"
    check_runs(submission, [run_of(plan, warmup=1, startup=3)], hint)


@pytest.mark.task(5)
def test_trials_that_never_got_to_this_step_do_not_count(submission):
    """Two of four trials reported two values: at step 2 there are two to compare with, and at step 3 one."""
    plan = plan_of([8.0], [1.0, 2.0], [8.0], [1.0, 4.0, 9.0], [0.0, 1.0, 9.0], [0.0, 3.0, 9.0], [0.0, 2.5, 9.0])
    hint = "Which of the finished trials have a value at this step at all, and how many are these?"
    check_runs(submission, [run_of(plan, warmup=1, startup=2)], hint)
    check_runs(submission, [run_of(plan, warmup=1, startup=3)], hint)


@pytest.mark.task(5)
def test_nothing_is_stopped_in_the_warm_up(submission):
    """With warmup=2 the values of steps 1 and 2 never stop a trial, and that of step 3 does."""
    plan = plan_of([4.0] * 4, [4.0] * 4, [0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 5.0, 0.0])
    hint = "Count the steps from 1. Which one is the first after the warm-up, and which one stopped this trial?"
    for warmup in (2, 0, 3, 9):
        check_runs(submission, [run_of(plan, warmup=warmup, startup=2)], hint)


@pytest.mark.task(5)
def test_only_finished_trials_are_compared_with(submission):
    """A trial that was stopped or failed says little of what is normal: its values do not count."""
    plan = plan_of([4.0, 4.0], [4.0, 4.0], [0.0], [0.0], [0.0], [3.0, 9.0], [4.0, 5.0], [8.0], [8.0], [8.0], [4.5, 4.5])
    for failed in (7, 8, 9):
        plan[failed]["raises"] = "RuntimeError"
    hint = "Which statuses are there? Whose values belong into the median?"
    check_runs(submission, [run_of(plan, warmup=0, startup=2)], hint)


@pytest.mark.task(5)
def test_with_mode_min_smaller_is_better(submission):
    """Losses: a trial is stopped when its smallest loss is above the median."""
    plan = plan_of([4.0, 3.0], [4.0, 2.0], [4.0, 1.0], [3.0, 4.0], [2.0, 9.0], [9.0, 2.5], [-9.0, 9.0])
    hint = "What is the best of some losses, and which side of the median is the bad one?"
    check_runs(submission, [run_of(plan, warmup=1, startup=3, mode="min")], hint)


@pytest.mark.task(5)
@pytest.mark.parametrize("mode", ["max", "min"])
def test_nan_is_the_worst_value(submission, mode):
    """Only NaN so far: stopped. A NaN among the others is below every number, and one of several values is no harm."""
    sign = 1.0 if mode == "max" else -1.0
    curves = [[1.0, 2.0], [NAN, 3.0], [2.0, NAN], [NAN, 9.0], [4.0, NAN, 5.0], [1.5, 3.0], [NAN, NAN], [0.5, NAN]]
    plan = plan_of(*([sign * value for value in curve] for curve in curves))
    hint = "max, min, sorted and every comparison do as they like with NaN. What do you put in its place beforehand?"
    check_runs(submission, [run_of(plan, warmup=0, startup=3, mode=mode)], hint)
    lost = plan_of([NAN], [NAN], [sign], [NAN, NAN], [sign * -9, sign * -9])
    check_runs(submission, [run_of(lost, warmup=0, startup=3, mode=mode)], hint)


@pytest.mark.task(5)
def test_by_default_nothing_is_stopped(submission):
    """Without a warmup every trial runs to its end; with one, from five finished trials on, and larger is better."""
    curves = [[value] for value in (8.0, 7.0, 6.0, 5.0, 0.0, 5.5)]
    hint = "What are the defaults of warmup, startup and mode?"
    check_runs(submission, [run_of(plan_of(*curves, *curves))], hint)
    check_runs(submission, [run_of(plan_of(*curves), warmup=0)], hint)


@pytest.mark.task(5)
def test_trials_of_an_earlier_search_are_compared_with(submission):
    """A search that was broken off and goes on stops the same trials as one without a break."""
    plan = plan_of([1.0, 4.0], [1.0, 5.0], [1.0, 6.0], [2.0, 4.5], [1.0, 5.0], [9.0, 0.0], [0.0, 4.0])
    broken = [{**each, "raises": "KeyboardInterrupt" if number == 3 else ""} for number, each in enumerate(plan)]
    broken[3]["values"] = []
    settings = {"warmup": 1, "startup": 3}
    hint = "Where are the values of the trials that another process has run?"
    check_runs(submission, [run_of(broken, **settings), run_of(plan, **settings)], hint)
    others = written([ended(4 + number, [1.0, 4.0 + number]) for number in range(3)])
    hint = "The file has trials that are not asked for now. Does the median know them?"
    check_runs(submission, [run_of(plan, configs_of([3, 0]), **settings)], hint, others)


@pytest.mark.task(5)
@pytest.mark.parametrize("mode", ["max", "min"])
def test_twenty_wandering_trials(submission, rng, mode):
    """Curves of all lengths that go up and down, with NaN and failures: each decision, trial by trial."""
    plan = []
    for number, length in enumerate(torch.randint(1, 6, (24,), generator=rng).tolist()):
        values = [
            NAN if lost < 0.1 else value
            for value, lost in zip(eighths(rng, length), torch.rand(length, generator=rng).tolist(), strict=True)
        ]
        plan.append(trial(values, "RuntimeError" if number % 7 == 3 else "", accuracy=0.5))
    hint = "The other tests of this task have one idea each. Do they pass? Then look at how your ideas meet."
    check_runs(submission, [run_of(plan, warmup=1, startup=3, mode=mode)], hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 6: pareto_front
# ---------------------------------------------------------------------------------------------------------------------


def model(parameters: Any, seconds: Any, accuracy: Any, **more: Any) -> Row:
    return {"parameters": parameters, "seconds": seconds, "accuracy": accuracy, **more}


def front_of(rows: list[Row], signs: dict[str, int]) -> list[Row]:
    """Row by row; a sign of 1 is for what is to be small."""
    front = []
    for row in rows:
        better = [
            other
            for other in rows
            if all(sign * other[name] <= sign * row[name] for name, sign in signs.items())
            and any(other[name] != row[name] for name in signs)
        ]
        if not better:
            front.append(row)
    return front


SIGNS = {"parameters": 1, "seconds": 1, "accuracy": -1}


def in_short(rows: Any) -> str:
    """Rows as (parameters, seconds, accuracy), with their name if they have one."""
    if type(rows) is not list or not all(type(row) is dict for row in rows):
        return show(rows)
    parts = [show(tuple(row[key] for key in ("name", *SIGNS) if key in row)) for row in rows[:9]]
    return f"{len(rows)} rows: {' '.join(parts)}{' …' if len(rows) > 9 else ''}"


def check_front(submission, rows: list[Row], expected: list[Row], hint: str) -> None:
    got = submission.pareto_front(rows)
    check(same(got, expected), expected=in_short(expected), got=in_short(got), hint=hint)


@pytest.mark.task(6)
def test_the_front_by_hand(submission):
    """The small one, the quick one and the accurate one; what is worse than one of them in everything is no choice."""
    small, quick, good = model(100, 8.0, 0.5), model(900, 1.0, 0.625), model(5000, 9.0, 0.875)
    rows = [model(200, 9.0, 0.375), good, model(9000, 20.0, 0.75), small, quick, model(1000, 2.0, 0.5)]
    hint = "Take each row: is there another one that is smaller, quicker and more accurate? Then nobody chooses it."
    check_front(submission, rows, [good, small, quick], hint)


@pytest.mark.task(6)
def test_better_in_one_and_equal_in_the_rest_dominates(submission):
    """At equal size and time the more accurate one wins; better in one thing and worse in another is no win."""
    rows = [model(100, 2.0, 0.5), model(100, 2.0, 0.625), model(100, 1.0, 0.625), model(99, 3.0, 0.5)]
    hint = "To dominate, how many of the three must be better, and what must hold for the others?"
    check_front(submission, rows, rows[2:], hint)


@pytest.mark.task(6)
def test_equal_rows_are_all_kept(submission):
    """Two trials with the same three numbers: neither is better than the other, and both stay, as they came."""
    one, other = model(100, 2.0, 0.5, name="one"), model(100, 2.0, 0.5, name="other")
    rows = [one, model(200, 2.0, 0.5), other, one, model(50, 1.0, 0.25)]
    hint = "Does a row dominate one that is equal to it? Does your front compare rows, or their places in the list?"
    check_front(submission, rows, [one, other, one, rows[4]], hint)


@pytest.mark.task(6)
def test_sixty_random_rows(submission, rng):
    """Few different values, so that there are many ties, and the order of the input."""
    sizes, times, shares = torch.randint(1, 9, (3, 60), generator=rng).tolist()
    points = enumerate(zip(sizes, times, shares, strict=True))
    rows = [model(100 * a, b / 4, c / 8, name=f"n{number}") for number, (a, b, c) in points]
    hint = "Is a row missing that nothing dominates, or is one there that something does? In which order are they?"
    check_front(submission, rows, front_of(rows, SIGNS), hint)


@pytest.mark.task(6)
def test_other_numbers_than_those_three(submission, rng):
    """minimize and maximize name what counts, however many: a loss, an accuracy, a throughput, and nothing else."""
    rows = [
        {"loss": a, "accuracy": b, "speed": c, "parameters": None, "seconds": 10 * a}
        for a, b, c in torch.randint(1, 6, (30, 3), generator=rng).tolist()
    ]
    hint = "Which names count here? Where do the names of the three come from in your function?"
    for minimize, maximize in ((["loss"], ["accuracy", "speed"]), (["loss", "speed"], []), ([], ["accuracy"])):
        expected = front_of(rows, dict.fromkeys(minimize, 1) | dict.fromkeys(maximize, -1))
        got = submission.pareto_front(rows, minimize=minimize, maximize=maximize)
        check_equal(got, expected, what=f"minimize={minimize}, maximize={maximize}", hint=hint)


@pytest.mark.task(6)
def test_a_row_without_its_numbers_is_not_on_the_front(submission):
    """NaN, None or nothing at all: a trial that failed or was stopped neither wins nor dominates."""
    good = [model(300, 3.0, 0.5), model(400, 2.0, 0.5)]
    failed = [{"config": {"lr": 9.0}, "status": "failed", "values": [], "seconds": 0.0}]
    lost = [model(NAN, 1.0, 0.75), model(100, NAN, 0.75), model(100, 1.0, NAN), model(100, 1.0, None)]
    hint = "A comparison with NaN is always false, so nothing dominates it. And what is there to compare with None?"
    for rows in ([*lost, *good], [good[0], *failed, good[1], *lost], good):
        check_front(submission, rows, good, hint)
    for rows in (lost, failed, []):
        check_front(submission, rows, [], hint)


@pytest.mark.task(6)
def test_infinity_and_zero_are_numbers(submission):
    """A loss that overflowed is large, and 0 parameters are few: both are compared like any other number."""
    rows = [
        model(0, math.inf, 0.5),
        model(10, 4.0, 0.0),
        model(10, math.inf, 0.75),
        model(5, 4.0, 0.0),
        model(7, 0.0, -1.0),
    ]
    hint = "Which of your conditions takes infinity for NaN, or 0 for nothing?"
    check_front(submission, rows, [rows[0], *rows[2:]], hint)


def front_and_rows(sub, rows):
    front = sub.pareto_front(rows)
    return {"front": front, "rows": rows}


@pytest.mark.task(6)
def test_the_rows_are_left_alone(submission, rng):
    """The list keeps its order and its rows, and the rows their numbers."""
    rows = [model(*numbers) for numbers in torch.randint(1, 9, (12, 3), generator=rng).tolist()]
    expected = front_of(rows, SIGNS)
    got = submission.run(front_and_rows, rows, call="front = pareto_front(rows); rows")
    hint = "Do you sort the list that was given, or write into its rows?"
    check_equal(got["front"], expected, what="the front", hint=hint)
    check_equal(got["rows"], rows, what="the rows afterwards", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 7: plot_trade_offs
#
# The picture is decoded in the worker, where hostile bytes can do no harm, and comes back as numbers.
# ---------------------------------------------------------------------------------------------------------------------


def draw(sub, all_rows, name, as_path, existing):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import numpy as np
    import torch
    from PIL import Image

    results = []
    for rows in all_rows:
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            if existing:
                path.write_bytes(b"an older file " * 10000)
            sub.plot_trade_offs(rows, path if as_path else str(path))
            result = {"files": sorted(each.name for each in Path(folder).iterdir()), "begins": "", "pixels": None}
            if path.is_file():
                result["begins"] = path.read_bytes()[:8].hex(" ")
                try:
                    with Image.open(path) as image:
                        result["pixels"] = torch.from_numpy(np.array(image.convert("RGB")))
                except (OSError, SyntaxError, ValueError):
                    pass  # no picture
            results.append(result)
    return {"results": results, "rows": all_rows}


PLOT = "plot_trade_offs(rows, path)"


def pictures_of(submission, all_rows, call, name="chart.png", as_path=False, existing=False) -> list[Tensor]:
    """The pictures are [height, width, 3] in uint8."""
    got = submission.run(draw, all_rows, name, as_path, existing, call=call)
    hint = "To draw is to look: which of your operations write into the rows, or sort them?"
    check_equal(repr(got["rows"]), repr(all_rows), what="the rows afterwards", hint=hint)
    pictures = []
    for result in got["results"]:
        hint = "Which files are written, if any? savefig goes by the path's suffix, unless it is told the format."
        check_equal(result["files"], [name], what="the files in the folder", hint=hint)
        check(
            result["begins"] == "89 50 4e 47 0d 0a 1a 0a",
            expected="a PNG file, whose first bytes are 89 50 4e 47 0d 0a 1a 0a",
            got=f"a file that begins with {show(result['begins'])}",
            hint="A suffix does not make a PNG. In which format is the file written?",
        )
        pixels = result["pixels"]
        sound = type(pixels) is Tensor and pixels.dtype == torch.uint8 and pixels.dim() == 3 and pixels.shape[2] == 3
        check(sound, expected="a picture", got="a file that no program can read", hint="Is the file whole?")
        pictures.append(pixels)
    return pictures


def same_picture(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


# The corners of the picture, which no test moves; all three are on the front.
CORNERS = [model(1000, 40.0, 0.25), model(9_000_000, 400.0, 0.95), model(8_000_000, 10.0, 0.2)]
MIDDLE = model(400_000, 200.0, 0.7)


@pytest.mark.task(7)
def test_a_png_at_exactly_the_path(submission):
    """The path is a str or a Path, with any suffix or none: there is the PNG, in place of an older file."""
    for name, as_path, existing in (("chart", True, False), ("chart.jpg", False, True)):
        call = f"plot_trade_offs(rows, Path('{name}'))" if as_path else f"plot_trade_offs(rows, '{name}')"
        pictures_of(submission, [[*CORNERS, MIDDLE]], call, name, as_path, existing)


@pytest.mark.task(7)
def test_size_time_and_accuracy_are_in_the_picture(submission):
    """Another number of one trial, also of one that is not on the front, is another picture."""
    front, other = model(20_000, 40.0, 0.8), MIDDLE
    changed = [{**other, "parameters": 100_000}, {**other, "seconds": 100.0}, {**other, "accuracy": 0.5}]
    first, *others = pictures_of(submission, [[*CORNERS, front, each] for each in (other, *changed)], PLOT)
    hint = "Three numbers of each trial: two of them have an axis. How does one see the third, and all of the trials?"
    for name, picture in zip(("parameters", "seconds", "accuracy"), others, strict=True):
        got = f"the same picture for other {name} of a trial"
        check(not same_picture(first, picture), expected="pictures that differ", got=got, hint=hint)


@pytest.mark.task(7)
def test_what_has_no_numbers_is_not_drawn(submission):
    """Trials that failed or were stopped, and those with NaN, change nothing; and equal rows are equal pictures."""
    lost = [model(NAN, 1.0, 0.75), model(100, NAN, 0.75), model(100, 1.0, NAN), {"status": "failed", "seconds": 1.0}]
    rows = [[*CORNERS, MIDDLE], [*lost[:2], *CORNERS, *lost[2:], MIDDLE], [MIDDLE]]
    plain, mixed, _ = pictures_of(submission, rows, PLOT)
    hint = "Which rows can be drawn at all? Is anything of an older picture, or of a lost trial, left in the new one?"
    check(same_picture(plain, mixed), expected="the same picture without them", got="another picture", hint=hint)


def check_emphasised(submission, rival: Row, changed: Row, hint: str) -> None:
    """`rival` dominates the middle one, which a change of it alone puts on the front."""
    moved = {**MIDDLE, "accuracy": 0.68}
    rows = [[*CORNERS, rival, MIDDLE], [*CORNERS, rival, moved], [*CORNERS, changed, MIDDLE]]
    plain, shifted, front = pictures_of(submission, rows, PLOT)
    if not plain.shape == shifted.shape == front.shape:
        return  # cut to what is in it: there is no telling which pixel was which
    there = (plain != shifted).any(2).nonzero()
    check(
        len(there) > 0, expected="a picture that shows each trial", got="one that does not show the middle", hint=hint
    )
    (top, left), (bottom, right) = (there.amin(0) - 15).clamp(min=0).tolist(), (there.amax(0) + 15).tolist()
    around = (plain != front)[top:bottom, left:right]
    expected = "a trial that looks otherwise, or stands on a line, once it is on the front"
    check(bool(around.any()), expected=expected, got="nothing new at its place", hint=hint)


@pytest.mark.task(7)
def test_the_front_is_emphasised(submission):
    """A trial that nothing dominates any more looks otherwise at its place than it did before."""
    hint = "How does one see which trials are on the front, at the place where each of them is?"
    check_emphasised(submission, model(3000, 20.0, 0.8), model(3000, 20.0, 0.4), hint)


@pytest.mark.task(7)
def test_the_front_is_that_of_all_three_numbers(submission):
    """A smaller and better trial that takes longer leaves the other one on the front: it is quicker."""
    hint = "Which function says what is on the front? A front of two of the three numbers is another one."
    check_emphasised(submission, model(3000, 100.0, 0.8), model(3000, 300.0, 0.8), hint)
