"""Exercise 11: hooks, or how to look into a network and reach into it without rewriting it.

Sources: https://docs.pytorch.org/docs/stable/notes/modules.html#module-hooks,
https://docs.pytorch.org/docs/stable/notes/autograd.html#backward-hooks-execution,
Ganin and Lempitsky, "Unsupervised Domain Adaptation by Backpropagation" (arXiv:1409.7495), for factors below 0.
"""

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
    raise NotImplementedError("task 1: a layer by its name")


@contextmanager
def capture_activations(model: nn.Module, names: Iterable[str]) -> Iterator[dict[str, list[Tensor]]]:
    """`with capture_activations(model, ["body.0", "head"]) as captured:` keeps what these layers give in the block.

    Gives a dict: name -> the outputs of that layer, one for each of its calls, in order; [] before the first.
    Each output is a copy without a graph, with the shape, dtype and device that it had when the layer was done.
    After the block, also after an exception, the model is without the hooks, and the dict keeps what it has.
    Errors: ValueError for a name that the model does not have, before any layer is touched.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html (register_forward_hook)
    """
    raise NotImplementedError("task 1: a forward hook per layer, for as long as the block lasts")


@contextmanager
def record_gradients(model: nn.Module) -> Iterator[list[dict[str, float | None]]]:
    """`with record_gradients(model) as steps:` notes how long the gradients of each `backward()` in the block are.

    Gives a list with a dict for each backward pass that reaches a parameter of `model`, in order.
    The dict: name of every parameter, as in `model.named_parameters()` -> the Euclidean norm of this pass's own
    gradient, whatever was in `.grad` before; None where the pass did not reach the parameter, or it is frozen.
    After the block, also after an exception, the parameters are without the hooks, and the list keeps what it has.
    Source: https://docs.pytorch.org/docs/stable/autograd.html (torch.autograd.graph.register_multi_grad_hook)
    """
    raise NotImplementedError("task 2: a row per backward pass")


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """`x` as it is on the way forward; on the way back the gradient that passes is multiplied by `factor`.

    Input:  x of any shape and floating dtype, with or without a graph; factor, a Python number.
    Output: the values of x, bit for bit, with its shape and dtype. Other uses of `x` have their gradients unscaled.
    """
    raise NotImplementedError("task 3: a hook on the way back")


@contextmanager
def freeze(model: nn.Module, names: Iterable[str]) -> Iterator[None]:
    """`with freeze(model, ["body"]):` keeps the parameters and BatchNorm statistics of these parts as they are.

    In the block their parameters require no gradient and have none, and gradients still pass through the parts.
    BatchNorm layers in them use their running statistics, also when the block calls `model.train()`.
    After the block, also after an exception, each parameter's `requires_grad` is what it was before.
    Errors: ValueError for a name that the model does not have, before anything is frozen.
    """
    raise NotImplementedError("task 4: freeze the parts, for as long as the block lasts")


def layer_weights(model: nn.Module, name: str) -> np.ndarray:
    """The weight of a layer as a NumPy array that is nobody else's: a copy, on the CPU.

    Output: shape and dtype of the weight; bfloat16, which NumPy does not know, becomes float32.
    Errors: ValueError that holds `name`, for a name that the model does not have and for a layer without a weight.
    """
    raise NotImplementedError("task 5: from a parameter to an array")
