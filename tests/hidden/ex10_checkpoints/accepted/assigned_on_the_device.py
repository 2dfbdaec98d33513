"""Reads the tensors straight to the device, and makes them the model's own by assign=True; a class does the work."""

import os
import tempfile
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass
class Checkpoint:
    path: Any
    content: dict

    @classmethod
    def read(cls, path, device):
        if not os.path.exists(path):
            raise FileNotFoundError(f"there is no file {path}")
        try:
            content = torch.load(path, map_location=device, weights_only=True)
        except Exception:
            raise ValueError(f"{path} can't be read") from None
        if type(content) is not dict:
            raise ValueError(f"{path} is something else")
        return cls(path, content)

    def __getitem__(self, key):
        if self.content.get(key) is None:
            raise ValueError(f"{self.path} has no {key}, only {list(self.content)}")
        return self.content[key]

    def into(self, model, assign):
        try:
            model.load_state_dict(self["model"], assign=assign)
        except RuntimeError as error:
            raise ValueError(f"{self.path}: {error}") from None


def load_checkpoint(path, build, map_location="cpu", train=False):
    checkpoint = Checkpoint.read(path, map_location)
    with torch.device(map_location):
        model: nn.Module = build(**checkpoint["hyperparameters"])
    checkpoint.into(model, assign=True)
    for module in model.modules():
        module.training = train
    return model


def resume(path, model, optimizer, scheduler=None, generator=None):
    checkpoint = Checkpoint.read(path, torch.device("cpu"))
    owners = {"optimizer": optimizer, "scheduler": scheduler}
    states = {key: checkpoint[key] for key, owner in owners.items() if owner is not None}
    epoch, order = checkpoint["epoch"], None if generator is None else checkpoint["generator"]
    checkpoint.into(model, assign=False)
    for key, state in states.items():
        owners[key].load_state_dict(state)
    if order is not None:
        generator.set_state(order)
    torch.set_rng_state(checkpoint["random"]["cpu"])
    for number, state in enumerate(checkpoint["random"]["cuda"]):
        if number < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, number)
    return epoch


def plain(value):
    if isinstance(value, list | tuple):
        return all(map(plain, value))
    if isinstance(value, dict):
        return plain(list(value)) and plain(list(value.values()))
    return type(value) in (type(None), bool, int, float, str)


def save_checkpoint(path, model, hyperparameters, optimizer=None, scheduler=None, generator=None, epoch=0):
    if not plain(hyperparameters):
        raise TypeError(f"hyper-parameters must be plain data, not {hyperparameters}")
    content: dict[str, Any] = {"random": {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}}
    content |= {"hyperparameters": hyperparameters, "epoch": epoch, "generator": generator}
    owners = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    for key, owner in owners.items():
        content[key] = None if owner is None else owner.state_dict()
    if generator is not None:
        content["generator"] = generator.get_state()
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            torch.save(content, file)
            file.close()
            os.replace(file.name, path)
        finally:
            if os.path.exists(file.name):
                os.remove(file.name)
