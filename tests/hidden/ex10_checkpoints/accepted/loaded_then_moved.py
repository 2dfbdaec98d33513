"""As most people write it: load, build, load_state_dict, move; weights copied one by one where a training is resumed."""

import os
import uuid
from pathlib import Path

import torch
from torch import nn


def save_checkpoint(path, model, hyperparameters, optimizer=None, scheduler=None, generator=None, epoch=0):
    everything = dict.fromkeys(["optimizer", "scheduler", "generator"])
    everything["model"] = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    everything["hyperparameters"] = dict(hyperparameters)
    everything["epoch"] = int(epoch)
    if optimizer:
        everything["optimizer"] = optimizer.state_dict()
    if scheduler:
        everything["scheduler"] = scheduler.state_dict()
    if generator:
        everything["generator"] = generator.get_state()
    everything["rng"] = torch.random.get_rng_state()
    if torch.cuda.is_available():
        everything["cuda_rng"] = torch.cuda.get_rng_state_all()
    target = Path(os.path.abspath(path))
    temporary = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    try:
        torch.save(everything, temporary)
        fetch(temporary, "cpu", [])
        os.rename(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def fetch(path, device, keys):
    with open(path, "rb") as file:
        try:
            everything = torch.load(file, map_location=device, weights_only=True)
            keys_there = everything.keys()
        except Exception as error:
            raise ValueError(f"I can't make sense of {path}") from error
    for key in keys:
        if key not in keys_there:
            raise ValueError(f"{path}: the key {key} is missing")
        if everything[key] is None:
            raise ValueError(f"{path}: the key {key} is empty")
    return everything


def load_checkpoint(path, build, map_location="cpu", train=False):
    checkpoint = fetch(path, map_location, ["hyperparameters", "model"])
    model = build(**checkpoint["hyperparameters"])
    try:
        model.load_state_dict(checkpoint["model"])
    except RuntimeError as problem:
        raise ValueError(f"{path} and {type(model).__name__} do not fit: {problem}") from problem
    model.to(map_location)
    if train:
        model.train()
    else:
        model.eval()
    return model


def resume(path, model: nn.Module, optimizer, scheduler=None, generator=None):
    parts = {"optimizer": optimizer, "scheduler": scheduler, "generator": generator}
    parts = {name: part for name, part in parts.items() if part is not None}
    checkpoint = fetch(path, "cpu", ["model", "epoch", *parts])
    saved, own = checkpoint["model"], model.state_dict()
    faults = [name for name in {**saved, **own} if name not in saved or name not in own]
    faults += [name for name in saved if name in own and saved[name].shape != own[name].shape]
    if faults:
        raise ValueError(f"{path} has another model in it: {faults}")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(saved[name])
    for name, part in parts.items():
        if name == "generator":
            part.set_state(checkpoint[name])
        else:
            part.load_state_dict(checkpoint[name])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(checkpoint.get("cuda_rng", []))
    torch.random.set_rng_state(checkpoint["rng"])
    return checkpoint["epoch"]
