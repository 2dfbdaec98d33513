"""Exercise 10: checkpoints, a model that comes back as it was trained, and a training that goes on as if never stopped.

Sources: https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html,
https://docs.pytorch.org/docs/stable/notes/serialization.html, and
https://docs.pytorch.org/docs/stable/notes/randomness.html
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def save_checkpoint(
    path: str | os.PathLike,
    model: nn.Module,
    hyperparameters: dict[str, Any],
    optimizer: Optimizer | None = None,
    scheduler: Any = None,
    generator: torch.Generator | None = None,
    epoch: int = 0,
) -> None:
    """Write a training, or only a trained model, to the file `path`: atomically, and readable with weights_only=True.

    The file is a dict. "model", "optimizer" and "scheduler" hold state_dicts, "generator" the state of the generator
    that shuffles the data, "hyperparameters" and "epoch" what was given; None stands for what was not. In further
    entries it holds the states of torch's own generators: the CPU's, and each GPU's.

    Input: `hyperparameters` are the keyword arguments that the model was built with, as plain data: None, bools, ints,
    floats, texts, and lists, tuples and dicts of these. `epoch` is the number of epochs that are done.
    Errors: any exception where the file could not be written, or could not be read back; the old file stays then.
    """
    raise NotImplementedError("task 1: everything that the next step of the training depends on, in one dict")


def load_checkpoint(
    path: str | os.PathLike,
    build: Callable[..., nn.Module],
    map_location: str | torch.device = "cpu",
    train: bool = False,
) -> nn.Module:
    """Build the model again as it was, `build(**hyperparameters)`, and give it the weights and buffers of the file.

    Output: the model, with all parameters and buffers on the device `map_location`, wherever they were saved; all
    its modules in evaluation mode, or in training mode with `train`.
    Errors: FileNotFoundError; ValueError, as `read_checkpoint` and `load_state` say. What `build` raises passes.
    """
    raise NotImplementedError("task 2: the same model again, on this machine")


def read_checkpoint(path: str | os.PathLike, keys: list[str]) -> dict[str, Any]:
    """The dict in the file `path`, with its tensors on the CPU. Nothing that the file says is executed.

    This is a helper: the tests look at `load_checkpoint` and `resume` alone, so it may have another shape.
    Errors: FileNotFoundError; ValueError, which names `path`, for a truncated file, for one that is no checkpoint or
    holds more than data, and, naming them, where some of `keys` are missing or None.
    """
    raise NotImplementedError("task 3: a file that is not trusted")


def load_state(model: nn.Module, state: dict[str, Tensor], path: str | os.PathLike) -> None:
    """Copy `state` into the model's own parameters and buffers, which an optimiser may hold. A helper, like the others.

    Errors: ValueError, naming `path` and the entries that are missing, or too many, or of another shape.
    """
    raise NotImplementedError("task 3: weights that do not fit")


def write_atomically(checkpoint: dict[str, Any], path: str | os.PathLike) -> None:
    """Write the file so that others see the old one or the new one, and never a part of one. A helper, too.

    A write that fails leaves the old file as it was; nothing else stays in its folder, whether it fails or not.
    """
    raise NotImplementedError("task 4: a new file beside the old one, looked at, then one rename")


def resume(
    path: str | os.PathLike,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: Any = None,
    generator: torch.Generator | None = None,
) -> int:
    """Put a training back to where `save_checkpoint` saw it: what follows is, bit for bit, what would have followed.

    Input: a model like the one that was saved, on any device, an optimiser that holds its parameters, the scheduler
    and the generator of the data, where there are any. All of them are changed in place; no module's mode is.
    Output: the number of epochs that are done.
    Errors: as for `load_checkpoint`; ValueError, too, for a file without the state of something that is given here.
    """
    raise NotImplementedError("task 5: weights, optimiser, schedule, and every generator")
