"""Sample tests of exercise 4. Run them with `make grade EX=4` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check_equal, check_raises, check_tensor

# Task 1: patience 2. The best is 2.0, of call 1; calls 2 and 3 (a tie is no improvement) are two bad ones in a row.
METRICS = [3.0, 2.0, 2.5, 2.0]


def answers(sub, metrics, settings):
    from torch import nn

    model, stopper = nn.Linear(1, 1), sub.EarlyStopping(**settings)
    said = [stopper.step(metric, model) for metric in metrics]
    return said, stopper.best, stopper.best_step


@pytest.mark.task(1)
def test_two_bad_steps_in_a_row(submission):
    """Metrics 3.0, 2.0, 2.5, 2.0 with a patience of 2: the last call says stop, and the best is that of call 1."""
    call = "EarlyStopping(patience=2), then step on 3.0, 2.0, 2.5, 2.0"
    said, best, best_step = submission.run(answers, METRICS, {"patience": 2}, call=call)
    check_equal(
        said,
        [False, False, False, True],
        what="what step returned",
        hint="Which calls were bad, and how many in a row is that now?",
    )
    check_equal(best, 2.0, what="best", hint="Which of these metrics is the smallest, and what is kept when it comes?")
    check_equal(
        best_step, 1, what="best_step", hint="Number the calls 0, 1, 2, … on paper. Which of them brought the best?"
    )


def no_patience(sub):
    sub.EarlyStopping(patience=0)


@pytest.mark.task(1)
def test_a_patience_of_zero_is_refused(submission):
    """Who has no patience at all would stop before the first epoch."""
    call = "EarlyStopping(patience=0)"
    check_raises(
        ValueError,
        submission.run,
        no_patience,
        call=call,
        hint="After how many bad calls does patience=0 stop? Whoever asks for that wants to hear of it at once.",
    )


def best_weights(sub, metrics, weights):
    import torch
    from torch import nn

    model, stopper = nn.Linear(1, 1, bias=False).to(weights.device), sub.EarlyStopping(patience=5)
    for metric, weight in zip(metrics, weights, strict=True):
        with torch.no_grad():
            model.weight.fill_(weight)  # what training does, for short
        stopper.step(metric, model)
    stopper.restore(model)
    return model.weight.detach()


@pytest.mark.task(2)
def test_the_best_weights_come_back(submission):
    """Weights 10, 20, 30, 40 with metrics 3.0, 2.0, 2.5, 2.0: restore brings back the 20."""
    call = "step on 3.0, 2.0, 2.5, 2.0 while the weight is 10, 20, 30, 40, then restore(model)"
    got = submission.run(best_weights, METRICS, torch.tensor([10.0, 20.0, 30.0, 40.0]), call=call)
    check_tensor(got, torch.tensor([[20.0]]), what="the weight", hint="A copy, or another name for the same memory?")


def the_file(sub, metrics, weights):
    import tempfile
    from pathlib import Path

    import torch
    from torch import nn

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.pt"
        model, stopper = nn.Linear(1, 1, bias=False).to(weights.device), sub.EarlyStopping(patience=5, path=path)
        for metric, weight in zip(metrics, weights, strict=True):
            with torch.no_grad():
                model.weight.fill_(weight)
            stopper.step(metric, model)
        inside = dict(torch.load(path, weights_only=True, map_location=weights.device))
        return inside, [each.name for each in Path(folder).iterdir()]


@pytest.mark.task(3)
def test_the_file_holds_the_best_state_dict(submission):
    """The same four epochs with path="best.pt": the file holds the 20, and is alone in its folder."""
    call = 'EarlyStopping(5, path="best.pt"), the same four steps, then torch.load("best.pt", weights_only=True)'
    inside, names = submission.run(the_file, METRICS, torch.tensor([10.0, 20.0, 30.0, 40.0]), call=call)
    check_equal(
        list(inside),
        ["weight"],
        what="the keys in the file",
        hint="What does the file hold beside the state_dict, or instead of it?",
    )
    check_tensor(
        inside["weight"],
        torch.tensor([[20.0]]),
        what="the weight",
        hint="In which case of your step is the file written, and with whose weights?",
    )
    check_equal(
        names,
        ["best.pt"],
        what="what lies in the folder",
        hint="Whatever your way of writing needs for a while, who takes it away again?",
    )


def whole_training(sub, metrics, weights, max_epochs):
    import torch
    from torch import nn

    model, epochs = nn.Linear(1, 1, bias=False).to(weights.device), []

    def train_one_epoch(model):
        with torch.no_grad():
            model.weight.fill_(weights[len(epochs)])

    def validate(model):
        epochs.append(model)
        return metrics[len(epochs) - 1]

    got = sub.fit_with_early_stopping(model, train_one_epoch, validate, sub.EarlyStopping(patience=2), max_epochs)
    return got, model.weight.detach()


@pytest.mark.task(4)
@pytest.mark.parametrize("max_epochs", [3, 9])
def test_the_best_weights_whether_it_stopped_or_ran_out(submission, max_epochs):
    """The same four epochs: with max_epochs=9 the stopper ends it after four, with 3 the epochs run out before."""
    weights = torch.tensor([10.0, 20.0, 30.0, 40.0, 50.0])
    call = f"fit_with_early_stopping(model, train_one_epoch, validate, EarlyStopping(2), max_epochs={max_epochs})"
    metrics, weight = submission.run(whole_training, [*METRICS, 1.0], weights, max_epochs, call=call)
    check_equal(metrics, METRICS[:max_epochs], what="the metrics", hint="Which two things end the loop?")
    check_tensor(
        weight,
        torch.tensor([[20.0]]),
        what="the weight",
        hint="There are two ways out of your loop. What is true after each?",
    )
