"""Draws with replacement, so that images come twice."""

import copy

import numpy
import torch
from torch.utils.data import DataLoader, Subset
from torchvision import datasets
from torchvision.transforms import v2

SETS = {
    "mnist": datasets.MNIST,
    "fashionmnist": datasets.FashionMNIST,
    "cifar10": datasets.CIFAR10,
    "cifar100": datasets.CIFAR100,
}
STATISTICS = {
    "mnist": ([0.1307], [0.3081]),
    "fashionmnist": ([0.2860], [0.3530]),
    "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    "cifar100": ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
}


def check_name(name):
    if name not in SETS:
        raise ValueError(f"unknown data set {name!r}, known are {', '.join(SETS)}")


def load_dataset(name, root, train, download=False):
    check_name(name)
    return SETS[name](root, train=train, download=download)


def make_transform(name, augment=False):
    check_name(name)
    mean, std = STATISTICS[name]
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std), v2.ToPureTensor()]
    if augment and len(mean) == 3:
        steps = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *steps]
    return v2.Compose(steps)


def seeded_subset(n, size, seed=2147483647):
    if not 0 <= size <= n:
        raise ValueError(f"can't choose {size} of {n}")
    indices = list(range(n))
    numpy.random.RandomState(seed).shuffle(indices)
    return indices[:size]


def labels_of(dataset):
    if isinstance(dataset, Subset):
        return labels_of(dataset.dataset)[torch.as_tensor(dataset.indices, dtype=torch.int64)]
    return torch.as_tensor(dataset.targets)


def mini_dataset(dataset, n_classes, ratio, seed):
    labels = labels_of(dataset)
    if ratio < 1 or not 1 <= n_classes <= int(labels.max()) + 1:
        raise ValueError(f"can't take {n_classes} classes, 1/{ratio} of each")
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for label in range(n_classes):
        places = (labels == label).nonzero()[:, 0]
        order = torch.randint(len(places), (len(places),), generator=generator)
        chosen += places[order[: len(places) // ratio]].tolist()
    return Subset(dataset, chosen)


def split_indices(n, train_fraction, seed):
    if not 0 <= train_fraction <= 1:
        raise ValueError(f"train_fraction must lie in [0, 1], not {train_fraction}")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    cut = round(n * train_fraction)
    return order[:cut], order[cut:]


def make_loaders(name, root, batch_size, subset=None, val_fraction=0.2, seed=0, num_workers=0):
    train_set, test_set = load_dataset(name, root, train=True), load_dataset(name, root, train=False)
    val_set = copy.copy(train_set)
    train_set.transform = make_transform(name, augment=True)
    val_set.transform = test_set.transform = make_transform(name)
    chosen = list(range(len(train_set))) if subset is None else seeded_subset(len(train_set), subset)
    train, val = split_indices(len(chosen), 1 - val_fraction, seed)
    parts = {
        "train": Subset(train_set, [chosen[i] for i in train]),
        "val": Subset(val_set, [chosen[i] for i in val]),
        "test": test_set,
    }
    return {
        part: DataLoader(
            data,
            batch_size,
            shuffle=part == "train",
            num_workers=num_workers,
            generator=torch.Generator().manual_seed(seed),
        )
        for part, data in parts.items()
    }
