"""Hidden suite of exercise 6.

The judge works every learning rate out by itself, in plain Python, before the call: numbers by hand, or loops that
count epoch by epoch. The drivers make real optimisers of torch.optim; the judge imports nothing of it. Metrics and
thresholds are dyadic wherever a tie matters, so that every way to write a comparison gives the same answer.
"""

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from grader.checks import check, check_close, check_raises, check_tensor, show

Rates = list[float]  # the lr of each parameter group
Steps = list[list[float]]  # the arguments of each call of step

# Measured: WarmupCosine by the formula in float64, as a recursion (PyTorch's own form), and in float32, 300 random
# settings with all of their t: off by at most 4e-16, 4e-15 and 1.6e-7 of the initial lr.
SLACK = 1e-6  # of a group's initial lr; on top of a relative 1e-6


# ---------------------------------------------------------------------------------------------------------------------
# The judge's own schedules
# ---------------------------------------------------------------------------------------------------------------------


def random_rates(rng: torch.Generator, number: int) -> Rates:
    """Different ones, from 0.10 to 0.99."""
    return [(10 + rate) / 100 for rate in torch.randperm(90, generator=rng)[:number].tolist()]


def random_int(rng: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=rng))


def step_decay(lrs: Rates, steps: int, step_size: int, gamma: float = 0.1) -> list[Rates]:
    """The lrs before the first step and after each, counted epoch by epoch."""
    rows, cuts = [lrs], 0
    for t in range(1, steps + 1):
        cuts += t % step_size == 0
        rows.append([math.prod([lr, *[gamma] * cuts]) for lr in lrs])
    return rows


def warm_cosine(lrs: Rates, steps: int, warmup_steps: int, total_steps: int, min_lr: float = 0.0) -> list[Rates]:
    """(1 + cos x) / 2 is the square of cos(x / 2)."""
    rows = []
    for t in range(steps + 1):
        if t < warmup_steps:
            rows.append([lr / warmup_steps * (t + 1) for lr in lrs])
        elif t < total_steps:
            share = math.cos(math.pi / 2 * (t - warmup_steps) / (total_steps - warmup_steps)) ** 2
            rows.append([min_lr + (lr - min_lr) * share for lr in lrs])
        else:
            rows.append([min_lr] * len(lrs))
    return rows


def cut_rates(lrs: Rates, cuts: list[int], factor: float, min_lr: float = 0.0) -> list[Rates]:
    """`cuts` counts the cuts after each step; before the first step there are none."""
    return [[max(math.prod([lr, *[factor] * number]), min_lr) for lr in lrs] for number in [0, *cuts]]


def judge_epochs(metrics: list[float], patience: int, threshold: float, mode: str) -> tuple[list[int], list[str]]:
    """How many cuts there have been after each epoch, and what kind of epoch it was, in words."""
    good: list[float] = []
    bad, cuts, counted, words = 0, 0, [], []
    for metric in metrics:
        bound = good[-1] * (1 - threshold if mode == "min" else 1 + threshold) if good else None
        beyond = bound is None or (metric < bound if mode == "min" else metric > bound)
        if beyond and not math.isnan(metric):
            good.append(metric)
            bad = 0
            words.append("a good epoch")
        else:
            bad += 1
            words.append(f"bad epoch {bad} in a row" if bad > 1 else "a bad epoch")
        if bad == patience + 1:
            bad, cuts = 0, cuts + 1
        counted.append(cuts)
    return counted, words


# ---------------------------------------------------------------------------------------------------------------------
# What runs in the worker, and what the judge says of it
# ---------------------------------------------------------------------------------------------------------------------


def follow(sub, name, lrs, args, settings, steps):
    """The lrs in the optimiser's groups, before the first step and after each."""
    import torch

    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=2.0)
    scheduler = getattr(sub, name)(optimizer, *args, **settings)
    rows = [[group["lr"] for group in optimizer.param_groups]]
    for arguments in steps:
        scheduler.step(*arguments)
        rows.append([group["lr"] for group in optimizer.param_groups])
    return rows


def follow_last_lr(sub, name, lrs, settings, steps):
    """`last_lr` before the first step and after each."""
    import torch

    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
    scheduler = getattr(sub, name)(torch.optim.SGD(groups, lr=2.0), **settings)
    rows = []
    for arguments in [None, *steps]:
        if arguments is not None:
            scheduler.step(*arguments)
        last = scheduler.last_lr
        rows.append(last.copy() if type(last) is list else last)
    return rows


def written(name: str, settings: dict[str, Any], args: list[Any] | None = None) -> str:
    """The line that makes the schedule."""
    words = [repr(value) for value in args or []] + [f"{key}={value!r}" for key, value in settings.items()]
    return f"{name}({', '.join(['optimizer', *words])})"


def called(name: str, settings: dict[str, Any], steps: Steps, args: list[Any] | None = None) -> str:
    step = "step(metric)" if name == "ReduceOnPlateau" else "step()"
    times = {0: "", 1: f", then {step}"}.get(len(steps), f", then {step} {len(steps)} times")
    return written(name, settings, args) + times


def check_row(got: Any, expected: Rates, initial: Rates, what: str, slack: float, hint: str) -> None:
    check(
        type(got) is list and len(got) == len(expected),
        expected=f"{what}: a list of {len(expected)} numbers",
        got=show(got),
        hint=hint,
    )
    for group, (lr, right, start) in enumerate(zip(got, expected, initial, strict=True)):
        label = f"{what}, group {group} ({start:g} at first)"
        check_close(lr, right, abs=slack * start, what=label, hint=hint)


def check_rows(
    got: Any,
    expected: list[Rates],
    initial: Rates,
    name: str,
    hint: str,
    *,
    what: str = "lr",
    words: tuple[str, ...] = (),
) -> None:
    """The first row is that before the first step; `words` say something of each step."""
    slack = SLACK if name == "WarmupCosine" else 0.0
    for t, right in enumerate(expected):
        word = f" ({words[t - 1]})" if words and t else ""
        check_row(
            got[t], right, initial, f"{what} after step {t}{word}" if t else f"{what} before any step", slack, hint
        )


def run(submission, name, lrs, settings, steps: Steps, expected: list[Rates], hint: str, args=()) -> None:
    call = called(name, settings, steps, list(args))
    got = submission.run(follow, name, lrs, list(args), settings, steps, call=call)
    words: list[str] = []
    if name == "ReduceOnPlateau":
        names = ("factor", "patience", "threshold", "mode", "min_lr")
        given = {"patience": 10, "threshold": 1e-4, "mode": "min"} | dict(zip(names, args, strict=False)) | settings
        metrics = [metric for (metric,) in steps]
        _, words = judge_epochs(metrics, given["patience"], given["threshold"], given["mode"])
    check_rows(got, expected, lrs, name, hint, words=tuple(words))


def times(number: int) -> Steps:
    return [[] for _ in range(number)]


# ---------------------------------------------------------------------------------------------------------------------
# What holds for each of the three, worked out once
# ---------------------------------------------------------------------------------------------------------------------

OWN = "Four groups, four curves. Which lr does each one start from? Two of them begin with the same, one with 0."


def check_last_lr(submission, name, lrs, settings, steps: Steps, expected: list[Rates]) -> None:
    hint = "last_lr is read like an attribute, at any time, also before the first step. What holds at this moment?"
    call = called(name, settings, steps) + ", last_lr each time"
    got = submission.run(follow_last_lr, name, lrs, settings, steps, call=call)
    check_rows(got, expected, lrs, name, hint, what="last_lr")


def follow_two(sub, name, all_lrs, settings, all_steps):
    import torch

    optimizers = []
    for lrs in all_lrs:
        groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
        optimizers.append(torch.optim.SGD(groups, lr=2.0))
    schedulers = [getattr(sub, name)(optimizer, **settings) for optimizer in optimizers]
    rows = [[[group["lr"] for group in optimizer.param_groups]] for optimizer in optimizers]
    for number in range(max(map(len, all_steps))):
        for optimizer, scheduler, steps, own in zip(optimizers, schedulers, all_steps, rows, strict=True):
            if number < len(steps):
                scheduler.step(*steps[number])
                own.append([group["lr"] for group in optimizer.param_groups])
    return rows


def check_two(submission, name, lrs, settings, steps: list[Steps], expected: list[list[Rates]]) -> None:
    """Two schedules of one kind take turns; the second one ends earlier."""
    hint = "Two trainings in one program. What do two objects of your class share, and what is each one's own?"
    call = f"two of {written(name, settings)}, on an optimiser each, in turns"
    got = submission.run(follow_two, name, lrs, settings, steps, call=call)
    for number, word in enumerate(("first", "second")):
        check_rows(got[number], expected[number], lrs[number], name, hint, what=f"the {word} one's lr")


def train(sub, name, lrs, settings, steps, curvatures, starts, kind, options):
    """Minimises half of the sum of curvature · weight², a parameter group for each tensor of weights."""
    import torch

    weights = [torch.nn.Parameter(start.clone()) for start in starts]
    groups = [{"params": [weight], "lr": lr, **own} for weight, lr, own in zip(weights, lrs, options, strict=True)]
    optimizer = getattr(torch.optim, kind)(groups, lr=2.0)
    scheduler = getattr(sub, name)(optimizer, **settings)
    for arguments in steps:
        optimizer.zero_grad()
        loss = sum((c * weight.square()).sum() / 2 for c, weight in zip(curvatures, weights, strict=True))
        loss.backward()
        optimizer.step()
        scheduler.step(*arguments)
    return [weight.detach() for weight in weights]


def random_bowls(rng: torch.Generator, *sizes: int) -> tuple[list[Tensor], list[Tensor]]:
    """Curvatures from 0.2 to 1, and where to start."""
    curvatures = [0.2 + 0.8 * torch.rand(size, generator=rng, dtype=torch.float64) for size in sizes]
    return curvatures, [1 + torch.rand(size, generator=rng, dtype=torch.float64) for size in sizes]


def sgd_by_hand(curvature: Tensor, weight: Tensor, lrs: Rates, momentum: float) -> Tensor:
    velocity = torch.zeros_like(weight)
    for lr in lrs:
        velocity = momentum * velocity + curvature * weight
        weight = weight - lr * velocity
    return weight


def adam_by_hand(curvature: Tensor, weight: Tensor, lrs: Rates, beta: float) -> Tensor:
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    for count, lr in enumerate(lrs, start=1):
        slope = curvature * weight
        mean = beta * mean + (1 - beta) * slope
        square = 0.999 * square + 0.001 * slope.square()
        weight = weight - lr * mean / (1 - beta**count) / ((square / (1 - 0.999**count)).sqrt() + 1e-8)
    return weight


def check_training(submission, rng, name, lrs, settings, steps: Steps, rows: list[Rates], kind: str) -> None:
    """Real steps: each one uses the lr that was set before it. The groups differ in their momentum too."""
    curvatures, starts = random_bowls(rng, 3, 2)
    key, values = ("momentum", [0.9, 0.5]) if kind == "SGD" else ("betas", [0.9, 0.7])
    options = [{key: value if kind == "SGD" else (value, 0.999)} for value in values]
    by_hand = sgd_by_hand if kind == "SGD" else adam_by_hand
    expected = [
        by_hand(curvatures[group], starts[group], [row[group] for row in rows[: len(steps)]], values[group])
        for group in range(2)
    ]
    call = f"{len(steps)} times: optimizer.step(); scheduler.step(), with {kind} and {written(name, settings)}"
    arguments = (train, name, lrs, settings, steps, curvatures, starts, kind, options)
    got = submission.run(*arguments, call=call)
    hint = "The first step of all uses the lr of t = 0. What but the lr did your schedule touch in the optimiser?"
    for group in range(2):
        # The lrs may be off by 1e-6 of themselves, see SLACK.
        what = f"the weights of group {group} after the training"
        check_tensor(got[group], expected[group], rtol=1e-5, atol=1e-6, what=what, hint=hint)


def follow_without_torchs_own(sub, name, lrs, settings, steps):
    """Puts every class of torch.optim.lr_scheduler out of order before the submission is imported."""
    import inspect

    import torch
    from torch.optim import lr_scheduler

    used = []

    def put_out_of_order(kind):
        def refuse(*args, **kwargs):
            used.append(kind.__name__)
            raise RuntimeError(f"{kind.__name__} of torch.optim.lr_scheduler is out of order in this test")

        for attribute, value in list(vars(kind).items()):
            if inspect.isfunction(value):
                setattr(kind, attribute, refuse)
        kind.__init__ = refuse
        # A class that is built on it can still be made: the file is to be importable.
        kind.__init_subclass__ = classmethod(lambda cls, **kwargs: used.append(kind.__name__))

    for kind in list(vars(lr_scheduler).values()):
        if isinstance(kind, type) and issubclass(kind, lr_scheduler.LRScheduler):
            put_out_of_order(kind)
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=2.0)
    rows = []
    try:
        scheduler = getattr(sub, name)(optimizer, **settings)
        rows.append([group["lr"] for group in optimizer.param_groups])
        for arguments in steps:
            scheduler.step(*arguments)
            rows.append([group["lr"] for group in optimizer.param_groups])
    except BaseException:
        if not used:
            raise
    return {"used": used, "rows": rows}


def check_own_work(submission, name, lrs, settings, steps: Steps, expected: list[Rates]) -> None:
    """What the worker says of itself proves nothing; the right lrs, without torch's classes, do."""
    call = called(name, settings, steps) + ", torch.optim.lr_scheduler out of order"
    got = submission.run(follow_without_torchs_own, name, lrs, settings, steps, call=call)
    hint = "This exercise is about what is in those classes. What does a schedule need, if not one of them?"
    used = got["used"]
    what = f"{used[0]} of torch.optim.lr_scheduler at work" if used else ""
    check(not used, expected="a schedule that is all your own", got=what, hint=hint)
    hint = "No class of torch's was at work here. Is the lr right in the other tests of this task?"
    check_rows(got["rows"], expected, lrs, name, hint)


def make(sub, name, args, settings):
    """Makes a schedule, and does nothing with it."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.5)
    getattr(sub, name)(optimizer, *args, **settings)


def check_refused(submission, name, args, wrong: list[dict[str, Any]], hint: str) -> None:
    for settings in wrong:
        call = written(name, settings, args)
        check_raises(ValueError, submission.run, make, name, args, settings, call=call, hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: StepDecay
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(1)
def test_step_decay_goes_down_a_step_every_so_often(submission):
    """0.8 for three steps, then a half of it for three, then a quarter."""
    expected = [[lr] for lr in (0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.1)]
    hint = "Make a table of t, and of how many cuts there have been by then. At which t does the first one come?"
    run(submission, "StepDecay", [0.8], {"step_size": 3, "gamma": 0.5}, times(9), expected, hint)


@pytest.mark.task(1)
def test_step_decay_of_every_group_from_its_own_lr(submission, rng):
    """Four groups, two with the same lr and a frozen one with 0: each follows the curve from where it began."""
    low, high = random_rates(rng, 2)
    lrs, size = [low, high, low, 0.0], random_int(rng, 2, 4)
    expected = step_decay(lrs, 11, size, 0.25)
    run(submission, "StepDecay", lrs, {"step_size": size, "gamma": 0.25}, times(11), expected, OWN)


@pytest.mark.task(1)
def test_step_decay_cuts_to_a_tenth_by_default(submission, rng):
    """gamma is 0.1 unless something else is said."""
    lrs = random_rates(rng, 1)
    hint = "What is gamma when nobody gives one?"
    run(submission, "StepDecay", lrs, {}, times(5), step_decay(lrs, 5, 2), hint, args=[2])


@pytest.mark.task(1)
def test_step_decay_at_every_step(submission, rng):
    """step_size = 1 cuts at each step: lr · gamma^t. Arguments may be given by position."""
    lrs = random_rates(rng, 1)
    hint = "With a step_size of 1, t and the number of cuts are the same. What is the lr at t = 0, and at t = 1?"
    run(submission, "StepDecay", lrs, {}, times(12), step_decay(lrs, 12, 1, 0.75), hint, args=[1, 0.75])


@pytest.mark.task(1)
def test_step_decay_with_a_gamma_above_one_grows(submission, rng):
    """Nothing forbids a gamma above 1: the lr goes up."""
    lrs = random_rates(rng, 1)
    hint = "Only gamma <= 0 is refused. What else in your code takes it for granted that the lr goes down?"
    run(submission, "StepDecay", lrs, {"step_size": 2, "gamma": 2.0}, times(7), step_decay(lrs, 7, 2, 2.0), hint)


@pytest.mark.task(1)
def test_last_lr_of_step_decay(submission, rng):
    """last_lr is a list with the lr in force for each group, from the beginning."""
    lrs = random_rates(rng, 3)
    check_last_lr(submission, "StepDecay", lrs, {"step_size": 2, "gamma": 0.5}, times(4), step_decay(lrs, 4, 2, 0.5))


@pytest.mark.task(1)
def test_two_step_decays_side_by_side(submission, rng):
    """Each schedule has its own optimiser and its own count."""
    lrs = [random_rates(rng, 2), random_rates(rng, 2)]
    expected = [step_decay(lrs[0], 6, 2, 0.5), step_decay(lrs[1], 3, 2, 0.5)]
    check_two(submission, "StepDecay", lrs, {"step_size": 2, "gamma": 0.5}, [times(6), times(3)], expected)


@pytest.mark.task(1)
def test_sgd_follows_step_decay(submission, rng):
    """Ten real steps of SGD with momentum, a schedule's step after each."""
    lrs = random_rates(rng, 2)
    expected = step_decay(lrs, 10, 3, 0.5)
    check_training(submission, rng, "StepDecay", lrs, {"step_size": 3, "gamma": 0.5}, times(10), expected, "SGD")


@pytest.mark.task(1)
def test_step_decay_is_not_built_on_torchs_schedulers(submission, rng):
    """The schedule works while everything in torch.optim.lr_scheduler is out of order."""
    lrs = random_rates(rng, 1)
    check_own_work(submission, "StepDecay", lrs, {"step_size": 2, "gamma": 0.5}, times(5), step_decay(lrs, 5, 2, 0.5))


@pytest.mark.task(1)
def test_a_step_size_below_one_is_refused(submission):
    """Every 0 steps, every -2 steps: neither is a schedule, and both are a ValueError."""
    hint = "When should the user hear of it: when the schedule is made, or some steps later, as another error?"
    check_refused(submission, "StepDecay", [], [{"step_size": 0}, {"step_size": -2}], hint)


@pytest.mark.task(1)
def test_a_gamma_that_is_not_positive_is_refused(submission):
    """A gamma of 0 ends the training, a negative one turns it round: ValueError."""
    hint = "Which of 0.5, 0 and -0.5 is a share that an lr can be cut to?"
    check_refused(submission, "StepDecay", [3], [{"gamma": 0.0}, {"gamma": -0.5}], hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: WarmupCosine
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(2)
def test_warmup_cosine_worked_by_hand(submission):
    """From 1.2: a quarter more at each of 4 steps, then half a cosine over 6; min_lr is 0 unless given."""
    root = math.sqrt(3) / 2  # the cosine of 30 degrees
    down = [0.6 * (1 + cosine) for cosine in (1, root, 0.5, 0, -0.5, -root, -1)]
    expected = [[lr] for lr in (0.3, 0.6, 0.9, 1.2, *down)]
    hint = "The line and the cosine meet at 1.2. Which t belong to which of them, and how far along is this one?"
    run(submission, "WarmupCosine", [1.2], {"warmup_steps": 4, "total_steps": 10}, times(10), expected, hint)


@pytest.mark.task(2)
def test_the_warmup_begins_before_the_first_step(submission, rng):
    """The lr of t = 0 is set when the schedule is made: the very first step is a small one already."""
    lrs, size = random_rates(rng, 1), random_int(rng, 5, 9)
    hint = "Who sets the lr that the optimiser's first step uses, if your step() comes only after it?"
    settings = {"warmup_steps": size, "total_steps": 20}
    run(submission, "WarmupCosine", lrs, settings, times(1), warm_cosine(lrs, 1, size, 20), hint)


@pytest.mark.task(2)
def test_warmup_cosine_of_every_group_from_its_own_lr(submission, rng):
    """Four groups, two with the same lr and a frozen one with 0: own lines, own cosines."""
    low, high = random_rates(rng, 2)
    lrs, warmup, total = [high, low, 0.0, high], random_int(rng, 2, 4), random_int(rng, 9, 13)
    settings = {"warmup_steps": warmup, "total_steps": total}
    expected = warm_cosine(lrs, total, warmup, total)
    run(submission, "WarmupCosine", lrs, settings, times(total), expected, OWN)


@pytest.mark.task(2)
def test_the_cosine_ends_at_min_lr(submission):
    """From 0.9 to a min_lr of 0.1: half way the lr is 0.5, at the end 0.1. Arguments may be given by position."""
    expected = [[lr] for lr in (0.9, 0.5 + 0.4 * math.sqrt(0.5), 0.5, 0.5 - 0.4 * math.sqrt(0.5), 0.1)]
    hint = "The cosine spans the way from lr to min_lr. What is its middle, and is that the lr at half time?"
    run(submission, "WarmupCosine", [0.9], {}, times(4), expected, hint, args=[0, 4, 0.1])


@pytest.mark.task(2)
def test_past_the_end_the_lr_stays_at_min_lr(submission, rng):
    """A training may go on after total_steps: the lr does not rise again."""
    lrs = random_rates(rng, 1)
    settings = {"warmup_steps": 2, "total_steps": 6, "min_lr": 0.0625}
    hint = "A cosine has a period: what does it do beyond half of it? And where should the lr be, long after the end?"
    run(submission, "WarmupCosine", lrs, settings, times(18), warm_cosine(lrs, 18, 2, 6, 0.0625), hint)


@pytest.mark.task(2)
def test_without_a_warmup_the_cosine_begins_at_once(submission, rng):
    """warmup_steps = 0: the full lr at t = 0."""
    lrs = random_rates(rng, 1)
    hint = "With warmup_steps = 0 no t is below it. Which formula holds from t = 0 on, and how long is the way?"
    settings = {"warmup_steps": 0, "total_steps": 5}
    run(submission, "WarmupCosine", lrs, settings, times(5), warm_cosine(lrs, 5, 0, 5), hint)


@pytest.mark.task(2)
def test_a_warmup_of_one_step(submission, rng):
    """warmup_steps = 1: the full lr at t = 0, and again at t = 1, where the cosine begins."""
    lrs = random_rates(rng, 1)
    hint = "Put t = 0 and w = 1 into the line, then t = 1 and w = 1 into the cosine."
    settings = {"warmup_steps": 1, "total_steps": 5}
    run(submission, "WarmupCosine", lrs, settings, times(5), warm_cosine(lrs, 5, 1, 5), hint)


@pytest.mark.task(2)
def test_a_cosine_of_one_step(submission, rng):
    """total_steps = warmup_steps + 1: from the full lr to min_lr in a single step."""
    lrs = random_rates(rng, 1)
    hint = "How many steps is the cosine long here, and which two values does it have?"
    settings = {"warmup_steps": 3, "total_steps": 4, "min_lr": 0.05}
    run(submission, "WarmupCosine", lrs, settings, times(4), warm_cosine(lrs, 4, 3, 4, 0.05), hint)


@pytest.mark.task(2)
def test_a_warmup_may_begin_below_min_lr(submission, rng):
    """min_lr is where the cosine ends; the line begins at lr / warmup_steps, and may be lower."""
    lrs = random_rates(rng, 1)
    floor = lrs[0] / 4
    hint = "Which of the two formulas does min_lr stand in?"
    settings = {"warmup_steps": 8, "total_steps": 11, "min_lr": floor}
    run(submission, "WarmupCosine", lrs, settings, times(11), warm_cosine(lrs, 11, 8, 11, floor), hint)


@pytest.mark.task(2)
def test_last_lr_of_warmup_cosine(submission, rng):
    """last_lr is a list with the lr in force for each group, also during the warm-up."""
    lrs = random_rates(rng, 3)
    settings = {"warmup_steps": 2, "total_steps": 5}
    check_last_lr(submission, "WarmupCosine", lrs, settings, times(5), warm_cosine(lrs, 5, 2, 5))


@pytest.mark.task(2)
def test_two_warmup_cosines_side_by_side(submission, rng):
    """Each schedule has its own optimiser and its own count."""
    lrs = [random_rates(rng, 2), random_rates(rng, 2)]
    expected = [warm_cosine(lrs[0], 6, 2, 6), warm_cosine(lrs[1], 4, 2, 6)]
    check_two(submission, "WarmupCosine", lrs, {"warmup_steps": 2, "total_steps": 6}, [times(6), times(4)], expected)


@pytest.mark.task(2)
def test_adam_follows_warmup_cosine(submission, rng):
    """Nine real steps of Adam, a schedule's step after each."""
    lrs = random_rates(rng, 2)
    settings = {"warmup_steps": 3, "total_steps": 8, "min_lr": 0.05}
    expected = warm_cosine(lrs, 9, 3, 8, 0.05)
    check_training(submission, rng, "WarmupCosine", lrs, settings, times(9), expected, "Adam")


@pytest.mark.task(2)
def test_warmup_cosine_is_not_built_on_torchs_schedulers(submission, rng):
    """The schedule works while everything in torch.optim.lr_scheduler is out of order."""
    lrs = random_rates(rng, 1)
    settings = {"warmup_steps": 2, "total_steps": 5}
    check_own_work(submission, "WarmupCosine", lrs, settings, times(5), warm_cosine(lrs, 5, 2, 5))


@pytest.mark.task(2)
def test_a_warmup_that_leaves_no_room_is_refused(submission):
    """The cosine needs at least one step after the warm-up: total_steps <= warmup_steps is a ValueError."""
    wrong = [
        {"warmup_steps": 5, "total_steps": 5},
        {"warmup_steps": 5, "total_steps": 3},
        {"warmup_steps": 0, "total_steps": 0},
    ]
    hint = "How many steps are left for the cosine? What do you divide by them?"
    check_refused(submission, "WarmupCosine", [], wrong, hint)


@pytest.mark.task(2)
def test_a_negative_warmup_or_min_lr_is_refused(submission):
    """A warm-up of -1 steps, or a min_lr below 0: ValueError."""
    wrong = [
        {"warmup_steps": -1, "total_steps": 5},
        {"warmup_steps": 2, "total_steps": 5, "min_lr": -0.01},
    ]
    hint = "Each number by itself: what is the smallest value that makes sense?"
    check_refused(submission, "WarmupCosine", [], wrong, hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: ReduceOnPlateau
# ---------------------------------------------------------------------------------------------------------------------


def run_plateau(submission, rng, metrics: list[float], cuts: list[int], hint: str, **settings: Any) -> None:
    """`cuts`, by hand: how many there have been after each metric. The metrics' scale changes nothing."""
    lrs, scale = random_rates(rng, 1), 2.0 ** random_int(rng, -2, 3)
    settings = {"factor": 0.5, **settings}
    expected = cut_rates(lrs, cuts, settings["factor"], settings.get("min_lr", 0.0))
    run(submission, "ReduceOnPlateau", lrs, settings, [[scale * metric] for metric in metrics], expected, hint)


@pytest.mark.task(3)
def test_one_bad_epoch_too_many_cuts(submission, rng):
    """patience = 2 bears two bad epochs in a row; the third one cuts."""
    hint = "Write down how many bad epochs in a row there are after each metric. At which number is patience exceeded?"
    run_plateau(submission, rng, [4, 5, 5, 6, 6], [0, 0, 0, 1, 1], hint, patience=2)


@pytest.mark.task(3)
def test_the_count_starts_again_after_a_cut(submission, rng):
    """On a long plateau with patience = 1 every second epoch cuts, and no more."""
    hint = "After a cut, how many bad epochs are there to be until the next? What did the cut do to your count?"
    run_plateau(submission, rng, [1, 2, 2, 3, 3, 3, 4, 4], [0, 0, 1, 1, 2, 2, 3, 3], hint, patience=1)


@pytest.mark.task(3)
def test_a_good_epoch_ends_a_row_of_bad_ones(submission, rng):
    """Only bad epochs in a row count; one good epoch, and the count is back at 0. The lr does not go back up."""
    hint = "Bad, bad, good, bad: how many bad epochs in a row is that now?"
    run_plateau(submission, rng, [8, 9, 9, 4, 5, 5, 5, 2], [0, 0, 0, 0, 0, 0, 1, 1], hint, patience=2)


@pytest.mark.task(3)
def test_the_best_counts_and_not_the_epoch_before(submission, rng):
    """A metric that jumped up and comes down again is not good until it beats the best."""
    hint = "Each of these metrics beats the one before it. Is that what the metric has to beat?"
    run_plateau(submission, rng, [1, 4, 3, 2, 1.5, 0.5], [0, 0, 1, 1, 2, 2], hint, patience=1)


@pytest.mark.task(3)
def test_a_cut_does_not_forget_the_best(submission, rng):
    """After a cut the metric has to beat the same best as before."""
    hint = "A cut changes the lr and the count. What of the best?"
    run_plateau(submission, rng, [2, 4, 3, 2.5, 1], [0, 1, 2, 3, 3], hint, patience=0)


@pytest.mark.task(3)
def test_the_first_metric_is_good(submission, rng):
    """There is nothing to compare the first metric with, so it is the best, whatever its sign."""
    hint = "What is the best before there was any metric? Would every number be better than that, in both modes?"
    for mode, metrics in (("min", [3, 4]), ("max", [-3, -4])):
        run_plateau(submission, rng, metrics, [0, 1], hint, patience=0, mode=mode)


@pytest.mark.task(3)
def test_patience_zero_cuts_at_every_bad_epoch(submission, rng):
    """patience = 0 is allowed. An epoch as good as the best is bad."""
    hint = "With no patience, every bad epoch cuts. Is an epoch bad that only equals the best?"
    run_plateau(submission, rng, [2, 2, 3, 1, 1], [0, 1, 2, 2, 3], hint, patience=0, threshold=0.0)


@pytest.mark.task(3)
def test_every_group_is_cut_from_its_own_lr(submission, rng):
    """Four groups, two with the same lr and a frozen one with 0. Arguments may be given by position."""
    low, high = random_rates(rng, 2)
    lrs, metrics = [low, high, low, 0.0], [[4.0], [3.5], [5.0], [4.75], [4.75], [5.9375], [1.0]]
    expected = cut_rates(lrs, [0, 0, 0, 0, 1, 1, 2], 0.25)
    run(submission, "ReduceOnPlateau", lrs, {}, metrics, expected, OWN, args=[0.25, 1, 0.1875, "max", 0.0])


@pytest.mark.task(3)
def test_a_gain_below_the_threshold_is_bad(submission, rng):
    """With threshold = 0.25 a metric must fall below three quarters of the best; small gains do not move the best."""
    hint = (
        "Below which number must a metric fall when the best is 16? What is the best after a gain that was too small?"
    )
    run_plateau(submission, rng, [16, 13, 12.5, 11, 9, 8.5], [0, 0, 1, 1, 1, 2], hint, patience=1, threshold=0.25)


@pytest.mark.task(3)
def test_a_gain_of_exactly_the_threshold_is_bad(submission, rng):
    """Better means beyond the threshold, not on it."""
    hint = "The bound itself: is a metric that is equal to it better?"
    run_plateau(submission, rng, [16, 12, 12, 11.5, 9], [0, 0, 1, 1, 1], hint, patience=1, threshold=0.25)


@pytest.mark.task(3)
def test_without_a_threshold_any_gain_is_good(submission, rng):
    """threshold = 0 is allowed: then the smallest gain counts."""
    hint = "With threshold = 0, what is the bound? Does your schedule keep one of its own?"
    gains = [1, 1 - 2**-20, 1 - 2**-19, 1 - 2**-19, 1 - 2**-20]
    run_plateau(submission, rng, gains, [0, 0, 0, 1, 2], hint, patience=0, threshold=0.0)


@pytest.mark.task(3)
def test_mode_max_wants_a_metric_that_grows(submission, rng):
    """With mode = "max" and threshold = 0.25 a metric must exceed five quarters of the best."""
    hint = "In mode max the metric is to grow. Where does the bound lie when the best is 8, and what is beyond it?"
    metrics = [8, 9, 10, 10.5, 12, 13.125]
    run_plateau(submission, rng, metrics, [0, 0, 1, 1, 1, 2], hint, patience=1, threshold=0.25, mode="max")


@pytest.mark.task(3)
def test_the_formula_holds_for_negative_metrics(submission, rng):
    """A best of -8 and a threshold of 0.25 give a bound of -6, and -7 counts as better: the formula, as it stands."""
    hint = "best · (1 - threshold) with a best of -8: is the bound above or below it? Take the formula as it stands."
    metrics = [-8, -7, -5.5, -4, -4.125, -9]
    run_plateau(submission, rng, metrics, [0, 0, 0, 0, 1, 1], hint, patience=1, threshold=0.25)


@pytest.mark.task(3)
def test_the_formula_holds_for_negative_metrics_in_mode_max(submission, rng):
    """A best of -8 and a threshold of 0.25 give a bound of -10 in mode "max", and -9 counts as better."""
    hint = "best · (1 + threshold) with a best of -8: is the bound above or below it? Take the formula as it stands."
    metrics = [-8, -9, -11, -14, -13.75]
    run_plateau(submission, rng, metrics, [0, 0, 0, 0, 1], hint, patience=1, threshold=0.25, mode="max")


@pytest.mark.task(3)
def test_nan_is_bad_and_never_the_best(submission, rng):
    """NaN counts as a bad epoch, and what comes after it is compared with the best from before."""
    hint = "Every comparison with NaN is False. Where does your code go then, and what does it write down as the best?"
    nan, cuts = math.nan, [0, 0, 1, 1, 1, 1, 1, 2]
    run_plateau(submission, rng, [4, nan, nan, 3, nan, 2, 2.5, 2.5], cuts, hint, patience=1)
    run_plateau(submission, rng, [2, nan, nan, 3, nan, 4, 3.5, 3.5], cuts, hint, patience=1, mode="max")


@pytest.mark.task(3)
def test_nan_at_the_start_is_bad_too(submission, rng):
    """A training that begins with NaN has no best yet; the first number is better than that."""
    hint = "If the first metric of all is NaN, what is the best afterwards? Can a number ever be better than NaN?"
    run_plateau(submission, rng, [math.nan, math.nan, 3, 4, 2], [0, 1, 1, 1, 1], hint, patience=1)


@pytest.mark.task(3)
def test_cuts_end_at_min_lr(submission):
    """Groups of 0.8 and 0.1 are halved; each stops at a min_lr of 0.06 in its own time."""
    expected = [[0.8, 0.1], [0.8, 0.1], [0.4, 0.06], [0.2, 0.06], [0.1, 0.06], [0.06, 0.06], [0.06, 0.06]]
    settings = {"factor": 0.5, "patience": 0, "min_lr": 0.06}
    hint = "min_lr is a floor under each group by itself. What would this group's lr be without it, and with it?"
    metrics = [[1.0]] * 6
    run(submission, "ReduceOnPlateau", [0.8, 0.1], settings, metrics, expected, hint)


@pytest.mark.task(3)
def test_a_tiny_lr_is_cut_as_well(submission):
    """There is no smallest cut: 1e-7 becomes 1e-8, and that 1e-9."""
    expected = [[1e-7], [1e-7], [1e-8], [1e-9], [1e-10]]
    hint = "A rate may be tiny, and min_lr is 0 here. Is there a smallest cut in your schedule, or a smallest lr?"
    settings = {"factor": 0.1, "patience": 0}
    run(submission, "ReduceOnPlateau", [1e-7], settings, [[1.0]] * 4, expected, hint)


@pytest.mark.task(3)
def test_by_default_eleven_bad_epochs_cut_to_a_tenth(submission, rng):
    """Ten bad epochs in a row are borne unless something else is said, smaller is better, and a cut leaves a tenth."""
    lrs = random_rates(rng, 1)
    expected = cut_rates(lrs, [0] * 11 + [1] * 11 + [2] * 2, 0.1)
    hint = "Which patience, which factor and which mode hold when none is given?"
    run(submission, "ReduceOnPlateau", lrs, {}, [[1.0]] + [[2.0]] * 23, expected, hint)


@pytest.mark.task(3)
def test_by_default_a_gain_must_exceed_one_in_ten_thousand(submission, rng):
    """The threshold is 1e-4 of the best unless something else is said."""
    hint = "Which threshold holds when none is given, and is it a share of the best?"
    run_plateau(submission, rng, [1.0, 0.99991, 0.99989, 0.9998, 0.5], [0, 1, 1, 2, 2], hint, patience=0)


@pytest.mark.task(3)
def test_sixty_random_epochs(submission, rng):
    """Metrics that wander about 0, a NaN now and then, in both modes: every rule at once."""
    hint = "All the rules together. The single ones have tests of their own: are those fine?"
    for mode, drift in (("min", -1), ("max", 1)):
        walk = torch.randint(-3, 4, (60,), generator=rng).cumsum(0) / 8 + drift * torch.arange(60) / 16
        metrics = [math.nan if random_int(rng, 1, 8) == 1 else metric for metric in walk.tolist()]
        lrs, patience = random_rates(rng, 1), random_int(rng, 1, 2)
        settings = {"factor": 0.75, "patience": patience, "threshold": 0.125, "mode": mode, "min_lr": 0.015625}
        cuts, _ = judge_epochs(metrics, patience, 0.125, mode)
        expected = cut_rates(lrs, cuts, 0.75, 0.015625)
        run(submission, "ReduceOnPlateau", lrs, settings, [[metric] for metric in metrics], expected, hint)


PLATEAU = {"factor": 0.5, "patience": 1}
PLATEAU_METRICS = [[4.0], [5.0], [5.0], [3.0], [3.5], [4.0], [3.0]]
PLATEAU_CUTS = [0, 0, 1, 1, 1, 2, 2]


@pytest.mark.task(3)
def test_last_lr_of_reduce_on_plateau(submission, rng):
    """last_lr is a list with the lr in force for each group, also before any metric."""
    lrs = random_rates(rng, 3)
    check_last_lr(submission, "ReduceOnPlateau", lrs, PLATEAU, PLATEAU_METRICS, cut_rates(lrs, PLATEAU_CUTS, 0.5))


@pytest.mark.task(3)
def test_two_plateaus_side_by_side(submission, rng):
    """Each schedule has its own best, its own count and its own cuts."""
    lrs = [random_rates(rng, 2), random_rates(rng, 2)]
    steps = [PLATEAU_METRICS, [[1.0], [0.5], [0.75]]]
    expected = [cut_rates(lrs[0], PLATEAU_CUTS, 0.5), cut_rates(lrs[1], [0, 0, 0], 0.5)]
    check_two(submission, "ReduceOnPlateau", lrs, PLATEAU, steps, expected)


@pytest.mark.task(3)
def test_sgd_follows_reduce_on_plateau(submission, rng):
    """Seven real steps of SGD with momentum, with a metric after each."""
    lrs = random_rates(rng, 2)
    expected = cut_rates(lrs, PLATEAU_CUTS, 0.5)
    check_training(submission, rng, "ReduceOnPlateau", lrs, PLATEAU, PLATEAU_METRICS, expected, "SGD")


@pytest.mark.task(3)
def test_reduce_on_plateau_is_not_built_on_torchs_schedulers(submission, rng):
    """The schedule works while everything in torch.optim.lr_scheduler is out of order."""
    lrs = random_rates(rng, 1)
    check_own_work(submission, "ReduceOnPlateau", lrs, PLATEAU, PLATEAU_METRICS, cut_rates(lrs, PLATEAU_CUTS, 0.5))


@pytest.mark.task(3)
def test_a_factor_that_does_not_cut_is_refused(submission):
    """A factor is between 0 and 1, and neither of them: anything else is a ValueError."""
    wrong = [{"factor": factor} for factor in (1.0, 1.5, 0.0, -0.5)]
    hint = "After a cut the lr should be smaller, and still there. Which factors do that?"
    check_refused(submission, "ReduceOnPlateau", [], wrong, hint)


@pytest.mark.task(3)
def test_a_negative_setting_is_refused(submission):
    """patience, threshold and min_lr may be 0, and not less: ValueError."""
    hint = "Each of them by itself: which is the smallest value that means something?"
    check_refused(submission, "ReduceOnPlateau", [], [{"patience": -1}, {"threshold": -0.01}, {"min_lr": -0.01}], hint)


@pytest.mark.task(3)
def test_an_unknown_mode_is_refused(submission):
    """There are two modes, "min" and "max"; any other word is a ValueError."""
    hint = "What does your schedule do with a mode that it does not know: refuse it, or take it for one of the two?"
    check_refused(submission, "ReduceOnPlateau", [], [{"mode": mode} for mode in ("maximum", "MIN", "")], hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: a state that continues
# ---------------------------------------------------------------------------------------------------------------------

# For each: its settings, the arguments of its steps, a moment in the middle of everything. At that of ReduceOnPlateau
# there was a cut, the best is 2, and one bad epoch counts: without any of the three the sequence goes on differently.
KINDS: dict[str, tuple[dict[str, Any], Steps, int]] = {
    "StepDecay": ({"step_size": 3, "gamma": 0.5}, times(10), 4),
    "WarmupCosine": ({"warmup_steps": 3, "total_steps": 9}, times(9), 5),
    "ReduceOnPlateau": (
        {"factor": 0.5, "patience": 1},
        [[metric] for metric in (4.0, 5.0, 5.0, 2.0, 3.0, 3.0, 1.0, 3.0, 3.0, 0.5)],
        5,
    ),
}
CUTS = [0, 0, 1, 1, 1, 2, 2, 2, 3, 3]


def rates_of(name: str, lrs: Rates) -> list[Rates]:
    """The lrs before the first step and after each, without any interruption."""
    settings, steps, _ = KINDS[name]
    if name == "StepDecay":
        return step_decay(lrs, len(steps), **settings)
    if name == "WarmupCosine":
        return warm_cosine(lrs, len(steps), **settings)
    return cut_rates(lrs, CUTS, settings["factor"])


def check_continued(got: Any, name: str, lrs: Rates, moment: int, hint: str) -> None:
    """`got`: the rows from the loading of the state of `moment` on."""
    hint = f"{hint} (If tasks 1 to 3 fail too, begin with them.)"
    for t, right in enumerate(rates_of(name, lrs)[moment:], start=moment):
        when = "lr right after load_state_dict" if t == moment else f"lr after load_state_dict and step {t}"
        check_row(got[t - moment], right, lrs, when, SLACK if name == "WarmupCosine" else 0.0, hint)


def stop_and_continue(sub, name, lrs, settings, steps, moment, new_lrs, order):
    """The first schedule runs up to a moment; a second one, with a new optimiser, loads its state and runs on."""
    import torch

    def make_optimizer(lrs):
        groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
        return torch.optim.SGD(groups, lr=2.0)

    first = make_optimizer(lrs)
    scheduler = getattr(sub, name)(first, **settings)
    for arguments in steps[:moment]:
        scheduler.step(*arguments)
    state, optimizer_state = scheduler.state_dict(), first.state_dict()
    second = make_optimizer(new_lrs)
    if order == "optimizer first":
        second.load_state_dict(optimizer_state)
    scheduler = getattr(sub, name)(second, **settings)
    if order == "schedule first":
        second.load_state_dict(optimizer_state)
    scheduler.load_state_dict(state)
    rows, last = [[group["lr"] for group in second.param_groups]], scheduler.last_lr
    last = last.copy() if type(last) is list else last
    for arguments in steps[moment:]:
        scheduler.step(*arguments)
        rows.append([group["lr"] for group in second.param_groups])
    return {"rows": rows, "last": last}


def continued(submission, name, lrs, new_lrs, order, call):
    settings, steps, moment = KINDS[name]
    return submission.run(stop_and_continue, name, lrs, settings, steps, moment, new_lrs, order, call=call.format(name))


STATE = "second = {}(new_optimizer, ...); second.load_state_dict(first.state_dict())"
FRESH = "The new schedule knows nothing of the old one but its state. What must be in there, so that it can go on?"


@pytest.mark.task(4)
def test_a_state_continues_with_a_new_optimizer(submission, rng):
    """A new optimiser, a new schedule, the old one's state: the lr holds at once, and the sequence goes on."""
    for name in KINDS:
        lrs = random_rates(rng, 2)
        got = continued(submission, name, lrs, lrs, "", STATE)
        check_continued(got["rows"], name, lrs, KINDS[name][2], FRESH)


@pytest.mark.task(4)
def test_last_lr_holds_right_after_loading(submission, rng):
    """last_lr says what is in force also when no step was taken since the state was loaded."""
    hint = "Right after load_state_dict an lr is in force. What makes last_lr agree with it?"
    for name in KINDS:
        lrs = random_rates(rng, 2)
        moment = KINDS[name][2]
        got = continued(submission, name, lrs, lrs, "", STATE + "; second.last_lr")
        check_row(got["last"], rates_of(name, lrs)[moment], lrs, "last_lr", SLACK, hint)


@pytest.mark.task(4)
def test_a_state_continues_when_the_optimizers_was_loaded_first(submission, rng):
    """The new optimiser loads its own state before the schedule is made: its lrs are no initial ones any more."""
    hint = "The optimiser came with the lrs of the last save. Which lrs does your formula start from after loading?"
    for name in KINDS:
        lrs = random_rates(rng, 2)
        call = "new_optimizer.load_state_dict(...); " + STATE
        got = continued(submission, name, lrs, lrs, "optimizer first", call)
        check_continued(got["rows"], name, lrs, KINDS[name][2], hint)


@pytest.mark.task(4)
def test_a_state_continues_when_the_optimizers_was_loaded_in_between(submission, rng):
    """The optimiser loads its own state after the schedule was made: it has new groups now."""
    hint = "optimizer.load_state_dict replaces the dicts in param_groups. Which dicts does your schedule write into?"
    for name in KINDS:
        lrs = random_rates(rng, 2)
        call = "second = {}(new_optimizer, ...); new_optimizer.load_state_dict(...); second.load_state_dict(...)"
        got = continued(submission, name, lrs, lrs, "schedule first", call)
        check_continued(got["rows"], name, lrs, KINDS[name][2], hint)


@pytest.mark.task(4)
def test_a_state_continues_whatever_lr_the_new_optimizer_was_made_with(submission, rng):
    """The sequence is that of the schedule which was saved, also when the new optimiser began with other lrs."""
    hint = "Nobody told the new optimiser which lrs the old one began with. Who knows it?"
    for name in KINDS:
        rates = random_rates(rng, 4)
        got = continued(submission, name, rates[:2], rates[2:], "", STATE)
        check_continued(got["rows"], name, rates[:2], KINDS[name][2], hint)


def save_state(sub, name, lrs, settings, steps):
    import torch

    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
    scheduler = getattr(sub, name)(torch.optim.SGD(groups, lr=2.0), **settings)
    for arguments in steps:
        scheduler.step(*arguments)
    return scheduler.state_dict()


def continue_from(sub, name, lrs, settings, state, steps):
    import torch

    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=2.0)
    scheduler = getattr(sub, name)(optimizer, **settings)
    scheduler.load_state_dict(state)
    rows = [[group["lr"] for group in optimizer.param_groups]]
    for arguments in steps:
        scheduler.step(*arguments)
        rows.append([group["lr"] for group in optimizer.param_groups])
    return rows


def not_plain(value: Any, where: str = "state") -> str:
    """The first part of a state that is not plain data, in words."""
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                return f"{where} has a key {key!r}"
            if found := not_plain(item, f"{where}[{key!r}]"):
                return found
        return ""
    if type(value) in (list, tuple):
        return next(filter(None, (not_plain(item, f"{where}[{i}]") for i, item in enumerate(value))), "")
    plain = value is None or type(value) in (bool, int, float, str)
    return "" if plain else f"{where} is {show(value)}"


@pytest.mark.task(4)
def test_a_state_is_plain_data(submission, rng):
    """The state goes through json and comes back, before the first step and in the middle, and continues."""
    hint = "A text file can hold numbers, texts, lists and dicts. What else is in your state, or what is missing?"
    for name in KINDS:
        lrs = random_rates(rng, 2)
        settings, steps, middle = KINDS[name]
        for moment in (0, middle):
            call = called(name, settings, steps[:moment]) + ", state_dict()"
            state = submission.run(save_state, name, lrs, settings, steps[:moment], call=call)
            strange = not_plain(state) if type(state) is dict else f"a state that is {show(state)}"
            check(not strange, expected="a dict of plain data", got=strange, hint=hint)
            back = json.loads(json.dumps(state))
            call = "load_state_dict(json.loads(json.dumps(state)))"
            got = submission.run(continue_from, name, lrs, settings, back, steps[moment:], call=call)
            check_continued(got, name, lrs, moment, hint)


def continue_from_every_moment(sub, name, lrs, settings, steps):
    import io
    import pickle

    import torch

    def start():
        groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
        optimizer = torch.optim.SGD(groups, lr=2.0)
        return optimizer, getattr(sub, name)(optimizer, **settings)

    states = []
    _, scheduler = start()
    for arguments in [None, *steps]:
        if arguments is not None:
            scheduler.step(*arguments)
        state, file = scheduler.state_dict(), io.BytesIO()
        try:
            torch.save(state, file)
            file.seek(0)
            states.append(torch.load(file, weights_only=True))
        except (pickle.PickleError, AttributeError, TypeError) as error:
            return {"refused": type(error).__name__}
    runs = []
    for moment, state in enumerate(states):
        optimizer, scheduler = start()
        scheduler.load_state_dict(state)
        rows = [[group["lr"] for group in optimizer.param_groups]]
        for arguments in steps[moment:]:
            scheduler.step(*arguments)
            rows.append([group["lr"] for group in optimizer.param_groups])
        runs.append(rows)
    return {"refused": "", "runs": runs}


@pytest.mark.task(4)
def test_a_state_continues_from_every_moment(submission, rng):
    """Saved by torch.save after 0, 1, 2 … steps, and read back with weights_only: no moment is special."""
    hint = "Saved at this moment, what would the schedule have done next? What of that does its state not say?"
    for name in KINDS:
        lrs = random_rates(rng, 2)
        settings, steps, _ = KINDS[name]
        call = f"{written(name, settings)}, saved after 0, 1, 2 ... steps, loaded and continued"
        got = submission.run(continue_from_every_moment, name, lrs, settings, steps, call=call)
        readable = "a state that torch.load(..., weights_only=True) reads"
        plain = "weights_only lets numbers, texts, lists, dicts and tensors through. What else is in your state?"
        check(not got["refused"], expected=readable, got=f"its {got['refused']}", hint=plain)
        for moment in range(len(steps) + 1):
            check_continued(got["runs"][moment], name, lrs, moment, hint)


def go_back(sub, name, lrs, settings, steps, moment):
    import torch

    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=2.0)
    scheduler = getattr(sub, name)(optimizer, **settings)
    for arguments in steps[:moment]:
        scheduler.step(*arguments)
    state = scheduler.state_dict()
    for arguments in steps[moment:]:
        scheduler.step(*arguments)
    runs = []
    for _ in range(2):
        scheduler.load_state_dict(state)
        runs.append([[group["lr"] for group in optimizer.param_groups]])
        for arguments in steps[moment:]:
            scheduler.step(*arguments)
            runs[-1].append([group["lr"] for group in optimizer.param_groups])
    return runs


@pytest.mark.task(4)
def test_a_state_is_a_picture_of_its_moment(submission, rng):
    """A schedule that went on can be put back, twice: neither steps nor loading change a state that was taken."""
    hint = "The state was taken a while ago. Does it still hold what held then? Who else has a hand on that dict?"
    for name in KINDS:
        lrs = random_rates(rng, 2)
        settings, steps, moment = KINDS[name]
        call = "state = s.state_dict(); s.step() ...; s.load_state_dict(state); s.step() ...; s.load_state_dict(state)"
        got = submission.run(go_back, name, lrs, settings, steps, moment, call=call)
        for rows in got:
            check_continued(rows, name, lrs, moment, hint)


def spoil_the_state(sub, name, lrs, settings, steps, moment):
    import torch

    def spoil(part):
        places = part.keys() if isinstance(part, dict) else range(len(part))
        for place in list(places):
            if isinstance(part[place], dict | list):
                spoil(part[place])
            elif type(part[place]) in (int, float):
                part[place] = part[place] + 3

    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=2.0)
    scheduler = getattr(sub, name)(optimizer, **settings)
    rows = [[group["lr"] for group in optimizer.param_groups]]
    for number, arguments in enumerate(steps):
        if number == moment:
            spoil(scheduler.state_dict())
        scheduler.step(*arguments)
        rows.append([group["lr"] for group in optimizer.param_groups])
    return rows


@pytest.mark.task(4)
def test_changing_a_state_does_not_change_the_schedule(submission, rng):
    """The state is a copy, down to the last list: whoever writes into it writes into nothing else."""
    hint = "A new dict may hold old lists. Which objects are both in your state and in your schedule?"
    for name in KINDS:
        lrs = random_rates(rng, 2)
        settings, steps, moment = KINDS[name]
        call = "state = s.state_dict(); every number in state is changed; s.step() ..."
        got = submission.run(spoil_the_state, name, lrs, settings, steps, moment, call=call)
        check_rows(got, rates_of(name, lrs), lrs, name, hint)


def train_in_two_parts(sub, name, lrs, settings, steps, moment, curvatures, starts):
    import torch

    weights, saved = starts, None
    for part in (steps[:moment], steps[moment:]):
        weights = [torch.nn.Parameter(weight.detach().clone()) for weight in weights]
        groups = [{"params": [weight], "lr": lr} for weight, lr in zip(weights, lrs, strict=True)]
        optimizer = torch.optim.SGD(groups, lr=2.0, momentum=0.75)
        scheduler = getattr(sub, name)(optimizer, **settings)
        if saved is not None:
            optimizer.load_state_dict(saved[0])
            scheduler.load_state_dict(saved[1])
        for arguments in part:
            optimizer.zero_grad()
            loss = sum((c * weight.square()).sum() / 2 for c, weight in zip(curvatures, weights, strict=True))
            loss.backward()
            optimizer.step()
            scheduler.step(*arguments)
        saved = optimizer.state_dict(), scheduler.state_dict()
    return [weight.detach() for weight in weights]


@pytest.mark.task(4)
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(submission, rng):
    """Weights, momentum and schedule are saved and loaded in the middle, and the weights at the end are the same."""
    hint = "Momentum goes on by the optimiser's state. Which lr does the first step after the break use, and the next?"
    for name in KINDS:
        lrs, (curvatures, starts) = random_rates(rng, 2), random_bowls(rng, 3, 2)
        settings, steps, moment = KINDS[name]
        rows = rates_of(name, lrs)[: len(steps)]
        expected = [
            sgd_by_hand(curvatures[group], starts[group], [row[group] for row in rows], 0.75) for group in range(2)
        ]
        call = "optimizer and schedule saved, both made anew and loaded, the training goes on"
        arguments = (train_in_two_parts, name, lrs, settings, steps, moment, curvatures, starts)
        got = submission.run(*arguments, call=call)
        for group in range(2):
            what = f"the weights of group {group} at the end"
            check_tensor(got[group], expected[group], rtol=1e-5, atol=1e-6, what=what, hint=hint)
