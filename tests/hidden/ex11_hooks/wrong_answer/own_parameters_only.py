"""Freezes the parameters of the named module, and not those below it."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

# The layers with running statistics that `freeze` is about; subclasses of them count as well.
BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """The module that `model.named_modules()` lists under `name`, such as "body.0"; "" is the model itself.

    Errors: ValueError that holds `name` and the names that there are.
    """
    layers = dict(model.named_modules())
    if name not in layers:
        raise ValueError(f"no layer {name!r}; there are {', '.join(map(repr, layers))}")
    return layers[name]


@contextmanager
def capture_activations(model: nn.Module, names: Iterable[str]) -> Iterator[dict[str, list[Tensor]]]:
    """`with capture_activations(model, ["body.0", "head"]) as captured:` keeps what these layers give in the block.

    Gives a dict: name -> the outputs of that layer, one for each of its calls, in order; [] before the first.
    Each output is a copy without a graph, with the shape, dtype and device that it had when the layer was done.
    After the block, also after an exception, the model is without the hooks, and the dict keeps what it has.
    Errors: ValueError for a name that the model does not have, before any layer is touched.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html (register_forward_hook)
    """
    captured: dict[str, list[Tensor]] = {name: [] for name in names}
    with ExitStack() as hooks:  # takes back what it holds, however the block ends
        for name, outputs in captured.items():

            def note(_module: nn.Module, _inputs: tuple, output: Tensor, outputs: list[Tensor] = outputs) -> None:
                outputs.append(output.detach().clone())  # detach alone would share the layer's memory

            hooks.enter_context(find_layer(model, name).register_forward_hook(note))
        yield captured


@contextmanager
def record_gradients(model: nn.Module) -> Iterator[list[dict[str, float | None]]]:
    """`with record_gradients(model) as steps:` notes how long the gradients of each `backward()` in the block are.

    Gives a list with a dict for each backward pass that reaches a parameter of `model`, in order.
    The dict: name of every parameter, as in `model.named_parameters()` -> the Euclidean norm of this pass's own
    gradient, whatever was in `.grad` before; None where the pass did not reach the parameter, or it is frozen.
    After the block, also after an exception, the parameters are without the hooks, and the list keeps what it has.
    Source: https://docs.pytorch.org/docs/stable/autograd.html (torch.autograd.graph.register_multi_grad_hook)
    """
    parameters = dict(model.named_parameters())
    trained = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    steps: list[dict[str, float | None]] = []

    def note(gradients: tuple[Tensor | None, ...]) -> None:  # called once per pass, when the last of them is there
        reached = zip(trained, gradients, strict=True)
        norms = {name: gradient.norm().item() for name, gradient in reached if gradient is not None}
        steps.append({name: norms.get(name) for name in parameters})

    with torch.autograd.graph.register_multi_grad_hook(tuple(trained.values()), note):
        yield steps


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """`x` as it is on the way forward; on the way back the gradient that passes is multiplied by `factor`.

    Input:  x of any shape and floating dtype, with or without a graph; factor, a Python number.
    Output: the values of x, bit for bit, with its shape and dtype. Other uses of `x` have their gradients unscaled.
    """
    passed = x.clone()  # a hook on x itself would stay there, and scale what comes from other uses of x too
    if passed.requires_grad:  # where no gradient will come back, there is nothing to scale
        passed.register_hook(lambda gradient: gradient * factor)
    return passed


@contextmanager
def freeze(model: nn.Module, names: Iterable[str]) -> Iterator[None]:
    """`with freeze(model, ["body"]):` keeps the parameters and BatchNorm statistics of these parts as they are.

    In the block their parameters require no gradient and have none, and gradients still pass through the parts.
    BatchNorm layers in them use their running statistics, also when the block calls `model.train()`.
    After the block, also after an exception, each parameter's `requires_grad` is what it was before.
    Errors: ValueError for a name that the model does not have, before anything is frozen.
    """
    parts = [find_layer(model, name) for name in names]

    def evaluate(norm: nn.Module, _inputs: tuple) -> None:  # whatever it returned would take the place of the inputs
        norm.eval()

    with ExitStack() as undo:
        for parameter in {parameter for part in parts for parameter in part.parameters(recurse=False)}:
            undo.callback(parameter.requires_grad_, parameter.requires_grad)
            parameter.requires_grad_(False).grad = None  # an optimiser moves whatever has a gradient
        for norm in {module for part in parts for module in part.modules() if isinstance(module, BATCH_NORM)}:
            undo.callback(norm.train, norm.training)
            undo.enter_context(norm.register_forward_pre_hook(evaluate))
        yield


def layer_weights(model: nn.Module, name: str) -> np.ndarray:
    """The weight of a layer as a NumPy array that is nobody else's: a copy, on the CPU.

    Output: shape and dtype of the weight; bfloat16, which NumPy does not know, becomes float32.
    Errors: ValueError that holds `name`, for a name that the model does not have and for a layer without a weight.
    """
    weight = getattr(find_layer(model, name), "weight", None)
    if weight is None:
        raise ValueError(f"layer {name!r} has no weight")
    weight = weight.detach().cpu()
    if weight.dtype == torch.bfloat16:
        weight = weight.float()
    return weight.numpy().copy()  # numpy() shows the tensor's own memory
