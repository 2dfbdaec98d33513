"""One hook for all modules of all models that asks which one it is, rows by the number of the backward pass."""

from contextlib import contextmanager

import numpy
import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


def by_name(model, names):
    found = {name: dict(model.named_modules()).get(name) for name in names}
    unknown = ", ".join(name for name, layer in found.items() if layer is None)
    if unknown:
        raise ValueError(f"the model has no {unknown}")
    return found


@contextmanager
def capture_activations(model, names):
    layers = by_name(model, names)
    captured = {name: [] for name in names}

    def keep(module, inputs, output):
        for name, layer in layers.items():
            if layer is module:
                captured[name].append(output.detach() + 0)

    handle = register_module_forward_hook(keep)
    try:
        yield captured
    finally:
        handle.remove()


@contextmanager
def record_gradients(model):
    steps, handles, passes = [], [], []
    everything = [name for name, _ in model.named_parameters()]

    def keep(name):
        def note(gradient):
            number = torch._C._current_graph_task_id()
            if not passes or passes[-1] != number:
                passes.append(number)
                steps.append(dict.fromkeys(everything))
            steps[-1][name] = gradient.flatten().norm(p=2).tolist()

        return note

    try:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                handles.append(parameter.register_hook(keep(name)))
        yield steps
    finally:
        while handles:
            handles.pop().remove()


def scale_gradient(x, factor):
    y = x.view_as(x)
    return y if not y.requires_grad else _hooked(y, factor)


def _hooked(y, factor):
    y.register_hook(factor.__mul__ if isinstance(factor, torch.Tensor) else lambda gradient: factor * gradient)
    return y


@contextmanager
def freeze(model, names):
    parts = by_name(model, names).values()
    parameters = [parameter for part in parts for parameter in part.parameters()]
    flags = [parameter.requires_grad for parameter in parameters]
    kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
    norms = {id(module): module for part in parts for module in part.modules() if isinstance(module, kinds)}
    modes = {number: norm.training for number, norm in norms.items()}

    def evaluate(module, inputs):
        if id(module) in norms:
            module.train(False)

    handle = register_module_forward_pre_hook(evaluate)
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
            parameter.grad = None
        for norm in norms.values():
            norm.train(False)
        yield parameters
    finally:
        handle.remove()
        for parameter, flag in zip(parameters, flags, strict=True):
            parameter.requires_grad_(flag)
        for number, norm in norms.items():
            norm.train(modes[number])


def layer_weights(model, name):
    (layer,) = by_name(model, [name]).values()
    for key, parameter in layer.named_parameters(recurse=False):
        if key == "weight":
            kind = torch.float32 if parameter.dtype == torch.bfloat16 else parameter.dtype
            return numpy.array(parameter.detach().to(kind).cpu())
    raise ValueError(f"no weight in {name}")
