"""A Sequential whose train does nothing, data loaders with a generator of their own, and groups by exact names."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Pool(nn.Module):
    def forward(self, x):
        return x if x.dim() == 2 else x.reshape(*x.shape[:2], -1).mean(-1)


class Quiet(nn.Module):
    """Calls a module without a graph."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    @torch.no_grad()
    def forward(self, x):
        return self.module(x)


def replaced(model, head, layer):
    model = copy.deepcopy(model)
    if head is None:
        return model
    try:
        model.get_submodule(head)
    except AttributeError:
        raise ValueError(f"there is no {head}, but {[name for name, _ in model.named_modules()]}") from None
    parent, _, name = head.rpartition(".")
    setattr(model.get_submodule(parent), name, layer)
    return model


def feature_extractor(backbone, head="fc"):
    frozen = Quiet(nn.Sequential(replaced(backbone, head, nn.Identity()), Pool()))
    for parameter in frozen.parameters():
        parameter.requires_grad = False
    frozen.eval()
    frozen.train = lambda mode=True: frozen
    return frozen


def batches(seed, batch_size, *tensors):
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(TensorDataset(*tensors), batch_size, shuffle=True, generator=generator)


def empty(features, classes):
    head = nn.Linear(features, classes)
    head.load_state_dict({"weight": torch.zeros(classes, features), "bias": torch.zeros(classes)})
    return head


def linear_probe(backbone, images, labels, num_classes, *, head="fc", epochs, lr, batch_size, seed=0, device):
    frozen = feature_extractor(backbone, head).to(device)
    rows = [frozen(batch.to(device)) for (batch,) in DataLoader(TensorDataset(images), batch_size)]
    features = torch.cat(rows)
    linear = empty(features.size(1), num_classes).to(device)
    optimizer = torch.optim.SGD(linear.parameters(), lr, 0.9)
    loader = batches(seed, batch_size, features, labels.to(device))
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(linear(x), y).backward()
            optimizer.step()
    model = nn.Sequential(frozen, linear)
    model.eval()
    return model


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
    tuned = replaced(model, head, None)
    linear = empty(model.get_submodule(head).weight.shape[1], num_classes)
    tuned = replaced(model, head, linear).to(device)
    mine = {f"{head}.{name}" for name, _ in linear.named_parameters()}
    groups = {True: [], False: []}
    for name, parameter in tuned.named_parameters():
        groups[name in mine].append(parameter)
    optimizer = torch.optim.SGD(
        [{"params": groups[False], "lr": backbone_lr}, {"params": groups[True], "lr": head_lr}], lr=1.0, momentum=0.9
    )
    loader = batches(seed, batch_size, images, labels)
    for epoch in range(1, epochs + 1):
        tuned.train()
        for parameter in groups[False]:
            parameter.requires_grad = True
        if epoch <= freeze_epochs:
            for parameter in groups[False]:
                parameter.requires_grad = False
            tuned.eval()
            linear.train()
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(tuned(x.to(device)), y.to(device)).backward()
            optimizer.step()
    tuned.eval()
    return tuned
