"""Right: vmap with randomness, an exit stack of flags, a loop that counts, and a chart drawn by hand with Pillow."""

from contextlib import ExitStack, contextmanager

import torch
from PIL import Image, ImageDraw
from torch import nn

KINDS = nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d | nn.AlphaDropout | nn.FeatureAlphaDropout


@contextmanager
def mc_dropout(model):
    with ExitStack() as undo:
        for module in model.modules():
            undo.callback(setattr, module, "training", module.training)
            setattr(module, "training", isinstance(module, KINDS))
        yield model


def mc_dropout_predict(model, x, samples=100):
    if samples <= 0:
        raise ValueError(f"samples={samples}")

    def one(_):
        return model(x)

    with torch.set_grad_enabled(False), mc_dropout(model):
        logits = torch.vmap(one, randomness="different")(torch.arange(samples, device=x.device))
    if logits.dim() == 2:  # nothing in the model depends on the sample
        logits = logits.expand(samples, *logits.shape)
    probs = (logits - logits.logsumexp(-1, keepdim=True)).exp()
    return probs / probs.sum(-1, keepdim=True)


def class_histogram(probs):
    samples, batch, classes = probs.shape
    counts = torch.zeros(batch, classes, dtype=torch.int64, device=probs.device)
    for c in range(classes):
        counts[:, c] = (probs.argmax(-1) == c).sum(0)
    return counts


def entropy(p):
    logs = torch.where(p > 0, p, torch.ones_like(p)).log()
    return (p * logs).sum(-1).neg()


def predictive_entropy(probs):
    return entropy(probs.mean(0)).clamp_min(0.0)


def mutual_information(probs):
    return torch.maximum(predictive_entropy(probs) - entropy(probs).mean(0), probs.new_zeros(()))


def plot_histogram(counts, path, class_names=None):
    counts = [int(count) for count in counts]
    names = class_names if class_names is not None else [f"{number}" for number in range(len(counts))]
    picture = Image.new("L", (60 * len(counts) + 20, 240), color=255)
    pen = ImageDraw.Draw(picture)
    for number, (count, name) in enumerate(zip(counts, names, strict=True)):
        left, height = 20 + 60 * number, round(200 * count / max(1, *counts))
        pen.rectangle((left, 220 - height, left + 40, 220), fill=80)
        pen.text((left, 224), name, fill=0)
        pen.text((left, 208 - height), str(count), fill=0)
    with open(path, "wb") as file:
        picture.save(file, "PNG")
