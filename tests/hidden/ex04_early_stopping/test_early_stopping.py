"""Hidden suite of exercise 4.

Metrics are dyadic, so gains are exact. Training is played: a driver loads an epoch's weights into the model, in place,
as an optimiser would change them. What `step` should say is worked out by the judge, by hand or by `worked_out`.
"""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from grader.checks import NOTHING, check, check_close, check_equal, check_raises, check_tensor, show

State = dict[str, Tensor]
NAN = math.nan

FEATURES, HIDDEN, OUTPUTS = 3, 5, 2


# ---------------------------------------------------------------------------------------------------------------------
# What the judge works out
# ---------------------------------------------------------------------------------------------------------------------


def worked_out(metrics: list[float], patience: int, min_delta: float = 0.0, mode: str = "min") -> list[dict[str, Any]]:
    """After each call of `step`: what it returns, and the attributes. `best` is None before the first improvement."""
    rows, best, best_step, bad, stopped = [], None, None, 0, False
    for number_of_call, metric in enumerate(metrics):
        gain = math.inf if best is None else (best - metric if mode == "min" else metric - best)
        if not math.isnan(metric) and gain > min_delta:
            best, best_step, bad = metric, number_of_call, 0
        else:
            bad += 1
        stopped = stopped or bad >= patience
        rows.append({"returned": stopped, "best": best, "best_step": best_step, "bad_steps": bad, "stopped": stopped})
    return rows


def random_state(rng: torch.Generator) -> State:
    """Weights and buffers of Linear, BatchNorm1d, Linear."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    return {
        "0.weight": draw(HIDDEN, FEATURES),
        "0.bias": draw(HIDDEN),
        "1.weight": draw(HIDDEN),
        "1.bias": draw(HIDDEN),
        "1.running_mean": draw(HIDDEN),
        "1.running_var": draw(HIDDEN).exp(),
        "1.num_batches_tracked": torch.randint(1000, (), generator=rng),
        "2.weight": draw(OUTPUTS, HIDDEN),
        "2.bias": draw(OUTPUTS),
    }


def random_states(rng: torch.Generator, epochs: int) -> list[State]:
    return [random_state(rng) for _ in range(epochs)]


def random_metrics(rng: torch.Generator, length: int, mode: str) -> list[float]:
    """Quarters that wander, a little more often in the better direction; every tenth call or so brings NaN."""
    steps = torch.randint(-4, 4, (length,), generator=rng).cumsum(0) * (0.25 if mode == "min" else -0.25)
    lost = torch.rand(length, generator=rng) < 0.1
    return [NAN if gone else value for value, gone in zip(steps.tolist(), lost.tolist(), strict=True)]


# ---------------------------------------------------------------------------------------------------------------------
# What the judge compares
# ---------------------------------------------------------------------------------------------------------------------


def written(metrics: list[float]) -> str:
    return ", ".join("nan" if math.isnan(metric) else str(metric) for metric in metrics)


def check_rows(
    got: Any, metrics: list[float], expected: list[dict[str, Any]], parts: tuple[str, ...], hint: str
) -> None:
    """Compares what came after each call, up to the first difference. After the stop, `bad_steps` is free."""
    for call, (row, due) in enumerate(zip(got, expected, strict=True)):
        after = f"after call {call} (metric {written(metrics[call : call + 1])})"
        over = call > 0 and expected[call - 1]["stopped"]
        for part in parts:
            if part == "bad_steps" and over:
                continue
            what = f"what step returned in call {call} (metric {written(metrics[call : call + 1])})"
            what = what if part == "returned" else f"{part} {after}"
            if part == "best" and due["best"] is not None:
                check_close(row["best"], due["best"], rel=0.0, what=what, hint=hint)
            elif part not in ("best", "best_step") or due["best"] is not None:
                nothing = part == "returned" and row[part] is None
                check_equal(row[part], due[part], what=what, hint=NOTHING if nothing else hint)


BUFFERS = "That one is a buffer, no parameter, and belongs to the state as much. Which method of a model gives both?"


def check_state(
    got: Any, states: list[State], due: int, what: str, hint: str, name: str = "call", buffers: str = BUFFERS
) -> None:
    """`got` is exactly state number `due`, bit for bit. If it is that of another call or epoch, the student is told."""
    expected = states[due]
    keys = set(got) if type(got) is dict else set()
    check(
        keys == set(expected),
        expected=f"{what}: a state_dict with the keys {', '.join(expected)}",
        got=f"the keys {', '.join(map(str, got)) or '(none)'}" if type(got) is dict else show(got),
        hint=buffers if "0.weight" in keys and "1.running_mean" not in keys else hint,
    )
    for key, value in expected.items():
        reason = buffers if key.startswith(("1.running", "1.num")) else hint
        twins = [number for number, state in enumerate(states) if same_tensor(got[key], state[key])]
        check(
            due in twins or not twins,
            expected=f"{what}: {key} as it was in {name} {due}",
            got=f"{key} as it was in {name} {', '.join(map(str, twins))}",
            hint=reason,
        )
        check_tensor(got[key], value, rtol=0.0, atol=0.0, what=f"{what}: {key}", hint=reason)


def same_tensor(got: Any, expected: Tensor) -> bool:
    return type(got) is Tensor and got.dtype == expected.dtype and torch.equal(got, expected)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: step
# ---------------------------------------------------------------------------------------------------------------------


def watch(sub, metrics, settings):
    from torch import nn

    model, stopper, rows = nn.Linear(1, 1), sub.EarlyStopping(**settings), []
    for metric in metrics:
        returned = stopper.step(metric, model)
        best, best_step = stopper.best, stopper.best_step
        rows.append({"returned": returned, "best": best, "best_step": best_step})
        rows[-1] |= {"bad_steps": stopper.bad_steps, "stopped": stopper.stopped}
    return rows


RETURNED = ("returned",)
BEST = ("best", "best_step")
EVERYTHING = ("returned", "best", "best_step", "bad_steps", "stopped")


def check_watched(submission, metrics: list[float], parts: tuple[str, ...], hint: str, **settings: Any) -> None:
    expected = worked_out(metrics, **settings)
    given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    call = f"EarlyStopping({given}), then step(metric, model) on {written(metrics)}"
    check_rows(submission.run(watch, metrics, settings, call=call), metrics, expected, parts, hint)


@pytest.mark.task(1)
def test_it_stops_at_the_last_bad_call_that_patience_allows(submission):
    """With a patience of n, the nth bad call in a row says stop: not the one before it, and not the one after."""
    hint = "Which calls were bad, and how many in a row is that now, this one included? What does patience say of it?"
    for patience in (2, 1, 5):
        metrics = [4.0, 3.0, *(5.0 + n for n in range(patience + 1))]
        check_watched(submission, metrics, RETURNED, hint, patience=patience)


@pytest.mark.task(1)
def test_a_better_metric_resets_the_count(submission):
    """Bad calls count in a row: an improvement between them lets the count begin again."""
    metrics = [8.0, 9.0, 9.0, 7.0, 9.0, 9.0, 6.0, 9.0, 9.0, 9.0]
    hint = "Patience is about calls in a row. What happens to your count when a better metric comes?"
    check_watched(submission, metrics, ("returned", "bad_steps"), hint, patience=3)


@pytest.mark.task(1)
def test_the_first_number_is_better_than_nothing(submission):
    """Whatever the first metric is, huge, negative or zero: there was nothing before it, so it is the best."""
    hint = "What is `best` before the first call, and does every number beat it, in both modes?"
    for mode, better in (("min", -1.0), ("max", 1.0)):
        for first in (3.0, -3.0, 0.0, 2.0**200, -(2.0**200)):
            metrics = [first, first + better] if abs(first) < 4.0 else [first]
            check_watched(submission, metrics, (*BEST, "bad_steps"), hint, patience=2, mode=mode)


@pytest.mark.task(1)
def test_a_tie_is_no_improvement(submission):
    """The same metric again is a bad call: a plateau ends a training too."""
    hint = "How large is the gain of a tie, and is it more than min_delta? Nobody set that, so it is 0."
    for mode in ("min", "max"):
        check_watched(submission, [2.0, 2.0, 2.0], ("returned", *BEST, "bad_steps"), hint, patience=2, mode=mode)


@pytest.mark.task(1)
def test_a_gain_must_be_more_than_min_delta(submission):
    """A gain of exactly min_delta is not more than min_delta; the smallest bit more is."""
    metrics = [4.0, 3.5, 3.5 - 2.0**-10, 3.0, 3.0 - 2.0**-10, 2.5]
    hint = "How large is this gain over the best so far? Is that more than min_delta, exactly as much, or less?"
    check_watched(submission, metrics, (*BEST, "bad_steps"), hint, patience=3, min_delta=0.5)


@pytest.mark.task(1)
def test_in_max_mode_larger_is_better_by_more_than_min_delta(submission):
    """In max mode the best rises, and min_delta is measured upwards."""
    metrics = [0.5, 0.625, 0.6875, 0.25, 0.8125, 1.0, -1.0]
    hint = "In mode max a gain is measured upwards. How large is this one, and is it more than min_delta?"
    check_watched(submission, metrics, (*BEST, "bad_steps"), hint, patience=3, min_delta=0.125, mode="max")


@pytest.mark.task(1)
def test_many_small_gains_add_up(submission):
    """The gain is measured from the best, not from the call before: slow but steady is an improvement in the end."""
    metrics = [5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.25]
    hint = "Each gain over the call before is too small here. How large is it over the best?"
    check_watched(submission, metrics, ("returned", *BEST), hint, patience=3, min_delta=1.0)


@pytest.mark.task(1)
def test_better_than_the_call_before_is_not_better_than_the_best(submission):
    """A recovery from a bad epoch is still a bad epoch, as long as the best was better."""
    metrics = [2.0, 6.0, 5.0, 4.0, 3.0]
    hint = "Each metric is compared with one number. Which one, and did a worse epoch change it?"
    check_watched(submission, metrics, ("returned", *BEST, "bad_steps"), hint, patience=4)


@pytest.mark.task(1)
def test_a_gain_that_is_too_small_does_not_move_the_best(submission):
    """Below min_delta nothing counts: neither the count is reset, nor does the best move a little."""
    metrics = [4.0, 3.5, 3.25, 3.125]
    hint = "What happens to `best` when the gain is too small? It is what later gains are measured from."
    check_watched(submission, metrics, ("best", "best_step", "bad_steps", "returned"), hint, patience=3, min_delta=1.0)


@pytest.mark.task(1)
def test_nan_is_never_an_improvement(submission):
    """A loss of NaN is a bad call: not better than a number, and not better than nothing."""
    metrics = [NAN, NAN, 2.0, NAN, 2.0, NAN]
    hint = "Every comparison with NaN is false. Which way round must you ask, so that false means bad?"
    for mode in ("min", "max"):
        check_watched(submission, metrics, EVERYTHING, hint, patience=3, mode=mode)


@pytest.mark.task(1)
def test_once_stopped_it_stays_stopped(submission):
    """After the stop the answer is True for good, even when better metrics come."""
    metrics = [4.0, 5.0, 5.0, 3.0, 2.0, 2.5]
    hint = "The count starts again with a better metric. Does the stop depend on the count alone?"
    check_watched(submission, metrics, ("returned", "stopped"), hint, patience=2)


@pytest.mark.task(1)
def test_the_best_is_still_updated_after_the_stop(submission):
    """Whoever goes on after the stop wants the best of all the calls."""
    metrics = [4.0, 5.0, 5.0, 3.0, 6.0, 2.0]
    hint = "Does your step still look at the metric when it is stopped?"
    check_watched(submission, metrics, BEST, hint, patience=2)


@pytest.mark.task(1)
def test_best_step_counts_every_call_from_zero(submission):
    """best_step is the number of the call, whether those before it were good, bad or NaN."""
    hint = "Number the calls 0, 1, 2, … on paper. Which of them does your counter leave out?"
    check_watched(submission, [NAN, 6.0, 7.0, NAN, 5.0, 5.0, 4.0], ("best_step",), hint, patience=9)


def before_the_first_call(sub):
    stopper = sub.EarlyStopping(patience=3)
    return stopper.bad_steps, stopper.stopped


@pytest.mark.task(1)
def test_nothing_is_bad_before_the_first_call(submission):
    """A fresh stopper has seen no bad step and has not stopped."""
    call = "stopper = EarlyStopping(patience=3), and no step yet"
    bad_steps, stopped = submission.run(before_the_first_call, call=call)
    hint = "Attributes can be read at any time, before the first step too. What has happened by then?"
    check_equal(bad_steps, 0, what="bad_steps", hint=hint)
    check_equal(stopped, False, what="stopped", hint=hint)


def watch_by_position(sub, metrics, arguments):
    from torch import nn

    model, stopper = nn.Linear(1, 1), sub.EarlyStopping(*arguments)
    return [stopper.step(metric, model) for metric in metrics]


@pytest.mark.task(1)
def test_the_arguments_have_an_order_and_defaults(submission):
    """patience, min_delta=0.0, mode="min", path=None: by position, and the rest by default."""
    metrics = [4.0, 4.25, 3.75, 4.75, 3.5, 3.0, 3.0, 2.75, 2.75, 2.75]
    for arguments in [(2,), (2, 0.5), (2, 0.5, "max"), (2, 0.0, "min", None)]:
        expected = [row["returned"] for row in worked_out(metrics, *arguments[:3])]
        call = f"EarlyStopping({', '.join(map(repr, arguments))}), then step(metric, model) on {written(metrics)}"
        got = submission.run(watch_by_position, metrics, arguments, call=call)
        hint = "If the other tests pass: in which order do your parameters come, and what is each when nobody gives it?"
        check_equal(got, expected, what="what step returned", hint=hint)


def watch_many(sub, stories):
    from torch import nn

    model, all_rows = nn.Linear(1, 1), []
    for metrics, settings in stories:
        stopper, rows = sub.EarlyStopping(**settings), []
        for metric in metrics:
            returned = stopper.step(metric, model)
            best, best_step = stopper.best, stopper.best_step
            rows.append({"returned": returned, "best": best, "best_step": best_step})
            rows[-1] |= {"bad_steps": stopper.bad_steps, "stopped": stopper.stopped}
        all_rows.append(rows)
    return all_rows


@pytest.mark.task(1)
def test_forty_wandering_metrics(submission, rng):
    """Metrics that go up and down, with NaN among them, for many settings: every answer and attribute, call by call."""
    stories = []
    for turn in range(40):
        mode = ("min", "max")[turn % 2]
        settings = {"patience": 1 + turn % 5, "min_delta": 0.25 * (turn % 4), "mode": mode}
        stories.append((random_metrics(rng, 14, mode), settings))
    call = "EarlyStopping(...), step on 14 metrics; the same for 40 settings and metrics"
    got = submission.run(watch_many, stories, call=call)
    hint = "Play the calls up to this one through on paper: better than what, and how often bad in a row?"
    for (metrics, settings), rows in zip(stories, got, strict=True):
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        check_rows(rows, metrics, worked_out(metrics, **settings), EVERYTHING, f"With {given}. {hint}")


def two_at_once(sub, stories):
    from torch import nn

    model = nn.Linear(1, 1)
    stoppers = [sub.EarlyStopping(patience=2) for _ in stories]
    answers = [[] for _ in stories]
    for metrics in zip(*stories, strict=True):
        for stopper, metric, said in zip(stoppers, metrics, answers, strict=True):
            said.append([stopper.step(metric, model), stopper.best_step, stopper.bad_steps])
    return answers


@pytest.mark.task(1)
def test_two_stoppers_know_nothing_of_each_other(submission):
    """One stopper for the loss of each of two trainings: each has a best and a count of its own."""
    stories = [[9.0, 8.0, 8.5, 7.0, 7.5], [3.0, 4.0, 2.0, 2.5, 5.0]]
    expected = [[[r["returned"], r["best_step"], r["bad_steps"]] for r in worked_out(story, 2)] for story in stories]
    call = "first, second = EarlyStopping(2), EarlyStopping(2); a step of each in turn"
    got = submission.run(two_at_once, stories, call=call)
    hint = "What belongs to one stopper, and what to the class or the module, which all stoppers share?"
    for name, answer, due in zip(("first", "second"), got, expected, strict=True):
        check_equal(answer, due, what=f"(returned, best_step, bad_steps) of the {name}, call by call", hint=hint)


def only_made(sub, settings):
    sub.EarlyStopping(**settings)


@pytest.mark.task(1)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("patience", [0, -3]),
        ("min_delta", [-1.0, -(2.0**-20)]),
        ("mode", ["auto", "MIN", "minimum", "m", "", "min max"]),
    ],
    ids=["patience", "min_delta", "mode"],
)
def test_settings_without_a_meaning_are_refused(submission, name, values):
    """No patience, a negative min_delta or an unknown mode is a ValueError, as soon as the stopper is made."""
    hint = "Which values of this setting make sense? Refuse the rest at once: a wrong setting costs a whole training."
    for value in values:
        settings = {"patience": 2, name: value}
        call = f"EarlyStopping({', '.join(f'{key}={each!r}' for key, each in settings.items())})"
        check_raises(ValueError, submission.run, only_made, settings, call=call, hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: restore
# ---------------------------------------------------------------------------------------------------------------------


def train_and_restore(sub, states, metrics, settings):
    from torch import nn

    hidden, features = states[0]["0.weight"].shape
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
    model = nn.Sequential(*parts).to(states[0]["0.weight"].device)
    stopper = sub.EarlyStopping(**settings)
    for state, metric in zip(states, metrics, strict=True):
        model.load_state_dict(state)  # an epoch of training: the tensors stay, their numbers change
        stopper.step(metric, model)
    stopper.restore(model)
    return dict(model.state_dict())


def check_restored(submission, states, metrics, best: int, hint: str, **settings: Any) -> None:
    given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    call = f"EarlyStopping({given}), epochs with metrics {written(metrics)}, then restore(model)"
    got = submission.run(train_and_restore, states, metrics, settings, call=call)
    check_state(got, states, best, "the restored model", hint)


COPY = "Training changes the model's tensors in place. Is what you kept a copy of them, or are they the same ones?"


@pytest.mark.task(2)
def test_the_best_weights_come_back_not_the_last(submission, rng):
    """After three more epochs, restore brings back the weights and buffers of the best one."""
    check_restored(submission, random_states(rng, 5), [4.0, 2.0, 3.0, 5.0, 6.0], 1, COPY, patience=9)


@pytest.mark.task(2)
def test_a_newer_best_takes_the_place_of_the_older_one(submission, rng):
    """Of several improvements the last one is the best."""
    hint = "When a better metric comes, which weights belong to it, and which do you keep?"
    check_restored(submission, random_states(rng, 5), [4.0, 3.0, 5.0, 2.0, 2.5], 3, hint, patience=9)


@pytest.mark.task(2)
def test_a_gain_that_is_too_small_does_not_change_the_weights_kept(submission, rng):
    """Best metric and best weights belong together: what does not move one does not move the other."""
    hint = "The last metric is the smallest here, and still not the best by the rule. Whose weights do you keep?"
    check_restored(submission, random_states(rng, 3), [4.0, 3.5, 3.25], 0, hint, patience=9, min_delta=1.0)


@pytest.mark.task(2)
def test_ties_and_nan_do_not_change_the_weights_kept(submission, rng):
    """The first of equal metrics keeps its place, and NaN never takes it."""
    hint = "Are the weights copied in the very same case in which `best` changes?"
    check_restored(submission, random_states(rng, 4), [NAN, 2.0, 2.0, NAN], 1, hint, patience=9)


@pytest.mark.task(2)
def test_after_the_stop_better_weights_are_still_kept(submission, rng):
    """Whoever goes on after the stop, and finds something better, gets that back."""
    hint = "The stop is an answer to the caller. Does anything else in your step depend on it?"
    check_restored(submission, random_states(rng, 5), [4.0, 5.0, 5.0, 3.0, 6.0], 3, hint, patience=2)


def restore_between(sub, states, metrics):
    from torch import nn

    hidden, features = states[0]["0.weight"].shape
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
    model = nn.Sequential(*parts).to(states[0]["0.weight"].device)
    stopper, found = sub.EarlyStopping(patience=9), []
    for state, metric in zip(states, metrics, strict=True):
        model.load_state_dict(state)
        stopper.step(metric, model)
        stopper.restore(model)
        found.append({name: value.clone() for name, value in model.state_dict().items()})
    return found


@pytest.mark.task(2)
def test_training_on_after_restore_does_not_spoil_the_copy(submission, rng):
    """restore may be called as often as one likes: training goes on from the best weights, and they stay the best."""
    states = random_states(rng, 4)
    call = "for each of four epochs, with metrics 3.0, 4.0, 2.0, 5.0: step(metric, model), then restore(model)"
    got = submission.run(restore_between, states, [3.0, 4.0, 2.0, 5.0], call=call)
    hint = "After a restore, do model and stopper share memory? What does the next epoch of training do to it?"
    for call_number, (found, best) in enumerate(zip(got, [0, 0, 2, 2], strict=True)):
        check_state(found, states, best, f"the model after the restore of call {call_number}", hint)


def watch_the_parameters(sub, states, metrics):
    from torch import nn

    hidden, features = states[0]["0.weight"].shape
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
    model = nn.Sequential(*parts).to(states[0]["0.weight"].device)
    held = dict(model.named_parameters())  # as an optimiser holds them
    stopper = sub.EarlyStopping(patience=9)
    for state, metric in zip(states, metrics, strict=True):
        model.load_state_dict(state)
        stopper.step(metric, model)
    stopper.restore(model)
    return {name: parameter.detach() for name, parameter in held.items()}


@pytest.mark.task(2)
def test_an_optimizer_goes_on_with_the_restored_weights(submission, rng):
    """restore writes into the tensors that the model has: an optimiser holds the same ones, and knows no others."""
    states = random_states(rng, 3)
    held = [{key: value for key, value in state.items() if key.endswith(("weight", "bias"))} for state in states]
    call = "held = list(model.parameters()), epochs with metrics 3.0, 2.0, 4.0, then restore(model)"
    got = submission.run(watch_the_parameters, states, [3.0, 2.0, 4.0], call=call)
    hint = (
        "Numbers can be written into a tensor, or a new tensor put in its place. Which of them does an optimiser see?"
    )
    check_state(got, held, 1, "what the optimiser holds", hint)


def thaw_and_restore(sub, states, metrics):
    from torch import nn

    hidden, features = states[0]["0.weight"].shape
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
    model = nn.Sequential(*parts).to(states[0]["0.weight"].device)
    stopper = sub.EarlyStopping(patience=9)
    model[0].requires_grad_(False)
    for state, metric in zip(states, metrics, strict=True):
        model.load_state_dict(state)
        stopper.step(metric, model)
        model[0].requires_grad_(True)  # frozen for an epoch, then trained as well
    stopper.restore(model)
    return dict(model.state_dict())


FROZEN = "What is frozen today may train tomorrow. Which part of the model's state does your copy leave out?"


@pytest.mark.task(2)
def test_frozen_weights_are_part_of_the_state(submission, rng):
    """A layer that is frozen in the best epoch, and trained later, comes back as it was."""
    states = random_states(rng, 3)
    call = "model[0].requires_grad_(False), a step with metric 2.0, thawed, more epochs, then restore(model)"
    got = submission.run(thaw_and_restore, states, [2.0, 3.0, 4.0], call=call)
    check_state(got, states, 0, "the restored model", FROZEN)


def restore_elsewhere(sub, states, metrics):
    from torch import nn

    hidden, features = states[0]["0.weight"].shape

    def build():
        parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
        return nn.Sequential(*parts).to(states[0]["0.weight"].device)

    model, other, stopper = build(), build(), sub.EarlyStopping(patience=9)
    for state, metric in zip(states, metrics, strict=True):
        model.load_state_dict(state)
        stopper.step(metric, model)
    stopper.restore(other)
    return dict(other.state_dict()), dict(model.state_dict())


@pytest.mark.task(2)
def test_restore_fills_the_model_that_it_is_given(submission, rng):
    """The best weights can be put into another model of the same shape; the one that was trained stays as it is."""
    states = random_states(rng, 3)
    call = "epochs with metrics 3.0, 2.0, 4.0 on one model, then restore(another_model)"
    other, model = submission.run(restore_elsewhere, states, [3.0, 2.0, 4.0], call=call)
    hint = "restore is told which model to fill. Which one does yours fill?"
    check_state(other, states, 1, "the other model", hint)
    check_state(model, states, 2, "the model that was trained", hint)


def two_trainings(sub, firsts, seconds, metrics):
    from torch import nn

    hidden, features = firsts[0]["0.weight"].shape
    models, stoppers = [], [sub.EarlyStopping(patience=9), sub.EarlyStopping(patience=9)]
    for _ in range(2):
        parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(firsts[0]["2.bias"]))
        models.append(nn.Sequential(*parts).to(firsts[0]["0.weight"].device))
    for first, second, pair in zip(firsts, seconds, metrics, strict=True):
        for model, state, stopper, metric in zip(models, (first, second), stoppers, pair, strict=True):
            model.load_state_dict(state)
            stopper.step(metric, model)
    for model, stopper in zip(models, stoppers, strict=True):
        stopper.restore(model)
    return [dict(model.state_dict()) for model in models]


@pytest.mark.task(2)
def test_two_trainings_keep_two_states(submission, rng):
    """Two models, two stoppers: each gets its own weights back."""
    firsts, seconds = random_states(rng, 3), random_states(rng, 3)
    call = "two trainings side by side, each with an EarlyStopping of its own, then restore both"
    got = submission.run(two_trainings, firsts, seconds, [[3.0, 5.0], [2.0, 6.0], [4.0, 4.0]], call=call)
    hint = "What belongs to one stopper, and what to the class or the module, which all stoppers share?"
    check_state(got[0], firsts, 1, "the first model", hint)
    check_state(got[1], seconds, 2, "the second model", hint)


def restore_too_early(sub, metrics):
    from torch import nn

    model, stopper = nn.Linear(2, 1), sub.EarlyStopping(patience=9)
    for metric in metrics:
        stopper.step(metric, model)
    stopper.restore(model)


@pytest.mark.task(2)
def test_without_an_improvement_there_is_nothing_to_restore(submission):
    """Where no metric was ever an improvement there are no best weights, and restore says so: RuntimeError."""
    hint = "Better an error than the wrong weights without a word. How does restore know that there are none?"
    for metrics in ([], [NAN], [NAN, NAN, NAN]):
        steps = f"step on {written(metrics)}" if metrics else "no step"
        call = f"EarlyStopping(patience=9), {steps}, then restore(model)"
        check_raises(RuntimeError, submission.run, restore_too_early, metrics, call=call, hint=hint)


def step_and_look(sub, states, metrics, modes):
    from torch import nn

    hidden, features = states[0]["0.weight"].shape
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
    model = nn.Sequential(*parts).to(states[0]["0.weight"].device)
    stopper, found = sub.EarlyStopping(patience=1), []
    for state, metric in zip(states, metrics, strict=True):
        model.load_state_dict(state)
        for module, mode in zip(model.modules(), modes, strict=True):
            module.training = mode
        for parameter in model.parameters():
            parameter.grad = parameter.detach() * 2
        stopper.step(metric, model)
        parameters = dict(model.named_parameters())
        found.append({"state": {name: value.clone() for name, value in model.state_dict().items()}})
        found[-1]["gradients"] = {name: each.grad for name, each in parameters.items()}
        found[-1]["flags"] = [module.training for module in model.modules()]
        found[-1]["trains"] = [parameter.requires_grad for parameter in parameters.values()]
    return found


@pytest.mark.task(2)
def test_a_step_leaves_the_model_alone(submission, rng):
    """step looks at the model and copies; weights, gradients and modes are as before, also at the stop."""
    states, modes = random_states(rng, 4), [True, True, False, True]
    call = "EarlyStopping(patience=1), then step(metric, model) on 3.0, 2.0, 5.0, 4.0"
    got = submission.run(step_and_look, states, [3.0, 2.0, 5.0, 4.0], modes, call=call)
    hint = "The training goes on after step. What did yours change about the model, and who would have asked for it?"
    doubled = [{key: value * 2 for key, value in state.items() if key.endswith(("weight", "bias"))} for state in states]
    for call_number, found in enumerate(got):
        check_state(found["state"], states, call_number, f"the model after call {call_number}", hint)
        check_state(found["gradients"], doubled, call_number, f"its gradients after call {call_number}", hint)
        check_equal(found["flags"], modes, what=f"the training flags after call {call_number}", hint=hint)
        check_equal(found["trains"], [True] * 6, what="requires_grad of the parameters", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: the file
# ---------------------------------------------------------------------------------------------------------------------


def train_with_a_file(sub, states, metrics, patience, kind):
    import os
    import pathlib
    import tempfile

    import torch
    from torch import nn

    hidden, features = states[0]["0.weight"].shape
    device = states[0]["0.weight"].device
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
    model = nn.Sequential(*parts).to(device)
    folder = pathlib.Path(tempfile.mkdtemp()).resolve()
    os.chdir(folder)
    path = {"str": str(folder / "best.pt"), "Path": folder / "best.pt", "bare name": "best.pt", "None": None}[kind]
    stopper, found = sub.EarlyStopping(patience=patience, path=path), []
    for state, metric in zip(states, metrics, strict=True):
        model.load_state_dict(state)
        stopper.step(metric, model)
        names = sorted(each.name for each in folder.iterdir())
        inside = torch.load("best.pt", weights_only=True, map_location=device) if "best.pt" in names else None
        found.append({"names": names, "inside": dict(inside) if isinstance(inside, dict) else inside})
    return found


def files(names: Any) -> str:
    """What lies in a folder, in words."""
    if type(names) is not list or not all(type(name) is str for name in names):
        return show(names)
    return f"a folder with {', '.join(names)}" if names else "an empty folder"


FILE = "EarlyStopping(patience={}, path={}), epochs with metrics {}, and after each a look into the folder"


def check_files(submission, states, metrics, best: list[int | None], hint: str, patience: int = 9, kind: str = "str"):
    spelled = {"str": '"/somewhere/best.pt"', "Path": 'Path("/somewhere/best.pt")', "bare name": '"best.pt"'}[kind]
    call = FILE.format(patience, spelled, written(metrics))
    got = submission.run(train_with_a_file, states, metrics, patience, kind, call=call)
    for number_of_call, (found, epoch) in enumerate(zip(got, best, strict=True)):
        if epoch is None:
            check_equal(found["names"], [], what=f"the names in the folder after call {number_of_call}", hint=hint)
            continue
        due = "best.pt" in found["names"]
        check(due, expected=f"best.pt after call {number_of_call}", got=files(found["names"]), hint=hint)
        check_state(found["inside"], states, epoch, f"the file after call {number_of_call}", hint)


@pytest.mark.task(3)
def test_the_file_holds_the_best_state_dict(submission, rng):
    """torch.load(path, weights_only=True) gives exactly the best state_dict."""
    hint = "What does the file hold beside the state_dict, or instead of it? And when is it written?"
    check_files(submission, random_states(rng, 2), [2.0, 3.0], [0, 0], hint)


@pytest.mark.task(3)
def test_the_path_may_be_a_path_object_or_a_name_in_this_folder(submission, rng):
    """path="/somewhere/best.pt", Path("/somewhere/best.pt") and path="best.pt" are all paths."""
    hint = (
        "What is the folder of 'best.pt'? And what can be done with a Path, and not with a str, or the other way round?"
    )
    for kind in ("Path", "bare name"):
        check_files(submission, random_states(rng, 1), [2.0], [0], hint, kind=kind)


@pytest.mark.task(3)
def test_the_file_is_renewed_by_each_better_metric_and_by_no_other(submission, rng):
    """At every moment of a training the file holds the best weights so far: after a crash they are there."""
    metrics, best = [4.0, 3.0, 5.0, 2.0, 2.0, NAN], [0, 1, 1, 3, 3, 3]
    hint = "The file belongs to the best weights. In which case of your step is it written?"
    check_files(submission, random_states(rng, 6), metrics, best, hint)


@pytest.mark.task(3)
def test_after_the_stop_a_better_metric_still_renews_the_file(submission, rng):
    """What is kept and what is in the file are the same, also after the stop."""
    hint = "Does anything in your step end early once it is stopped?"
    check_files(submission, random_states(rng, 4), [4.0, 5.0, 3.0, 6.0], [0, 0, 2, 2], hint, patience=1)


@pytest.mark.task(3)
def test_without_an_improvement_there_is_no_file(submission, rng):
    """As long as every metric is NaN there is nothing worth writing."""
    hint = "The file holds the best weights. Whose would they be at this moment, and is it written when there are some?"
    check_files(submission, random_states(rng, 3), [NAN, NAN, 2.0], [None, None, 2], hint)


@pytest.mark.task(3)
def test_without_a_path_nothing_is_written(submission, rng):
    """path=None is the default: no file, under no name."""
    call = "EarlyStopping(patience=9), epochs with metrics 3.0, 2.0, 4.0, and after each a look into the folder"
    got = submission.run(train_with_a_file, random_states(rng, 3), [3.0, 2.0, 4.0], 9, "None", call=call)
    names = [found["names"] for found in got]
    hint = "Nobody asked for a file. Which statement writes one all the same, and where?"
    check_equal(names, [[]] * 3, what="the names in the folder after each epoch", hint=hint)


@pytest.mark.task(3)
def test_nothing_is_left_beside_the_file(submission, rng):
    """After each step the folder holds the file, and nothing else."""
    call = FILE.format(9, '"/somewhere/best.pt"', "4.0, 3.0, 5.0, 2.0")
    got = submission.run(train_with_a_file, random_states(rng, 4), [4.0, 3.0, 5.0, 2.0], 9, "str", call=call)
    names = [found["names"] for found in got]
    hint = "Whatever your way of writing needs for a while, who takes it away again?"
    check_equal(names, [["best.pt"]] * 4, what="the names in the folder, step by step", hint=hint)


def read_across_a_step(sub, states):
    import io
    import pathlib
    import tempfile

    import torch
    from torch import nn

    hidden, features = states[0]["0.weight"].shape
    device = states[0]["0.weight"].device
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
    model = nn.Sequential(*parts).to(device)
    path = pathlib.Path(tempfile.mkdtemp()) / "best.pt"
    stopper = sub.EarlyStopping(patience=9, path=str(path))
    model.load_state_dict(states[0])
    stopper.step(2.0, model)
    with path.open("rb", buffering=0) as reader:
        content = reader.read(path.stat().st_size // 2)
        model.load_state_dict(states[1])
        stopper.step(1.0, model)
        content += reader.readall()
    try:
        inside = torch.load(io.BytesIO(content), weights_only=True, map_location=device)
    except Exception as error:  # noqa: BLE001 whatever is wrong with it
        inside = f"a file that can't be loaded ({type(error).__name__})"
    after = torch.load(path, weights_only=True, map_location=device)
    return dict(inside) if isinstance(inside, dict) else inside, dict(after)


@pytest.mark.task(3)
def test_who_reads_the_old_file_reads_it_to_its_end(submission, rng):
    """Someone has read half of the old file when the new one is written: the other half must still be the old one."""
    states = random_states(rng, 2)
    call = 'half of "best.pt" is read, then comes a better metric: step(1.0, model), then the other half is read'
    got = submission.run(read_across_a_step, states, call=call)
    hint = "Is the new content written into the old file, or is a new file put in the old one's place?"
    check_state(got[0], states, 0, "what the reader got", hint, buffers=hint)
    check_state(got[1], states, 1, "what is there afterwards", hint)


def look_all_the_time(sub, states, beside):
    import io
    import os
    import pathlib
    import shutil
    import sys
    import tempfile
    import threading

    import torch
    from torch import nn

    hidden, features = states[0]["0.weight"].shape
    device = states[0]["0.weight"].device
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(states[0]["2.bias"]))
    model = nn.Sequential(*parts).to(device)
    elsewhere = pathlib.Path(beside)  # a file system of its own, where the machine has one
    folder = pathlib.Path(tempfile.mkdtemp(dir=elsewhere if os.access(elsewhere, os.W_OK) else None))
    path, seen = folder / "best.pt", []
    stopper = sub.EarlyStopping(patience=9, path=str(path))

    def look(*_):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            content = None
        else:
            content = b""
            while more := os.read(descriptor, 1 << 20):
                content += more
            os.close(descriptor)
        if not seen or seen[-1] != content:
            seen.append(content)

    try:
        for state, metric in zip(states, (2.0, 1.0), strict=True):
            model.load_state_dict(state)
            threading.setprofile(look)
            sys.setprofile(look)  # calls `look` at the beginning and the end of every function that runs
            try:
                stopper.step(metric, model)
            finally:
                sys.setprofile(None)
                threading.setprofile(None)
            look()
    finally:
        shutil.rmtree(folder)
    found = []
    for content in seen:
        try:
            inside = None
            if content is not None:
                inside = dict(torch.load(io.BytesIO(content), weights_only=True, map_location=device))
        except Exception as error:  # noqa: BLE001 whatever is wrong with it
            inside = f"{len(content)} bytes that can't be loaded ({type(error).__name__})"
        found.append(inside)
    return found[:8]


@pytest.mark.task(3)
def test_others_see_no_file_or_the_old_one_or_the_new_one(submission, rng):
    """A look at the path at each moment of two steps finds: no file, then the first one whole, then the second one."""
    states = random_states(rng, 2)
    call = "step(2.0, model), step(1.0, model), and a look at the file at each moment in between"
    got = submission.run(look_all_the_time, states, "/dev/shm", call=call)
    hint = "Between no file and the first one, and between the first and the second, there must be no moment at all."
    told = [*(f"a file of {len(each)} tensors" if type(each) is dict else str(each) for each in got[1:])]
    check(
        len(got) == 3 and got[0] is None and all(type(each) is dict for each in got[1:]),
        expected="what others see: no file, a whole file, another whole file",
        got=f"no file, {', '.join('no file' if each == 'None' else each for each in told)}",
        hint=hint,
    )
    check_state(got[1], states, 0, "the first file", hint)
    check_state(got[2], states, 1, "the second file", hint)


def write_on_a_full_disk(sub, good, large, metrics):
    import pathlib
    import resource
    import tempfile

    import torch
    from torch import nn

    device = large["weight"].device
    model = nn.Linear(large["weight"].shape[1], large["weight"].shape[0]).to(device)
    folder = pathlib.Path(tempfile.mkdtemp()).resolve()
    path = folder / "best.pt"

    def look():
        names = sorted(each.name for each in folder.iterdir())
        try:
            inside = torch.load(path, weights_only=True, map_location=device) if "best.pt" in names else None
        except Exception as error:  # noqa: BLE001 whatever is wrong with it
            inside = f"a file that can't be loaded ({type(error).__name__})"
        return {"names": names, "inside": dict(inside) if isinstance(inside, dict) else inside}

    stopper, found = sub.EarlyStopping(patience=9, path=str(path)), []
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    for number_of_call, metric in enumerate(metrics):
        model.load_state_dict({name: value + number_of_call for name, value in large.items()})
        if number_of_call in good:
            stopper.step(metric, model)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (large["weight"].nbytes // 2, room[1]))
            try:
                stopper.step(metric, model)
            except Exception:  # noqa: BLE001 what a failed write raises is free
                pass
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, room)
        found.append(look())
    return found


def full_disk(submission, rng, metrics: list[float], good: list[int], call: str) -> tuple[list[dict], list[State]]:
    """What lies in the folder after each call, and the states due. No file may hold more than half of one."""
    large = {"weight": torch.randn(96, 80, generator=rng), "bias": torch.randn(96, generator=rng)}
    states = [{name: value + n for name, value in large.items()} for n in range(len(metrics))]
    return submission.run(write_on_a_full_disk, good, large, metrics, call=call), states


@pytest.mark.task(3)
def test_a_write_that_fails_leaves_the_old_file(submission, rng):
    """The disk is full half-way through the new file: the old one is still there, whole."""
    call = 'EarlyStopping(9, path="best.pt"), step(2.0, model), then step(1.0, model) on a full disk'
    got, states = full_disk(submission, rng, [2.0, 1.0], [0], call)
    hint = "At the moment at which the write fails, what has become of the old file already?"
    check(
        "best.pt" in got[1]["names"],
        expected="best.pt, after the write that failed",
        got=files(got[1]["names"]),
        hint=hint,
    )
    check_state(got[1]["inside"], states, 0, "the file after the write that failed", hint)


@pytest.mark.task(3)
def test_a_write_that_fails_leaves_nothing_else(submission, rng):
    """The part that was written before the disk was full is of no use to anybody, and takes up room."""
    call = 'EarlyStopping(9, path="best.pt"), step(2.0, model), then step(1.0, model) on a full disk'
    got, _ = full_disk(submission, rng, [2.0, 1.0], [0], call)
    hint = "Which line takes your unfinished file away, and is it reached when torch.save raises?"
    check_equal(got[1]["names"], ["best.pt"], what="the names in the folder after the write that failed", hint=hint)


@pytest.mark.task(3)
def test_a_first_write_that_fails_leaves_no_file(submission, rng):
    """Where there was no file before, a failed write leaves none, and the next improvement is written as ever."""
    call = 'EarlyStopping(9, path="best.pt"), step(2.0, model) on a full disk, then step(1.0, model) with room again'
    got, states = full_disk(submission, rng, [2.0, 1.0], [1], call)
    hint = "Half a file under the right name is worse than none. Under which name do you write while it is not whole?"
    check_equal(got[0]["names"], [], what="the names in the folder after the write that failed", hint=hint)
    check_equal(got[1]["names"], ["best.pt"], what="the names in the folder after the next write", hint=hint)
    check_state(got[1]["inside"], states, 1, "the file after the next write", hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: fit_with_early_stopping
# ---------------------------------------------------------------------------------------------------------------------


def play_a_training(sub, start, states, metrics, settings, max_epochs):
    from torch import nn

    hidden, features = start["0.weight"].shape
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, len(start["2.bias"]))
    model, calls = nn.Sequential(*parts).to(start["0.weight"].device), []
    model.load_state_dict(start)

    def train_one_epoch(model):
        epoch = calls.count("train")
        calls.append("train")
        model.load_state_dict(states[min(epoch, len(states) - 1)])
        return 99.0  # a training loss: nobody asked for it

    def validate(model):
        epoch = calls.count("validate")
        calls.append("validate")
        return metrics[epoch] if epoch < len(metrics) else float("nan")

    stopper = sub.EarlyStopping(**settings)
    got = sub.fit_with_early_stopping(model, train_one_epoch, validate, stopper, max_epochs)
    attributes = [stopper.best, stopper.best_step, stopper.bad_steps, stopper.stopped]
    return {"metrics": got, "calls": calls, "model": dict(model.state_dict()), "stopper": attributes}


FIT = "fit_with_early_stopping(model, train_one_epoch, validate, EarlyStopping({}), max_epochs={})"


def fit(submission, rng, metrics: list[float], max_epochs: int, **settings: Any) -> tuple[dict, State, list[State]]:
    """What came, the weights at the start, and those of each epoch."""
    start, *states = random_states(rng, 1 + len(metrics))
    given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    call = f"{FIT.format(given, max_epochs)}, metrics {written(metrics)}"
    return submission.run(play_a_training, start, states, metrics, settings, max_epochs, call=call), start, states


@pytest.mark.task(4)
def test_it_ends_when_the_stopper_says_so(submission, rng):
    """The epoch at which step returns True is the last one; its metric is in the list too."""
    metrics = [4.0, 3.0, 3.5, 3.25, 2.0, 1.0]
    got, _, _ = fit(submission, rng, metrics, 6, patience=2)
    hint = "Who decides that it is over, and what has been done with this epoch's metric by then?"
    check_equal(got["metrics"], metrics[:4], what="the metrics", hint=hint)


@pytest.mark.task(4)
def test_the_best_weights_are_left_after_a_stop(submission, rng):
    """The stopper stops two epochs after the best one; the model ends with the best weights, buffers included."""
    got, _, states = fit(submission, rng, [4.0, 3.0, 3.5, 3.25, 2.0], 5, patience=2)
    hint = "When the loop ends the model holds the last epoch's weights. Whose are wanted?"
    check_state(got["model"], states, 1, "the model at the end", hint, name="epoch")


@pytest.mark.task(4)
def test_the_best_weights_are_left_when_the_epochs_run_out(submission, rng):
    """The epochs run out before the patience does: the best weights are wanted all the same."""
    metrics = [4.0, 2.0, 3.0, 2.5]
    got, _, states = fit(submission, rng, metrics, 4, patience=9)
    hint = "There are two ways out of your loop, by the stopper and by max_epochs. What is true after each of them?"
    check_equal(got["metrics"], metrics, what="the metrics", hint=hint)
    check_state(got["model"], states, 1, "the model at the end", hint, name="epoch")


@pytest.mark.task(4)
def test_the_last_epoch_may_be_the_best(submission, rng):
    """A training that improves to its end keeps its last weights."""
    got, _, states = fit(submission, rng, [4.0, 5.0, 3.0], 3, patience=9)
    hint = "Has the stopper seen the last epoch's metric when you restore?"
    check_state(got["model"], states, 2, "the model at the end", hint, name="epoch")


@pytest.mark.task(4)
def test_each_epoch_trains_then_validates(submission, rng):
    """One call of each function per epoch: first the training, then the validation of what it made."""
    got, _, _ = fit(submission, rng, [4.0, 3.0, 5.0], 3, patience=9)
    hint = "A metric belongs to the weights that the epoch's training made. Who is called first, and how often?"
    check_equal(got["calls"], ["train", "validate"] * 3, what="the calls", hint=hint)


def ever_better(sub, weight, max_epochs):
    import torch
    from torch import nn

    model = nn.Linear(1, 1, bias=False).to(weight.device)
    nn.init.zeros_(model.weight)
    stopper = sub.EarlyStopping(patience=1)

    def train_one_epoch(given):
        with torch.no_grad():
            given.weight.add_(weight)

    def validate(given):
        return -given.weight.item()

    metrics = sub.fit_with_early_stopping(model, train_one_epoch, validate, stopper, max_epochs)
    return metrics, model.weight.detach()


@pytest.mark.task(4)
def test_no_more_than_max_epochs(submission):
    """A training that always improves ends with max_epochs, and max_epochs=0 trains not at all."""
    hint = "What ends your loop when the stopper never does? Count the epochs."
    for max_epochs in (7, 1, 0):
        call = FIT.format("patience=1", max_epochs) + ", each epoch adds 3 to the weight, the metric is -weight"
        metrics, weight = submission.run(ever_better, torch.tensor([[3.0]]), max_epochs, call=call)
        check_equal(metrics, [-3.0 * n for n in range(1, max_epochs + 1)], what="the metrics", hint=hint)
        check_tensor(weight, torch.tensor([[3.0 * max_epochs]]), what="the weight", hint=hint)


@pytest.mark.task(4)
def test_without_any_improvement_the_model_stays_as_it_is(submission, rng):
    """Every metric is NaN: there are no best weights, so the model keeps those of its last epoch, without an error."""
    got, _, states = fit(submission, rng, [NAN] * 5, 5, patience=3)
    hint = "restore raises where there is nothing to restore. What should fit do in that case, and how does it know?"
    due = type(got["metrics"]) is list and [type(metric) is float and metric != metric for metric in got["metrics"]]
    check(due == [True] * 3, expected="the metrics: [nan, nan, nan]", got=show(got["metrics"]), hint=hint)
    check_state(got["model"], states, 2, "the model at the end", hint, name="epoch")


@pytest.mark.task(4)
def test_the_stopper_that_is_given_is_the_one_that_is_asked(submission, rng):
    """Its patience, min_delta and mode hold, and afterwards it can be asked for the best epoch."""
    metrics = [0.25, 0.5, 0.125, 0.75, 0.5, 0.875, 0.9375]
    got, _, states = fit(submission, rng, metrics, 7, patience=2, min_delta=0.25, mode="max")
    hint = "The caller has set the stopper up, and reads it afterwards. Is every metric handed to this very one?"
    check_equal(got["metrics"], metrics[:3], what="the metrics", hint=hint)
    check_equal(got["stopper"], [0.25, 0, 2, True], what="best, best_step, bad_steps, stopped", hint=hint)
    check_state(got["model"], states, 0, "the model at the end", hint, name="epoch")


def descend(sub, start, train_target, val_target, lr, patience, max_epochs):
    import torch
    from torch import nn

    model = nn.Linear(len(start), 1, bias=False).to(start)
    model.load_state_dict({"weight": start[None]})

    def train_one_epoch(model):
        loss = (model.weight[0] - train_target).square().sum() / 2
        (slope,) = torch.autograd.grad(loss, [model.weight])
        with torch.no_grad():
            model.weight -= lr * slope

    def validate(model):
        with torch.no_grad():
            return (model.weight[0] - val_target).square().sum().item()

    stopper = sub.EarlyStopping(patience)
    metrics = sub.fit_with_early_stopping(model, train_one_epoch, validate, stopper, max_epochs)
    return metrics, model.weight.detach()[0]


@pytest.mark.task(4)
def test_gradient_descent_that_walks_past_the_best_point(submission, rng):
    """A real descent: on its way to the training optimum it passes near the validation optimum, and is stopped."""
    start, way, aside = torch.randn(3, 4, generator=rng, dtype=torch.float64)
    train_target, val_target = start + way, start + way / 2 + aside / 8
    weight, weights, metrics = start, [], []
    for _ in range(40):
        weight = weight - 0.125 * (weight - train_target)
        weights.append(weight)
        metrics.append((weight - val_target).square().sum().item())
    rows = worked_out(metrics, patience=3)
    epochs = next((n + 1 for n, row in enumerate(rows) if row["stopped"]), len(rows))
    best = rows[epochs - 1]["best_step"]
    call = FIT.format("patience=3", 40) + ", plain gradient descent"
    got, found = submission.run(descend, start, train_target, val_target, 0.125, 3, 40, call=call)
    hint = "Print epoch, metric and weights side by side: where is the smallest metric, and where did you end?"
    count = len(got) if type(got) is list else None
    check(
        count == epochs,
        expected=f"a list of {epochs} metrics",
        got=show(got) if count is None else f"a list of {count}",
        hint=hint,
    )
    for epoch in range(epochs):
        check_close(got[epoch], metrics[epoch], rel=1e-9, what=f"the metric of epoch {epoch}", hint=hint)
    check_tensor(found, weights[best], what="the weights", hint=hint)
