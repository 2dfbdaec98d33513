"""Saves the parameters, and forgets the buffers."""
# verdicts: wrong_answer, run_time_error

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
    checkpoint = {
        "model": {name: value.detach() for name, value in model.named_parameters()},
        "hyperparameters": hyperparameters,
        "epoch": epoch,
        "optimizer": None if optimizer is None else optimizer.state_dict(),
        "scheduler": None if scheduler is None else scheduler.state_dict(),
        "generator": None if generator is None else generator.get_state(),
        "torch_generators": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],  # dropout draws from these
    }
    write_atomically(checkpoint, path)


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
    checkpoint = read_checkpoint(path, ["hyperparameters", "model"])
    model = build(**checkpoint["hyperparameters"])  # the weights don't know the dropout that they were trained with
    load_state(model, checkpoint["model"], path)
    return model.to(map_location).train(train)


def read_checkpoint(path: str | os.PathLike, keys: list[str]) -> dict[str, Any]:
    """The dict in the file `path`, with its tensors on the CPU. Nothing that the file says is executed.

    This is a helper: the tests look at `load_checkpoint` and `resume` alone, so it may have another shape.
    Errors: FileNotFoundError; ValueError, which names `path`, for a truncated file, for one that is no checkpoint or
    holds more than data, and, naming them, where some of `keys` are missing or None.
    """
    with Path(path).open("rb") as file:  # FileNotFoundError comes from here
        try:
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)  # a pickle could run any code
        except Exception as error:  # torch has half a dozen for a damaged file, RuntimeError, EOFError, OSError ...
            raise ValueError(f"'{path}' can't be read as a checkpoint: {error}") from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f"'{path}' is no checkpoint: it holds a {type(checkpoint).__name__}, not a dict")
    missing = [key for key in keys if checkpoint.get(key) is None]
    if missing:
        raise ValueError(f"'{path}' lacks {', '.join(missing)}; it has {', '.join(map(str, checkpoint))}")
    return checkpoint


def load_state(model: nn.Module, state: dict[str, Tensor], path: str | os.PathLike) -> None:
    """Copy `state` into the model's own parameters and buffers, which an optimiser may hold. A helper, like the others.

    Errors: ValueError, naming `path` and the entries that are missing, or too many, or of another shape.
    """
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"'{path}' holds another architecture: {error}") from error


def write_atomically(checkpoint: dict[str, Any], path: str | os.PathLike) -> None:
    """Write the file so that others see the old one or the new one, and never a part of one. A helper, too.

    A write that fails leaves the old file as it was; nothing else stays in its folder, whether it fails or not.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # removed at the end, come what may
        new = Path(folder) / path.name
        torch.save(checkpoint, new)
        torch.load(new, map_location="cpu", weights_only=True)  # to fail today is better than when it is needed
        new.replace(path)  # atomic, because both are on one file system


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
    given = {"scheduler": scheduler, "generator": generator}
    wanted = ["model", "epoch", "optimizer", "torch_generators", *(key for key in given if given[key] is not None)]
    checkpoint = read_checkpoint(path, wanted)
    load_state(model, checkpoint["model"], path)
    optimizer.load_state_dict(checkpoint["optimizer"])
    if scheduler is not None:
        scheduler.load_state_dict(checkpoint["scheduler"])
    if generator is not None:
        generator.set_state(checkpoint["generator"])
    cpu, *gpus = checkpoint["torch_generators"]
    torch.set_rng_state(cpu)
    torch.cuda.set_rng_state_all(gpus[: torch.cuda.device_count()])
    return checkpoint["epoch"]
