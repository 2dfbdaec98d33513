"""Without a hook: forward methods of instances and Tensor.backward are replaced for the block, and put back."""

from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn


def look_up(model, names):
    known = dict(model.named_modules())
    for name in names:
        if name not in known:
            raise ValueError("unknown layer: " + name)
    return [known[name] for name in names]


@contextmanager
def capture_activations(model, names):
    layers = look_up(model, names)
    captured = {name: [] for name in names}
    before = [vars(layer).get("forward") for layer in layers]

    def keeping(forward, outputs):
        def forward_and_keep(*inputs, **options):
            output = forward(*inputs, **options)
            with torch.no_grad():
                outputs.append(output.clone())
            return output

        return forward_and_keep

    for layer, outputs in zip(layers, captured.values(), strict=True):
        layer.forward = keeping(layer.forward, outputs)
    try:
        yield captured
    finally:
        for layer, old in zip(layers, before, strict=True):
            if old is None:
                del layer.forward
            else:
                layer.forward = old


@contextmanager
def record_gradients(model):
    rows = []
    plain = torch.Tensor.backward
    parameters = dict(model.named_parameters())

    def backward_and_measure(loss, *args, **options):
        before = {name: parameter.grad for name, parameter in parameters.items()}
        for parameter in parameters.values():
            parameter.grad = None
        plain(loss, *args, **options)
        norms = {}
        for name, parameter in parameters.items():
            came = parameter.grad
            norms[name] = None if came is None else came.double().pow(2).sum().sqrt().item()
            if came is None:
                parameter.grad = before[name]
            elif before[name] is not None:
                parameter.grad = before[name] + came
        if any(norm is not None for norm in norms.values()):
            rows.append(norms)

    torch.Tensor.backward = backward_and_measure
    try:
        yield rows
    finally:
        torch.Tensor.backward = plain


def scale_gradient(x, factor):
    # x - x.detach() is exactly 0, and carries the gradient
    return x.detach() + (x - x.detach()) * factor


@contextmanager
def freeze(model, names):
    undo = []
    for part in look_up(model, names):
        for parameter in part.parameters():
            undo.append((setattr, parameter, "requires_grad", parameter.requires_grad))
            parameter.requires_grad = False
            parameter.grad = None
        for module in part.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                old = vars(module).get("forward")
                undo.append((delattr, module, "forward") if old is None else (setattr, module, "forward", old))
                module.forward = by_running_statistics(module)
    try:
        yield
    finally:
        for function, *arguments in reversed(undo):
            function(*arguments)


def by_running_statistics(norm):
    def forward(x):
        mean, variance = norm.running_mean, norm.running_var
        return F.batch_norm(x, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps)

    return forward


def layer_weights(model, name):
    (layer,) = look_up(model, [name])
    if not isinstance(getattr(layer, "weight", None), torch.Tensor):
        raise ValueError(f"{name}: {type(layer).__name__} has no weight")
    copy = layer.weight.data.clone().to("cpu")
    return (copy.float() if copy.dtype is torch.bfloat16 else copy).numpy()
