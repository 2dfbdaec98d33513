"""Exercise 3: the training loop, from one step to a whole fit, and how to tell which call is missing.

Source: https://docs.pytorch.org/tutorials/beginner/basics/optimization_tutorial.html
"""

import time
from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

LossFunction = Callable[[Tensor, Tensor], Tensor]  # (outputs, targets) -> mean loss over the batch, a 0-d tensor
Loader = Iterable[tuple[Tensor, Tensor]]  # batches of (inputs, targets); it may have no len() and no .dataset


def train_step(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    forget: str | None = None,
) -> float:
    """One optimisation step on one batch.

    Input: `inputs` [B, ...] and `targets` [B, ...], on any device; they are moved to the model's device.
    Output: the mean loss over the batch before the step, a Python float.
    The model's mode is left alone. Old gradients are cleared first; this step's gradients stay in `.grad`.
    `forget` is "zero_grad", "backward" or "step" and leaves that one call out; None leaves nothing out.
    Errors: ValueError for any other `forget`.
    """
    # BEGIN SOLUTION task 1: one optimisation step
    if forget not in (None, "zero_grad", "backward", "step"):
        raise ValueError(f'forget must be None, "zero_grad", "backward" or "step", not {forget!r}')
    device = next(model.parameters()).device
    inputs, targets = inputs.to(device), targets.to(device)

    if forget != "zero_grad":
        optimizer.zero_grad()  # backward adds to .grad, so what an earlier step left there must go
    loss = loss_fn(model(inputs), targets)
    if forget != "backward":
        loss.backward()  # .grad += the slope of the loss, for every parameter
    if forget != "step":
        optimizer.step()  # theta <- theta - lr * .grad
    return loss.item()
    # END SOLUTION


def train_epoch(model: nn.Module, loader: Loader, loss_fn: LossFunction, optimizer: torch.optim.Optimizer) -> float:
    """One pass over the loader in training mode, a step per batch.

    Output: the mean over all samples of the losses before each step, a Python float. Batches may differ in size.
    Errors: ValueError for a loader without batches.
    """
    # BEGIN SOLUTION task 2: one epoch of training
    model.train()
    total, samples = 0.0, 0
    for inputs, targets in loader:
        loss = train_step(model, inputs, targets, loss_fn, optimizer)
        total += loss * len(inputs)  # a mean over the batch, times its size, is a sum again
        samples += len(inputs)
    if samples == 0:
        raise ValueError("the training loader has no batches")
    return total / samples
    # END SOLUTION


def evaluate(model: nn.Module, loader: Loader, loss_fn: LossFunction) -> tuple[float, float]:
    """Mean loss per sample and accuracy, in evaluation mode and without a graph.

    The model maps a batch to logits [B, C]; the targets are class indices [B].
    Output: (loss, accuracy), Python floats, accuracy in [0, 1].
    Every module's own `training` flag is afterwards as it was before, also after an exception.
    Errors: ValueError for a loader without batches.
    """
    # BEGIN SOLUTION task 3: evaluation
    device = next(model.parameters()).device
    flags = {module: module.training for module in model.modules()}
    model.eval()
    total, correct, samples = 0.0, 0, 0
    try:
        with torch.no_grad():
            for inputs, targets in loader:
                inputs, targets = inputs.to(device), targets.to(device)
                logits = model(inputs)  # (B, C)
                total += loss_fn(logits, targets).item() * len(inputs)
                correct += (logits.argmax(dim=1) == targets).sum().item()
                samples += len(inputs)
    finally:
        for module, flag in flags.items():
            module.training = flag  # not module.train(flag): that would set the children too
    if samples == 0:
        raise ValueError("the loader has no batches")
    return total / samples, correct / samples
    # END SOLUTION


def fit(
    model: nn.Module,
    train_loader: Loader,
    val_loader: Loader,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> list[dict]:
    """Train for `epochs` epochs and evaluate after each.

    Output: a row per epoch, a dict with
        "epoch" (int, from 1), "train_loss", "val_loss", "val_accuracy" (floats),
        "lr" (float, that of parameter group 0, as used in this epoch), "seconds" (float >= 0, what the epoch took).
    The scheduler, one whose step() needs no metric, steps once per epoch, after the optimiser.
    `epochs=0` gives []. Errors: ValueError for a loader without batches.
    """
    # BEGIN SOLUTION task 4: train, evaluate, record, epoch by epoch
    rows = []
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        lr = optimizer.param_groups[0]["lr"]  # read before the scheduler moves on
        train_loss = train_epoch(model, train_loader, loss_fn, optimizer)
        val_loss, val_accuracy = evaluate(model, val_loader, loss_fn)
        if scheduler is not None:
            scheduler.step()
        rows.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
                "lr": lr,
                "seconds": time.perf_counter() - start,
            }
        )
    return rows
    # END SOLUTION


def missing_call(losses: list[float], grad_norms: list[float], update_norms: list[float]) -> str | None:
    """Which call did the loop behind these records forget?

    At least 5 records of a full-batch run on one fixed convex problem, plain SGD with lr <= 1/L, not started at
    the optimum. Per step: the loss before it, the norm of `.grad` when the step is due (0.0 without backward),
    and the norm of the change of the weights. Either no call is forgotten, or the same one in every step.
    Output: "zero_grad", "backward", "step" or None. Source: the proof in this exercise's README.
    """
    # BEGIN SOLUTION task 5: name the forgotten call
    if not any(grad_norms):
        return "backward"
    if not any(update_norms):
        return "step"

    # The norm of a right run never rises; 2 % of its first value is far above rounding.
    slack = 0.02 * grad_norms[0]
    if any(later > earlier + slack for earlier, later in pairwise(grad_norms)):
        return "zero_grad"
    if grad_norms[1] < grad_norms[0] - slack:
        return None  # a gradient on top of the first one is never shorter than the first one

    # The norm stayed. Either the slope did: four steps lower the loss by over 1.4 times what it promises for one.
    # Or the first step hit the optimum and kept the old gradient: it earned half that promise, and four earn under 1.
    promised = update_norms[0] * grad_norms[0]
    rounding = 1e-6 * max(map(abs, losses))  # float32 does not see a smaller fall
    return "zero_grad" if losses[0] - losses[4] < 1.2 * promised - rounding else None
    # END SOLUTION
