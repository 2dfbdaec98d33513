"""Exercise 12: eight classifiers for small colour images, from one linear layer to dropout, and a fair comparison.

All take images [B, 3, 32, 32], float32 in [0, 1], and return logits [B, num_classes]: no softmax, which is the loss's.
The shapes at line ends leave B out. Sources: Y. LeCun et al., Gradient-Based Learning Applied to Document Recognition
(1998), http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf, and those that stand beside a builder.
"""

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
    raise NotImplementedError("task 1: one linear layer")


def mlp(num_classes: int = 100) -> nn.Module:
    """One hidden layer of 1,024 ReLU units. 3,249,252 parameters for 100 classes."""
    raise NotImplementedError("task 1: one hidden layer")


def deep_mlp(num_classes: int = 100) -> nn.Module:
    """Four hidden layers of 512 ReLU units. 2,412,644 parameters for 100 classes. Trained with a decay: see `DECAY`."""
    raise NotImplementedError("task 1: four hidden layers")


def conv_stride(num_classes: int = 100) -> nn.Module:
    """Two convolutions, 5×5, 16 filters, stride 2, a ReLU after each, and a linear layer. 47,732 parameters."""
    raise NotImplementedError("task 2: two convolutions with strides")


def conv_pool(num_classes: int = 100) -> nn.Module:
    """The same with stride 1, and a max-pool of 2×2 after each ReLU. 47,732 parameters."""
    raise NotImplementedError("task 2: two convolutions with pools")


def conv_batchnorm(num_classes: int = 100) -> nn.Module:
    """`conv_pool` with a BN after each convolution, which then needs no bias. 47,764 parameters.

    Source: S. Ioffe and C. Szegedy, Batch Normalization (2015), https://arxiv.org/abs/1502.03167
    """
    raise NotImplementedError("task 3: batch normalisation")


def conv_selu(num_classes: int = 100) -> nn.Module:
    """`conv_pool` with SELU in place of ReLU, and the initial weights that SELU asks for. 47,732 parameters.

    Of all three layers, weights begin with mean 0 and standard deviation 1 / √fan_in, biases with 0.
    Source: G. Klambauer et al., Self-Normalizing Neural Networks (2017), https://arxiv.org/abs/1706.02515
    """
    raise NotImplementedError("task 3: SELU, and its initial weights")


def conv_dropout(num_classes: int = 100, p: float = 0.5) -> nn.Module:
    """`conv_pool` whose 400 features are dropped, each by itself with probability `p`, before the linear layer.

    47,732 parameters. Source: N. Srivastava et al., Dropout (2014), https://jmlr.org/papers/v15/srivastava14a.html
    """
    raise NotImplementedError("task 3: dropout before the linear layer")


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
    raise NotImplementedError("task 4: train and test each model")


def clock(device: torch.device | str) -> float:
    """Seconds, read when all work on `device` is done. An offer, for `compare`: it is not graded by itself."""
    raise NotImplementedError("task 4: wait for the device, then read the clock")


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of right answers in evaluation mode, without a graph. An offer too."""
    raise NotImplementedError("task 4: count right answers")


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of `compare` as text: a line of headings, then a line for each row, in the same order.

    A line has five columns, with spaces between them: the name (left), the parameters with commas (47,732), the best
    accuracy in percent with one decimal (31.5), the epochs and the seconds with one decimal (12.0) to the target; `-`
    in place of None. The four numbers are aligned right: in each column they end at the same place in all lines.
    """
    raise NotImplementedError("task 5: lines whose columns are aligned")


def plot_comparison(rows: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Draw the accuracy after each epoch, a curve with its name for each row, and save a PNG at exactly `path`.

    A file that is at `path` already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.plot.html
    """
    raise NotImplementedError("task 5: learning curves")
