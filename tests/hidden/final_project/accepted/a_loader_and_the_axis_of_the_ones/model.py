"""Right, written from scratch: another network, DataLoader, pyplot, and angles from the axis of the mean one."""

import os
import tempfile

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, channels):
        super().__init__()
        c = channels
        self.features = nn.Sequential(
            nn.Conv2d(1, c, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(c, 2 * c, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * c * 49, 64),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(64, 10),
        )

    def forward(self, x):
        if x.dim() == 3:
            x = x.unsqueeze(1)
        return self.features((x - 0.13) / 0.31)


def build_model(channels=8):
    return Net(channels)


def save_model(model, hparams, path):
    folder = os.path.dirname(os.path.abspath(path))
    handle, name = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as f:
            torch.save({"state": model.state_dict(), "hparams": hparams, "version": 1}, f)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def load_model(path):
    if not os.path.exists(path):
        raise FileNotFoundError(f"no such checkpoint: {path}")
    try:
        saved = torch.load(path, weights_only=True)
        model = build_model(**saved["hparams"])
        model.load_state_dict(saved["state"])
    except Exception as e:
        raise ValueError(f"{path} can't be used as a checkpoint ({type(e).__name__})") from e
    model.eval()
    return model
