"""Accuracies are in percent, and so are above any target."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn


def softmax_linear(num_classes: int = 100) -> nn.Module:
    """One linear layer of all 3,072 numbers of an image. 307,300 parameters for 100 classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, num_classes))


def mlp(num_classes: int = 100) -> nn.Module:
    """One hidden layer of 1,024 ReLU units. 3,249,252 parameters for 100 classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1024), nn.ReLU(), nn.Linear(1024, num_classes))


def deep_mlp(num_classes: int = 100) -> nn.Module:
    """Four hidden layers of 512 ReLU units. 2,412,644 parameters for 100 classes. Trained with a decay: see `DECAY`."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs in (3 * 32 * 32, 512, 512, 512):
        layers += [nn.Linear(inputs, 512), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(512, num_classes))


def conv_stride(num_classes: int = 100) -> nn.Module:
    """Two convolutions, 5×5, 16 filters, stride 2, a ReLU after each, and a linear layer. 47,732 parameters."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2),  # (16, 14, 14)
        nn.ReLU(),
        nn.Conv2d(16, 16, 5, stride=2),  # (16, 5, 5)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, num_classes),
    )


def conv_pool(num_classes: int = 100) -> nn.Module:
    """The same with stride 1, and a max-pool of 2×2 after each ReLU. 47,732 parameters."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5),  # (16, 28, 28)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (16, 14, 14)
        nn.Conv2d(16, 16, 5),  # (16, 10, 10)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (16, 5, 5)
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, num_classes),
    )


def conv_batchnorm(num_classes: int = 100) -> nn.Module:
    """`conv_pool` with a BN after each convolution, which then needs no bias. 47,764 parameters.

    Source: S. Ioffe and C. Szegedy, Batch Normalization (2015), https://arxiv.org/abs/1502.03167
    """
    model = nn.Sequential()
    for layer in conv_pool(num_classes):
        if isinstance(layer, nn.Conv2d):
            model.append(nn.Conv2d(layer.in_channels, 16, 5, bias=False))  # the BN would take the bias away
            model.append(nn.BatchNorm2d(16))
        else:
            model.append(layer)
    return model


def conv_selu(num_classes: int = 100) -> nn.Module:
    """`conv_pool` with SELU in place of ReLU, and the initial weights that SELU asks for. 47,732 parameters.

    Of all three layers, weights begin with mean 0 and standard deviation 1 / √fan_in, biases with 0.
    Source: G. Klambauer et al., Self-Normalizing Neural Networks (2017), https://arxiv.org/abs/1706.02515
    """
    layers = (nn.SELU() if isinstance(layer, nn.ReLU) else layer for layer in conv_pool(num_classes))
    model = nn.Sequential(*layers)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            nn.init.zeros_(parameter)  # a bias
        else:
            nn.init.kaiming_normal_(parameter, nonlinearity="linear")  # "selu" would give 3/4 of what SELU wants
    return model


def conv_dropout(num_classes: int = 100, p: float = 0.5) -> nn.Module:
    """`conv_pool` whose 400 features are dropped, each by itself with probability `p`, before the linear layer.

    47,732 parameters. Source: N. Srivastava et al., Dropout (2014), https://jmlr.org/papers/v15/srivastava14a.html
    """
    *features, linear = conv_pool(num_classes)
    return nn.Sequential(*features, nn.Dropout(p), linear)


DECAY: dict[str, float] = {"deep_mlp": 0.8}  # what a model's learning rate is multiplied by after each epoch


def compare(
    builders: Mapping[str, Callable[[], nn.Module]],
    data: Mapping[str, Tensor],
    *,
    epochs: int = 10,
    lr: float = 0.01,
    batch_size: int = 100,
    target: float = 0.25,
    decay: Mapping[str, float] = DECAY,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> list[dict[str, Any]]:
    """Builds and trains each of the models on the same data in the same way, and says how far it got.

    Input:  builders by name, each called once without arguments; `data` with "train_images" [N, 3, 32, 32],
            "train_labels" [N], "test_images" [M, 3, 32, 32], "test_labels" [M]: float32 in [0, 1], and int64.
    Training: SGD with momentum 0.9 on the mean cross-entropy; each epoch all images once, in a new order, in batches of
            `batch_size` (the last may be smaller). In epoch e = 1, 2, … the rate is lr · decay[name]^(e − 1), and lr
            for a name that is not in `decay`.
    Fair:   `seed` alone decides each model's weights and dropout, whichever others there are, and all models are
            shown the same batches in the same order.
    Output: a row for each model, in the order of `builders`:
            "name", "parameters": how many numbers model.parameters() holds,
            "accuracies": the share of test images that are right after each epoch, "best_accuracy": the largest,
            "epochs_to_target": the first epoch, counted from 1, with an accuracy of `target` or more, or None,
            "seconds_to_target": the seconds (of wall time) that training took until then, building and testing not
            counted, or None.
    Errors: ValueError for `epochs` below 1, with that number in its message.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, not {epochs}")
    images, labels, test_images, test_labels = (
        data[name].to(device) for name in ("train_images", "train_labels", "test_images", "test_labels")
    )
    rows = []
    for name, build in builders.items():
        torch.manual_seed(seed)  # for each model anew: otherwise its weights depend on the models before it
        order = torch.Generator().manual_seed(seed)  # of its own: a model with dropout sees the same batches as others
        model = build().to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=decay.get(name, 1.0))
        accuracies: list[float] = []
        seconds, reached = 0.0, None
        for epoch in range(1, epochs + 1):
            start = clock(device)
            model.train()  # each epoch: the test has switched it off
            for batch in torch.randperm(len(images), generator=order).split(batch_size):
                loss = F.cross_entropy(model(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            schedule.step()
            seconds += clock(device) - start
            accuracies.append(accuracy(model, test_images, test_labels))
            if reached is None and accuracies[-1] >= target:
                reached = epoch, seconds
        rows.append(
            {
                "name": name,
                "parameters": sum(parameter.numel() for parameter in model.parameters()),
                "accuracies": accuracies,
                "best_accuracy": max(accuracies),
                "epochs_to_target": reached[0] if reached else None,
                "seconds_to_target": reached[1] if reached else None,
            }
        )
    return rows


def clock(device: torch.device | str) -> float:
    """Seconds, read when all work on `device` is done. An offer, for `compare`: it is not graded by itself."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(device)  # a GPU is still at it when Python is through
    return time.perf_counter()


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of right answers in evaluation mode, without a graph. An offer too."""
    model.eval()
    batches = torch.arange(len(images)).split(1000)  # all at once may not fit into memory
    right = sum(int((model(images[batch]).argmax(dim=1) == labels[batch]).sum()) for batch in batches)
    return 100 * right / len(images)


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of `compare` as text: a line of headings, then a line for each row, in the same order.

    A line has five columns, with spaces between them: the name (left), the parameters with commas (47,732), the best
    accuracy in percent with one decimal (31.5), the epochs and the seconds with one decimal (12.0) to the target; `-`
    in place of None. The four numbers are aligned right: in each column they end at the same place in all lines.
    """
    cells = [["model", "parameters", "best %", "epochs", "seconds"]]
    for row in rows:
        epochs, seconds = row["epochs_to_target"], row["seconds_to_target"]
        cells.append(
            [
                row["name"],
                f"{row['parameters']:,}",
                f"{100 * row['best_accuracy']:.1f}",
                "-" if epochs is None else str(epochs),
                "-" if seconds is None else f"{seconds:.1f}",
            ]
        )
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in cells)


def plot_comparison(rows: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Draw the accuracy after each epoch, a curve with its name for each row, and save a PNG at exactly `path`.

    A file that is at `path` already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.plot.html
    """
    figure = Figure()  # not pyplot's, which lasts until it is closed
    axes = figure.add_subplot(xlabel="epoch", ylabel="accuracy on the test images")
    for row in rows:
        epochs = range(1, len(row["accuracies"]) + 1)
        axes.plot(epochs, row["accuracies"], marker="o", label=f"{row['name']} ({row['parameters']:,})")
    axes.legend()
    figure.savefig(path, format="png")  # with a format the path is taken as it is; without, ".png" may be added to it
