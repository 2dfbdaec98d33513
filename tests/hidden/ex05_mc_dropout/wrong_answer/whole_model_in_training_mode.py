"""Puts the whole model into training mode, BatchNorm included, and restores the flags."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

# The kinds of dropout layers; subclasses of them count as well.
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@contextmanager
def mc_dropout(model: nn.Module) -> Iterator[None]:
    """In the `with` block every dropout layer of `model` samples, and every other module is in evaluation mode.

    Afterwards every module's own `training` flag is as it was before, also after an exception, which goes on.
    Source: https://docs.pytorch.org/docs/stable/nn.html#dropout-layers
    """
    flags = {module: module.training for module in model.modules()}
    try:
        model.train()
        yield
    finally:
        for module, flag in flags.items():
            module.training = flag


def mc_dropout_predict(model: nn.Module, x: Tensor, samples: int = 100) -> Tensor:
    """Class probabilities from `samples` independent draws of the dropout masks.

    Input:  a model that maps x [B, ...] to logits [B, C], in any mode; x on the model's device.
    Output: probabilities [S, B, C], S = `samples`; each row [s, b] is a softmax over the C classes and sums to 1.
    No graph is built. Flags and running statistics of the model are afterwards as they were before.
    Errors: ValueError for `samples` below 1.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, not {samples}")
    with torch.no_grad(), mc_dropout(model):
        return torch.stack([model(x).softmax(dim=1) for _ in range(samples)])  # (S, B, C)


def class_histogram(probs: Tensor) -> Tensor:
    """How many samples chose each class.

    Input:  probabilities [S, B, C].
    Output: counts [B, C], int64; a sample chooses its likeliest class, so the counts of a row sum to S.
    """
    votes = probs.argmax(dim=2)  # (S, B)
    return F.one_hot(votes, num_classes=probs.shape[2]).sum(dim=0)  # (S, B, C) -> (B, C)


def predictive_entropy(probs: Tensor) -> Tensor:
    """The entropy of the mean prediction, H(mean over S): how uncertain the prediction is, for whatever reason.

    Input:  probabilities [S, B, C], zeros included.
    Output: [B], in nats: 0 where all samples are sure of one class, ln C where nothing is known. Never negative.
    """
    mean = probs.mean(dim=0)  # (B, C)
    return torch.special.entr(mean).sum(dim=1)  # entr(p) = -p ln p, and 0 at p = 0


def mutual_information(probs: Tensor) -> Tensor:
    """What the samples disagree on: H(mean over S) - mean over S of H.

    Input:  probabilities [S, B, C], zeros included.
    Output: [B], in nats: 0 where all samples say the same, however unsure they are. Never negative.
    Source: N. Houlsby et al., Bayesian Active Learning by Disagreement (2011), https://arxiv.org/abs/1112.5745
    """
    entropies = torch.special.entr(probs).sum(dim=2)  # (S, B)
    disagreement = predictive_entropy(probs) - entropies.mean(dim=0)
    return disagreement.clamp(min=0)  # where both are equal, rounding may leave the difference just below 0


def plot_histogram(counts: Tensor, path: str | Path, class_names: Sequence[str] | None = None) -> None:
    """Draw one row of `class_histogram` as a bar chart and save it as a PNG at exactly `path`.

    Input: counts [C]; C names to write beside the bars, or None for the numbers 0 to C - 1.
    A file that is at `path` already is replaced, and no other file is written.
    Source: https://matplotlib.org/stable/api/_as_gen/matplotlib.axes.Axes.bar.html
    """
    classes = range(len(counts))
    figure = Figure()  # not pyplot's, which lasts until it is closed: the next chart would be drawn on top of this one
    axes = figure.add_subplot(ylabel="samples")
    axes.bar(classes, counts.tolist(), tick_label=class_names or classes)
    figure.savefig(path, format="png")  # with a format the path is taken as it is; without, ".png" may be added to it
