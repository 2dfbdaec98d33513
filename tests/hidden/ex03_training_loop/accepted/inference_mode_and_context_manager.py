"""Right: a context manager for evaluation, inference_mode, gradients set to zero in place, a rise over the lowest norm."""

import contextlib
import time

import torch

CALLS = ("zero_grad", "backward", "step")


def where(model):
    return next(iter(model.parameters())).device


@contextlib.contextmanager
def evaluation(model):
    before = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for m, flag in before:
            m.train(flag)  # parents come before their children here, so each one's own flag is the last word


def train_step(model, inputs, targets, loss_fn, optimizer, forget=None):
    if forget is not None and forget not in CALLS:
        raise ValueError(f"unknown call: {forget}")
    output = model(inputs.to(where(model), non_blocking=True))
    loss = loss_fn(output, targets.to(where(model), non_blocking=True))
    if forget != "zero_grad":
        optimizer.zero_grad(set_to_none=False)
    if forget != "backward":
        loss.backward()
    if forget != "step":
        optimizer.step()
    return float(loss)


def train_epoch(model, loader, loss_fn, optimizer):
    model.train()
    pairs = [(train_step(model, x, y, loss_fn, optimizer), y.shape[0]) for x, y in loader]
    if not pairs:
        raise ValueError("no batches")
    return sum(loss * size for loss, size in pairs) / sum(size for _, size in pairs)


def evaluate(model, loader, loss_fn):
    rows = []
    with evaluation(model):
        for x, y in loader:
            x, y = x.to(where(model)), y.to(where(model))
            out = model(x)
            rows.append((float(loss_fn(out, y)) * y.numel(), int((out.max(dim=1).indices == y).sum()), y.numel()))
    if not rows:
        raise ValueError("no batches")
    loss, right, count = map(sum, zip(*rows))
    return loss / count, right / count


def fit(model, train_loader, val_loader, loss_fn, optimizer, epochs, scheduler=None):
    history = []
    for number in range(epochs):
        began = time.monotonic()
        row = {"epoch": number + 1, "lr": float(optimizer.param_groups[0]["lr"])}
        row["train_loss"] = train_epoch(model, train_loader, loss_fn, optimizer)
        if scheduler:
            scheduler.step()
        row["val_loss"], row["val_accuracy"] = evaluate(model, val_loader, loss_fn)
        row["seconds"] = time.monotonic() - began
        row["samples per second"] = None
        history.append(row)
    return history


def missing_call(losses, grad_norms, update_norms):
    if max(grad_norms) == 0:
        return "backward"
    if max(update_norms) == 0:
        return "step"
    lowest = grad_norms[0]
    for norm in grad_norms:
        if norm > lowest + 0.01 * grad_norms[0]:
            return "zero_grad"
        lowest = min(lowest, norm)
    promise = update_norms[0] * grad_norms[0]
    if grad_norms[1] < 0.99 * grad_norms[0] or promise < 1e-6 * abs(losses[0]):
        return None
    return "zero_grad" if losses[0] - min(losses[:5]) < promise else None
