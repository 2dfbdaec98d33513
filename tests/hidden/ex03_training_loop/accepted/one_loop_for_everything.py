"""Right: one function goes through a loader for training and for evaluation; the first two norms decide, ties by the third."""

import time
from contextlib import ExitStack

import torch


def _go_through(model, loader, loss_fn, optimizer=None):
    """(sum of losses, right answers, samples)"""
    device = {p.device for p in model.parameters()}.pop()
    loss_sum, right, seen = 0.0, 0, 0
    for x, y in iter(loader):
        x, y = x.to(device), y.to(device)
        if optimizer is not None:
            loss = train_step(model, x, y, loss_fn, optimizer)
        else:
            logits = model(x)
            loss = loss_fn(logits, y).item()
            right += (logits.topk(1, dim=1).indices[:, 0] == y).sum().item()
        loss_sum += loss * len(y)
        seen += len(y)
    if not seen:
        raise ValueError("a loader without batches")
    return loss_sum, right, seen


def train_step(model, inputs, targets, loss_fn, optimizer, forget=None):
    calls = {"zero_grad": optimizer.zero_grad, "backward": None, "step": optimizer.step}
    if forget is not None and forget not in calls:
        raise ValueError(f"forget={forget!r}")
    device = next(model.parameters()).device
    loss = loss_fn(model(inputs.to(device)), targets.to(device))
    calls["backward"] = loss.backward
    for name, call in calls.items():
        if name != forget:
            call()
    return loss.item()


def train_epoch(model, loader, loss_fn, optimizer):
    model.train(True)
    loss_sum, _, seen = _go_through(model, loader, loss_fn, optimizer)
    return loss_sum / seen


def evaluate(model, loader, loss_fn):
    with ExitStack() as undo:
        for module in model.modules():
            undo.callback(setattr, module, "training", module.training)
        undo.enter_context(torch.set_grad_enabled(False))
        loss_sum, right, seen = _go_through(model.eval(), loader, loss_fn)
    return loss_sum / seen, right / seen


def fit(model, train_loader, val_loader, loss_fn, optimizer, epochs, scheduler=None):
    rows, epoch = [], 0
    while epoch < epochs:
        epoch += 1
        start = time.perf_counter()
        rows.append({"epoch": epoch, "lr": optimizer.param_groups[0]["lr"]})
        rows[-1]["train_loss"] = train_epoch(model, train_loader, loss_fn, optimizer)
        rows[-1]["val_loss"], rows[-1]["val_accuracy"] = evaluate(model, val_loader, loss_fn)
        rows[-1]["seconds"] = time.perf_counter() - start
        if scheduler is not None:
            scheduler.step()
    return rows


def missing_call(losses, grad_norms, update_norms):
    if sum(grad_norms) == 0:
        return "backward"
    if sum(update_norms) == 0:
        return "step"
    growth = grad_norms[1] / grad_norms[0]
    if abs(growth - 1) > 1e-3:
        return "zero_grad" if growth > 1 else None
    # A tie: the slope stayed as it was, or a step landed on the optimum. Then the norms rise later, or the loss stands.
    if any(norm > 1.01 * grad_norms[0] for norm in grad_norms) or grad_norms[3] > grad_norms[2] + 0.01 * grad_norms[0]:
        return "zero_grad"
    promise = update_norms[0] * grad_norms[0]
    seen = promise > 1e-6 * abs(losses[0])
    return "zero_grad" if seen and (losses[0] - losses[4]) / promise < 1 else None
