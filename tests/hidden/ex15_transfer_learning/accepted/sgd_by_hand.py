"""An extractor that goes to evaluation mode in each pass, and steps of SGD written out, without torch.optim."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


class Extractor(nn.Module):
    def __init__(self, net, head):
        super().__init__()
        self.net = copy.deepcopy(net)
        if head is not None:
            cut(self.net, head, nn.Identity())
        for value in self.net.parameters():
            value.requires_grad_(False)

    def forward(self, images):
        self.net.eval()
        with torch.no_grad():
            out = self.net(images)
            while out.dim() > 2:
                out = out.mean(-1)
        return out.detach()


def cut(net, head, layer):
    for name, module in list(net.named_modules()):
        for child in dict(module.named_children()):
            if f"{name}.{child}".lstrip(".") == head:
                setattr(module, child, layer)
                return
    raise ValueError("no such layer: " + head)


def feature_extractor(backbone, head="fc"):
    return Extractor(backbone, head)


class Momentum:
    """SGD with momentum 0.9 on some parameters."""

    def __init__(self, values, lr):
        self.values, self.lr, self.speeds = list(values), lr, {}

    @torch.no_grad()
    def step(self, slopes):
        for place, (value, slope) in enumerate(zip(self.values, slopes, strict=True)):
            self.speeds[place] = slope + 0.9 * self.speeds.get(place, 0.0)
            value.sub_(self.lr * self.speeds[place])


def passes(count, epochs, batch_size, generator):
    for epoch in range(epochs):
        order = torch.randperm(count, generator=generator).tolist()
        for start in range(0, count, batch_size):
            yield epoch, order[start : start + batch_size]


def linear_probe(backbone, images, labels, num_classes, *, head="fc", epochs, lr, batch_size, seed=0, device):
    extractor = Extractor(backbone, head).to(device)
    rows = []
    for start in range(0, len(images), batch_size):
        rows.extend(extractor(images[start : start + batch_size].to(device)))
    features, labels = torch.stack(rows), labels.to(device)
    linear = nn.Linear(len(rows[0]), num_classes, device=device)
    for value in linear.parameters():
        value.data.fill_(0)
    descent = Momentum(linear.parameters(), lr)
    for _, batch in passes(len(images), epochs, batch_size, torch.Generator().manual_seed(seed)):
        loss = F.cross_entropy(linear(features[batch]), labels[batch])
        descent.step(torch.autograd.grad(loss, list(linear.parameters())))
    return nn.Sequential(extractor, linear).eval()


def fine_tune(
    model,
    images,
    labels,
    num_classes,
    *,
    head="fc",
    epochs,
    backbone_lr,
    head_lr,
    batch_size,
    freeze_epochs=0,
    seed=0,
    device,
):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = copy.deepcopy(model)
    old = dict(model.named_modules()).get(head)
    linear = nn.Linear(1 if old is None else old.in_features, num_classes)
    nn.init.constant_(linear.weight, 0.0)
    nn.init.constant_(linear.bias, 0.0)
    cut(model, head, linear)
    model = model.to(device).requires_grad_(True)
    heads = list(linear.parameters())
    others = [value for value in model.parameters() if not any(value is each for each in heads)]
    slow, fast = Momentum(others, backbone_lr), Momentum(heads, head_lr)
    images, labels = images.to(device), labels.to(device)
    for epoch, batch in passes(len(images), epochs, batch_size, generator):
        if epoch < freeze_epochs:
            model.eval()
            for value in others:
                value.requires_grad = False
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            fast.step(torch.autograd.grad(loss, heads))
            continue
        model.train()
        for value in others:
            value.requires_grad = True
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        slopes = torch.autograd.grad(loss, heads + others)
        fast.step(slopes[: len(heads)])
        slow.step(slopes[len(heads) :])
    return model.eval()
