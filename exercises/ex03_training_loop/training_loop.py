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
    raise NotImplementedError("task 1: one optimisation step")


def train_epoch(model: nn.Module, loader: Loader, loss_fn: LossFunction, optimizer: torch.optim.Optimizer) -> float:
    """One pass over the loader in training mode, a step per batch.

    Output: the mean over all samples of the losses before each step, a Python float. Batches may differ in size.
    Errors: ValueError for a loader without batches.
    """
    raise NotImplementedError("task 2: one epoch of training")


def evaluate(model: nn.Module, loader: Loader, loss_fn: LossFunction) -> tuple[float, float]:
    """Mean loss per sample and accuracy, in evaluation mode and without a graph.

    The model maps a batch to logits [B, C]; the targets are class indices [B].
    Output: (loss, accuracy), Python floats, accuracy in [0, 1].
    Every module's own `training` flag is afterwards as it was before, also after an exception.
    Errors: ValueError for a loader without batches.
    """
    raise NotImplementedError("task 3: evaluation")


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
    raise NotImplementedError("task 4: train, evaluate, record, epoch by epoch")


def missing_call(losses: list[float], grad_norms: list[float], update_norms: list[float]) -> str | None:
    """Which call did the loop behind these records forget?

    At least 5 records of a full-batch run on one fixed convex problem, plain SGD with lr <= 1/L, not started at
    the optimum. Per step: the loss before it, the norm of `.grad` when the step is due (0.0 without backward),
    and the norm of the change of the weights. Either no call is forgotten, or the same one in every step.
    Output: "zero_grad", "backward", "step" or None. Source: the proof in this exercise's README.
    """
    raise NotImplementedError("task 5: name the forgotten call")
