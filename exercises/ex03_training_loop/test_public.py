"""Sample tests of exercise 3. Run them with `make grade EX=3` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check_close, check_equal

# Task 1: one weight w, predictions w * x, mean squared error. From w = 1 with x = (1, 2), y = (3, 6):
# loss = ((1 - 3)^2 + (2 - 6)^2) / 2 = 10,   slope = (2 * (1 - 3) * 1 + 2 * (2 - 6) * 2) / 2 = -10.


def one_step(sub, forget):
    import torch
    from torch import nn

    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [6.0]])
    loss = sub.train_step(model, inputs, targets, nn.functional.mse_loss, optimizer, forget=forget)
    return loss, model.weight.item()


@pytest.mark.task(1)
def test_one_step_worked_by_hand(submission):
    """From w = 1 the loss is 10 and the slope -10; with lr = 0.1 the step ends at w = 2."""
    loss, weight = submission.run(one_step, None, call="train_step(model, inputs, targets, F.mse_loss, SGD(lr=0.1))")
    check_close(loss, 10.0, what="the loss before the step", hint="Which loss belongs to the weights before the step?")
    check_close(weight, 2.0, what="the weight", hint="A step takes w to w - lr * slope. Which calls make that happen?")


@pytest.mark.task(1)
def test_forgetting_the_step_leaves_the_weight(submission):
    """With forget="step" everything happens but the step."""
    loss, weight = submission.run(one_step, "step", call='train_step(model, ..., forget="step")')
    check_close(loss, 10.0, what="the loss", hint="Does the loss depend on whether a step follows?")
    check_close(weight, 1.0, what="the weight", hint="Which of the three calls moves weights?")


def one_epoch(sub, batches):
    import torch
    from torch import nn

    model = nn.Linear(1, 1, bias=False).to(batches[0][0].device)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)  # nothing moves: the losses can be read off
    return sub.train_epoch(model, batches, nn.functional.mse_loss, optimizer)


@pytest.mark.task(2)
def test_every_sample_counts_the_same(submission):
    """Three targets of 1 and a lone last one of 5, all predicted as 0: the mean square is (1 + 1 + 1 + 25) / 4."""
    batches = [[torch.ones(3, 1), torch.ones(3, 1)], [torch.ones(1, 1), torch.full((1, 1), 5.0)]]
    got = submission.run(one_epoch, batches, call="train_epoch(model, loader, F.mse_loss, SGD(lr=0.0))")
    check_close(got, 7.0, what="the epoch's loss", hint="Two batches of different sizes: is each of them worth half?")


def score(sub, batches):
    import torch
    from torch import nn

    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2, bias=False))
    model[1].weight.data = torch.eye(2)  # the logits are the inputs
    model.to(batches[0][0].device).train()
    _, accuracy = sub.evaluate(model, batches, nn.functional.cross_entropy)
    return accuracy, [module.training for module in model.modules()]


@pytest.mark.task(3)
def test_accuracy_is_the_share_of_right_answers(submission):
    """Three of four samples are right, and the model is in training mode again afterwards."""
    inputs = torch.tensor([[2.0, 1.0], [1.0, 2.0], [3.0, 0.0], [0.0, 3.0]])
    batches = [[inputs[:3], torch.tensor([0, 1, 1])], [inputs[3:], torch.tensor([1])]]
    accuracy, modes = submission.run(score, batches, call="evaluate(model, loader, F.cross_entropy)")
    check_close(accuracy, 0.75, what="the accuracy", hint="How many are right, out of how many?")
    check_equal(
        modes,
        [True] * 3,
        what="the training flags",
        hint="They all were on before. Who puts them back, and which of them?",
    )


def two_epochs(sub, batches):
    import torch
    from torch import nn

    model = nn.Linear(2, 2).to(batches[0][0].device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    return sub.fit(model, batches, batches, nn.functional.cross_entropy, optimizer, 2, scheduler)


@pytest.mark.task(4)
def test_a_row_per_epoch(submission):
    """Two epochs, two rows; the second one used a tenth of the first one's learning rate."""
    batches = [[torch.eye(2), torch.tensor([0, 1])]]
    rows = submission.run(
        two_epochs, batches, call="fit(model, loader, loader, F.cross_entropy, optimizer, 2, scheduler)"
    )
    check_equal(
        [row.get("epoch") for row in rows],
        [1, 2],
        what="the epochs",
        hint="What is kept of each epoch, and from what do epochs count?",
    )
    check_close(rows[0].get("lr"), 0.5, what="the first lr", hint="Which rate did the first epoch use?")
    check_close(rows[1].get("lr"), 0.05, what="the second lr", hint="Who changes the rate between two epochs?")


# Task 5: f(w) = w^2 / 2, so the slope is w. From w = 1 with lr = 0.1, worked by hand.
RIGHT = [1.0, 0.9, 0.81, 0.729, 0.6561]  # w, and the slope: a tenth less after every step
PILED_WEIGHTS = [1.0, 0.9, 0.71, 0.449, 0.1431]  # each step goes along the sum of all slopes so far
PILED_SLOPES = [1.0, 1.9, 2.61, 3.059, 3.2021]

RECORDS = {  # losses, gradient norms, update norms
    None: [[w * w / 2 for w in RIGHT], RIGHT, [0.1 * g for g in RIGHT]],
    "zero_grad": [[w * w / 2 for w in PILED_WEIGHTS], PILED_SLOPES, [0.1 * g for g in PILED_SLOPES]],
    "step": [[0.5] * 5, [1.0] * 5, [0.0] * 5],
    "backward": [[0.5] * 5, [0.0] * 5, [0.0] * 5],
}


@pytest.mark.task(5)
@pytest.mark.parametrize("forgotten", RECORDS)
def test_records_worked_by_hand(submission, forgotten):
    """Five steps on f(w) = w^2 / 2, right and with each of the calls forgotten."""
    losses, grad_norms, update_norms = RECORDS[forgotten]
    got = submission.missing_call(losses, grad_norms, update_norms)
    hint = "Print the three lists for each of the four cases below one another before you write any rule."
    check_equal(got, forgotten, what=f"the answer for gradient norms {grad_norms}", hint=hint)
