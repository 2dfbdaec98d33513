"""Each BatchNorm becomes a layer of four buffers and each dropout nothing: no mode can wake what is not there."""

import copy

import torch
from torch import nn


class Affine(nn.Module):
    """What a BatchNorm is in evaluation mode."""

    def __init__(self, norm):
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, getattr(norm, name).detach().clone())
        self.eps = norm.eps

    def forward(self, x):
        scale = self.weight / (self.running_var + self.eps).sqrt()
        shift = self.bias - self.running_mean * scale
        places = [1, -1] + [1] * (x.dim() - 2)
        return x * scale.view(places) + shift.view(places)


def solid(module):
    """The same with all that depends on the mode replaced."""
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(module, name, Affine(child))
        elif isinstance(child, nn.modules.dropout._DropoutNd):
            setattr(module, name, nn.Identity())
        else:
            solid(child)


class Features(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = nn.ModuleList([backbone])
        solid(self.backbone)
        self.backbone.requires_grad_(False)

    def forward(self, images):
        features = self.backbone[0](images.detach())
        return features.mean(tuple(range(2, features.dim()))) if features.dim() > 2 else features


def without(model, head):
    names = [name for name, _ in model.named_modules()]
    if head is not None and head not in names:
        raise ValueError(f"{head!r} is none of {names}")
    model = copy.deepcopy(model)
    if head is not None:
        model.set_submodule(head, nn.Identity())
    return model


def feature_extractor(backbone, head="fc"):
    return Features(without(backbone, head)).eval()


def zeros(inputs, outputs, device):
    linear = nn.Linear(inputs, outputs).to(device)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.zero_()
    return linear


def run(model, x, y, epochs, batch_size, optimizers):
    for _ in range(epochs):
        for batch in torch.randperm(len(x), device=x.device).split(batch_size):
            loss = nn.CrossEntropyLoss()(model(x[batch]), y[batch])
            model.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()


def linear_probe(backbone, images, labels, num_classes, *, head="fc", epochs, lr, batch_size, seed=0, device):
    torch.manual_seed(seed)
    extractor = feature_extractor(backbone, head).to(device)
    x = torch.cat([extractor(chunk.to(device)) for chunk in torch.split(images, batch_size)])
    linear = zeros(x.shape[-1], num_classes, device)
    run(linear, x, labels.to(device), epochs, batch_size, [torch.optim.SGD(linear.parameters(), lr, momentum=0.9)])
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
    body = without(model, head).to(device)
    others = list(body.parameters())
    linear = zeros(model.get_submodule(head).in_features, num_classes, device)
    body.set_submodule(head, linear)
    fast = torch.optim.SGD(linear.parameters(), head_lr, momentum=0.9)
    slow = torch.optim.SGD(others, backbone_lr, momentum=0.9)
    images, labels = images.to(device), labels.to(device)
    body.eval()
    for value in others:
        value.requires_grad = False
    run(body, images, labels, freeze_epochs, batch_size, [fast])
    body.train().requires_grad_(True)
    run(body, images, labels, epochs - freeze_epochs, batch_size, [fast, slow])
    return body.eval()
