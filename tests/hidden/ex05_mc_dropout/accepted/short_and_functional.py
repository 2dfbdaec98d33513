"""Right: the shortest way, with flags in a list, log-probabilities on the way, and a logarithmic chart that lies down."""

from contextlib import contextmanager
from itertools import repeat

import torch
import torch.nn.functional as F
from matplotlib import pyplot
from torch import nn

DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@contextmanager
def mc_dropout(model):
    flags = [module.training for module in model.modules()]
    try:
        yield [model.eval(), *(module.train() for module in model.modules() if isinstance(module, DROPOUT))]
    finally:
        for module, module.training in zip(model.modules(), flags):
            pass


@torch.no_grad
def mc_dropout_predict(model, x, samples=100):
    if samples < 1:
        raise ValueError
    with mc_dropout(model):
        return torch.stack([*map(lambda x: F.log_softmax(model(x), -1).exp(), repeat(x, samples))])


def class_histogram(probs):
    return torch.stack([torch.bincount(votes, minlength=probs.shape[-1]) for votes in probs.argmax(-1).unbind(1)])


def predictive_entropy(probs):
    p = probs.mean(0)
    return -(p * p.clamp_min(1e-12).log()).sum(-1)


def mutual_information(probs):
    expected = -(probs * probs.clamp_min(1e-12).log()).sum(-1).mean(0)
    return F.relu(predictive_entropy(probs) - expected)


def plot_histogram(counts, path, class_names=None):
    with pyplot.style.context("ggplot"):
        figure, axes = pyplot.subplots()
        axes.barh(range(len(counts)), counts, log=True)
        axes.set_yticks(range(len(counts)), class_names)
        figure.savefig(path, format="png")
        pyplot.close(figure)
