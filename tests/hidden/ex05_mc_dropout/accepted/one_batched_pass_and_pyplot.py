"""Right: one pass over a repeated batch, a class for the context, votes by bincount, information as a mean divergence."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd


class mc_dropout:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.before = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        for module in self.model.modules():
            if isinstance(module, _DropoutNd):
                module.train()
        return self.model

    def __exit__(self, *exception):
        for module, flag in self.before:
            module.train(flag)  # parents come before their children here, so each one's own flag is the last word
        return False


@torch.inference_mode()
def mc_dropout_predict(model, x, samples=100):
    if not samples >= 1:
        raise ValueError("at least one sample")
    batch = x.shape[0]
    with mc_dropout(model) as net:
        logits = net(x.repeat(samples, *[1] * (x.dim() - 1)))  # (S * B, C)
    return nn.functional.softmax(logits, dim=-1).unflatten(0, (samples, batch))


def class_histogram(probs):
    samples, batch, classes = probs.shape
    votes = probs.max(dim=-1).indices
    places = torch.arange(batch, device=probs.device) * classes + votes
    return torch.bincount(places.flatten(), minlength=batch * classes).reshape(batch, classes)


def predictive_entropy(probs):
    p = probs.sum(0) / probs.size(0)
    return torch.distributions.Categorical(probs=p).entropy()


def mutual_information(probs):
    mean = probs.mean(0, keepdim=True)
    tiny = torch.finfo(probs.dtype).tiny
    divergence = probs * (probs.clamp(min=tiny) / mean.clamp(min=tiny)).log()
    return divergence.sum(-1).mean(0).relu()


def plot_histogram(counts, path, class_names=None):
    labels = [str(number) for number in range(len(counts))] if class_names is None else list(class_names)
    plt.figure(figsize=(5, 3), dpi=80)
    plt.barh(labels, counts.cpu().numpy())
    plt.xlabel("samples")
    plt.savefig(str(path), format="png", bbox_inches="tight")
    plt.close()
