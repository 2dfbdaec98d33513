"""The final project's training beside a plain network, at equal CPU seconds of the training loop.

The plain network is the usual first one of a course: three convolutions of 32, 64 and 128 channels with max-pooling,
dropout, 93,962 parameters; Adam with a learning rate of 1e-3, batches of 32, no augmentation.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader.bench.figures import run

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.data import TensorDataset

PARAMETERS = 93_962
EPOCHS = (2, 4, 8)
CHECKED = 5  # steps between two looks at the clock


@dataclass(frozen=True)
class Budget:
    """Both networks after the same CPU seconds."""

    seconds: float
    seed: int
    ours: float  # accuracy on the test images
    plain: float


def training(root: Path, seeds: int, data_dir: str | None = None) -> list[Budget]:
    """Trains ours for some numbers of epochs, and the plain one for as long, on one thread each."""
    return [_budget(root, epochs, seed, data_dir) for seed in range(seeds) for epochs in EPOCHS]


def _budget(root: Path, epochs: int, seed: int, data_dir: str | None) -> Budget:
    data = ["--data-dir", data_dir] if data_dir else []
    with tempfile.TemporaryDirectory(prefix="dojo-bench-") as folder:
        files = [item for name in ("checkpoint", "figure", "metrics") for item in (f"--{name}", f"{folder}/{name}")]
        main = str(root / "final_project" / "main.py")
        run([main, "train", "--device", "cpu", "--epochs", str(epochs), "--seed", str(seed), *data, *files], root)
        printed = run([main, "evaluate", f"{folder}/checkpoint", "--device", "cpu", *data], root)
        seconds = json.loads((Path(folder) / "metrics").read_text())["cpu_seconds"]
    ours = float(printed.split("test accuracy:")[1].split("%")[0]) / 100
    return Budget(seconds, seed, ours, plain(root, seconds, seed, data_dir))


def plain(root: Path, seconds: float, seed: int, data_dir: str | None) -> float:
    """The plain network's accuracy after so many CPU seconds of training."""
    import torch

    sys.path.insert(0, str(root / "final_project"))
    try:
        from data import load_data  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = network()
    _fit(model, load_data(data_dir, "train"), seconds)
    images, labels = load_data(data_dir, "test").tensors
    with torch.no_grad():
        right = sum(
            int((model(x[:, None]).argmax(1) == y).sum())
            for x, y in zip(images.split(500), labels.split(500), strict=True)
        )
    return right / len(labels)


def network() -> nn.Module:
    """The plain network: images [B, 1, 28, 28] to logits [B, 10]."""
    from torch import nn

    pool = nn.MaxPool2d(2)
    layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), pool, nn.Conv2d(32, 64, 3), nn.ReLU(), pool]
    layers += [nn.Conv2d(64, 128, 3), nn.ReLU(), pool, nn.Flatten(), nn.Dropout(0.5), nn.Linear(128, 10)]
    return nn.Sequential(*layers)


def _fit(model: nn.Module, dataset: TensorDataset, seconds: float) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    images, labels = dataset.tensors
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    began, step = time.process_time(), 0
    while True:
        for batch in torch.randperm(len(labels)).chunk(math.ceil(len(labels) / 32)):
            optimizer.zero_grad()
            loss: Tensor = cross_entropy(model(images[batch][:, None]), labels[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
            if step % CHECKED == 0 and time.process_time() - began >= seconds:
                model.eval()
                return
