"""Wrong: the model ends in a softmax, and cross-entropy takes another one."""

import os
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 28  # pixels
CLASSES = 10
WIDTH = 16  # channels after the first layer
DROPOUT = 0.2  # share of the features that are dropped while training


class ConvNet(nn.Module):
    """Digits to logits. Input [B, 28, 28] or [B, 1, 28, 28], float in [0, 1]; output [B, 10], before any softmax."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 5, stride=2, padding=2, bias=False)  # no bias: BatchNorm has one
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.conv4 = nn.Conv2d(4 * width, 4 * width, 3, stride=2, padding=1, bias=False)
        self.bn4 = nn.BatchNorm2d(4 * width)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(4 * width * 4 * 4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.reshape(-1, 1, SIDE, SIDE)  # (B, 1, 28, 28), whether or not the channel was there
        x = F.relu(self.bn1(self.conv1(x)))  # (B, width, 14, 14)
        x = F.relu(self.bn2(self.conv2(x)))  # (B, 2 width, 14, 14)
        x = F.relu(self.bn3(self.conv3(x)))  # (B, 4 width, 7, 7)
        x = F.relu(self.bn4(self.conv4(x)))  # (B, 4 width, 4, 4)
        x = self.dropout(x.flatten(1))  # (B, 4 width * 16)
        return self.linear(x).softmax(1)


def build_model(width: int = WIDTH, dropout: float = DROPOUT) -> nn.Module:
    """A fresh network. Its arguments, the hyper-parameters, are all that is needed to build it again.

    ValueError for a width or dropout that makes no sense: they may come from a file.
    """
    if type(width) is not int or not 1 <= width <= 512:
        raise ValueError(f"width is {width!r}: it should be a whole number from 1 to 512")
    if type(dropout) not in (int, float) or not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout!r}: it should be at least 0 and below 1")
    return ConvNet(width, dropout)


def save_model(model: nn.Module, hparams: dict[str, int | float], path: str | Path) -> None:
    """Write {"state": state_dict, "hparams": hparams} to path: plain numbers, nothing that could run.

    The file at path is the old one or the new one, never half of one, whatever happens on the way.
    """
    unfinished = Path(f"{path}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            torch.save({"state": model.state_dict(), "hparams": hparams}, file)
        unfinished.replace(path)  # one step for whoever looks on
    finally:
        unfinished.unlink(missing_ok=True)  # after an error; replace() leaves nothing to remove


def load_model(path: str | Path) -> nn.Module:
    """The network saved at path, on the CPU, in evaluation mode, ready to take images.

    FileNotFoundError where there is no file. ValueError, in one line, for a file that is truncated, foreign, or
    would run code: a checkpoint is data and is never executed.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no checkpoint "{path}": run "main.py train" first')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of foreign files; we say it in one line
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 torch.load raises whatever such a file leads to
        raise ValueError(f'"{path}" is no checkpoint: damaged, or not just weights and numbers; not loaded') from None
    if not isinstance(saved, dict) or not {"state", "hparams"} <= saved.keys():
        raise ValueError(f'"{path}" is a checkpoint of something else: it lacks "state" or "hparams"')
    try:
        model = build_model(**saved["hparams"])
        model.load_state_dict(saved["state"])
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]  # on one line
        raise ValueError(f'"{path}" does not fit this network: {reason}') from None
    return model.eval()  # no dropout, and BatchNorm with the statistics of the training
