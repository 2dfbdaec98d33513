"""Makes the whole file in memory, reads it back from there, and writes it by os.open, os.fsync and os.replace."""

import contextlib
import io
import os
import secrets

import torch
from torch import nn

KEYS = ("model", "hyperparameters", "epoch", "optimizer", "scheduler", "generator")


def save_checkpoint(path, model, hyperparameters, optimizer=None, scheduler=None, generator=None, epoch=0) -> None:
    def state(owner):
        return owner.state_dict() if owner is not None else None

    order = generator.get_state() if generator is not None else None
    values = state(model), hyperparameters, epoch, state(optimizer), state(scheduler), order
    checkpoint = dict(zip(KEYS, values, strict=True)) | {
        "version": 1,
        "cpu_generator": torch.default_generator.get_state(),
    }
    for number in range(torch.cuda.device_count()):
        checkpoint[f"cuda_generator_{number}"] = torch.cuda.get_rng_state(number)
    content = io.BytesIO()
    torch.save(checkpoint, content)
    content.seek(0)
    torch.load(content, map_location="cpu", weights_only=True)

    new = f"{os.fspath(path)}.{secrets.token_hex(8)}"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        raise


def load_checkpoint(path, build, map_location="cpu", train=False) -> nn.Module:
    content = opened(path)
    settings, state = wanted(content, "hyperparameters", path), wanted(content, "model", path)
    model = build(**settings).to(map_location)
    filled(model, state, path)
    return model.train() if train else model.eval()


def opened(path):
    with open(path, "rb") as file:  # FileNotFoundError comes from here
        content = io.BytesIO(file.read())
    with contextlib.suppress(Exception):
        return torch.load(content, map_location=torch.device("cpu"), weights_only=True)
    raise ValueError(f"{path} is damaged, or no checkpoint at all")


def wanted(content, key, path):
    value = content.get(key) if isinstance(content, dict) else None
    if value is None:
        raise ValueError(f"no {key} in {path}")
    return value


def filled(model, state, path):
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    strange = sorted(set(shapes) ^ set(state)) + [n for n in state if n in shapes and shapes[n] != state[n].shape]
    if strange:
        raise ValueError(f"{path} is of another architecture, look at {', '.join(strange)}")
    model.load_state_dict(state)


def resume(path, model, optimizer, scheduler=None, generator=None) -> int:
    content = opened(path)
    filled(model, wanted(content, "model", path), path)
    for name, owner in {"scheduler": scheduler, "optimizer": optimizer}.items():
        if owner is not None:
            owner.load_state_dict(wanted(content, name, path))
    if generator is not None:
        generator.set_state(wanted(content, "generator", path))
    torch.default_generator.set_state(content["cpu_generator"])
    for number in range(torch.cuda.device_count()):
        if (state := content.get(f"cuda_generator_{number}")) is not None:
            torch.cuda.set_rng_state(state, number)
    return wanted(content, "epoch", path)
