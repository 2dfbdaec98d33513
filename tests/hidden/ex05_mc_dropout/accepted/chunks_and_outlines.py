"""Ugly but right: masks drawn in chunks of passes, hooks for flags by name, one-hot comparisons, bars as outlines."""

import contextlib
import io
import os

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def is_dropout(module):
    names = {"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"}
    return any(base.__name__ in names and base.__module__.startswith("torch.nn") for base in type(module).__mro__)


@contextlib.contextmanager
def mc_dropout(model):
    noted = {name: module.training for name, module in model.named_modules()}
    try:
        for module in model.modules():
            module.training = False
        for module in filter(is_dropout, model.modules()):
            module.training = True
        yield noted
    finally:
        for name, module in model.named_modules():
            module.training = noted[name]


def mc_dropout_predict(model, x, samples=100):
    if samples < 1:
        raise ValueError("samples < 1")
    chunks = []
    with mc_dropout(model):
        for start in range(0, samples, 7):
            count = min(7, samples - start)
            out = model(torch.cat([x] * count)).detach()
            chunks.append(torch.stack(out.chunk(count)))
    logits = torch.cat(chunks)
    weights = (logits - logits.max(dim=2, keepdim=True).values).exp()
    return weights / weights.sum(dim=2, keepdim=True)


def class_histogram(probs):
    best = probs.argmax(dim=2, keepdim=True)
    return torch.zeros_like(probs, dtype=torch.int32).scatter(2, best, 1).sum(0)


def predictive_entropy(probs):
    mean = torch.mean(probs, 0)
    return -torch.special.xlogy(mean, mean).sum(-1)


def mutual_information(probs):
    wide = probs.double()
    each = -torch.nan_to_num(wide * wide.log(), nan=0.0).sum(-1)
    mean = wide.mean(0)
    total = -torch.nan_to_num(mean * mean.log(), nan=0.0).sum(-1)
    return (total - each.mean(0)).to(probs.dtype).abs()


def plot_histogram(counts, path, class_names=None):
    figure = Figure(figsize=(4, 2.5), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = list(range(counts.numel()))
    bars = axes.bar(places, [c.item() for c in counts], width=0.6, fill=False, edgecolor="black")
    axes.bar_label(bars)
    axes.set_xticks(places)
    axes.set_xticklabels([str(n) for n in (places if class_names is None else class_names)], rotation=30)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    with open(os.fspath(path), "wb") as file:
        file.write(buffer.getvalue())
