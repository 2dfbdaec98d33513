"""Sample tests of exercise 6. Run them with `make grade EX=6` or, in your own process, with `pytest`."""

import pytest

from grader.checks import check_close, check_equal


def first_lrs(sub, name, settings, steps):
    """The lr of the only group, before the first step and after each."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=1.2)
    scheduler = getattr(sub, name)(optimizer, **settings)
    lrs = [optimizer.param_groups[0]["lr"]]
    for arguments in steps:
        scheduler.step(*arguments)
        lrs.append(optimizer.param_groups[0]["lr"])
    return lrs


def check_lrs(got, expected, hint):
    for t, (lr, right) in enumerate(zip(got, expected, strict=True)):
        check_close(lr, right, abs=1e-6, what=f"the lr at t = {t}", hint=hint)


@pytest.mark.task(1)
def test_step_decay_worked_by_hand(submission):
    """From 1.2, half of it every 2 steps."""
    call = "StepDecay(optimizer, step_size=2, gamma=0.5), then step() 5 times"
    got = submission.run(first_lrs, "StepDecay", {"step_size": 2, "gamma": 0.5}, [[]] * 5, call=call)
    check_lrs(got, [1.2, 1.2, 0.6, 0.6, 0.3, 0.3], "How often has it been cut when t is 3?")


@pytest.mark.task(2)
def test_warmup_cosine_worked_by_hand(submission):
    """Up a line in 4 steps, then half a cosine down to 0 at t = 10, and no further."""
    call = "WarmupCosine(optimizer, warmup_steps=4, total_steps=10), then step() 11 times"
    got = submission.run(first_lrs, "WarmupCosine", {"warmup_steps": 4, "total_steps": 10}, [[]] * 11, call=call)
    down = [0.6 * (1 + cosine) for cosine in (1, 3**0.5 / 2, 0.5, 0, -0.5, -(3**0.5) / 2, -1)]
    check_lrs(got, [0.3, 0.6, 0.9, 1.2, *down, 0.0], "Which of the three formulas holds at this t?")


@pytest.mark.task(3)
def test_reduce_on_plateau_worked_by_hand(submission):
    """With patience 1 the second bad epoch in a row cuts; 2.5 is bad, because the best is 2."""
    call = "ReduceOnPlateau(optimizer, factor=0.5, patience=1), then step(metric) with 4, 2, 3, 2.5, 1, 2"
    metrics = [[4.0], [2.0], [3.0], [2.5], [1.0], [2.0]]
    got = submission.run(first_lrs, "ReduceOnPlateau", {"factor": 0.5, "patience": 1}, metrics, call=call)
    check_lrs(got, [1.2, 1.2, 1.2, 1.2, 0.6, 0.6, 0.6], "Which epochs are bad, and how many of them in a row?")


def stop_and_continue(sub):
    import torch

    first = sub.StepDecay(torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=1.2), step_size=2, gamma=0.5)
    for _ in range(3):
        first.step()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=1.2)
    second = sub.StepDecay(optimizer, step_size=2, gamma=0.5)
    second.load_state_dict(first.state_dict())
    lrs = [optimizer.param_groups[0]["lr"]]
    second.step()
    return [*lrs, optimizer.param_groups[0]["lr"]], second.last_lr


@pytest.mark.task(4)
def test_a_schedule_continues_where_it_stopped(submission):
    """Three steps, a new optimiser and a new schedule with the old one's state: its lr holds at once."""
    lrs, last = submission.run(stop_and_continue, call="second.load_state_dict(first.state_dict()); second.step()")
    check_close(
        lrs[0],
        0.6,
        what="the lr after load_state_dict",
        hint="The state knows where it stopped. Who tells the new optimiser?",
    )
    check_close(
        lrs[1],
        0.3,
        what="the lr one step later",
        hint="How many steps were taken before the save, and how many by now?",
    )
    check_equal(last, [lrs[1]], what="last_lr", hint="What is in force at this moment, and for which groups?")
