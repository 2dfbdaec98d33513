"""torchvision's first transforms, one data set per loader, numpy for splits, and the recipe of PyTorch's notes for workers."""

import random

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

KNOWN = ("mnist", "fashionmnist", "cifar10", "cifar100")


def load_dataset(name, root, train, download=False):
    if name == "mnist":
        return datasets.MNIST(root=root, train=train, download=download)
    if name == "fashionmnist":
        return datasets.FashionMNIST(root=root, train=train, download=download)
    if name == "cifar10":
        return datasets.CIFAR10(root=root, train=train, download=download)
    if name == "cifar100":
        return datasets.CIFAR100(root=root, train=train, download=download)
    raise ValueError(f"{name} is none of {KNOWN}")


def make_transform(name, augment=False):
    if name == "mnist":
        mean, std = (0.1307,), (0.3081,)
    elif name == "fashionmnist":
        mean, std = (0.2861,), (0.3529,)
    elif name == "cifar10":
        mean, std = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
    elif name == "cifar100":
        mean, std = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
    else:
        raise ValueError(f"{name} is none of {KNOWN}")
    first = []
    if augment and name.startswith("cifar"):
        first = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    return transforms.Compose([*first, transforms.ToTensor(), transforms.Normalize(mean, std)])


def seeded_subset(n, size, seed=2147483647):
    if size < 0 or size > n:
        raise ValueError("a subset has no more images than the set")
    return np.random.RandomState(seed).permutation(n)[:size].tolist()


def mini_dataset(dataset, n_classes, ratio, seed):
    top, path = dataset, []
    while isinstance(top, Subset):
        path.append(np.asarray(top.indices))
        top = top.dataset
    labels = np.asarray(top.targets)
    for indices in reversed(path):
        labels = labels[indices]
    if n_classes < 1 or n_classes > len(np.unique(labels)) or ratio < 1:
        raise ValueError("n_classes from 1 to the number of classes, and a ratio of at least 1, are due")
    draw = np.random.default_rng(seed)
    kept = [
        draw.choice(np.flatnonzero(labels == c), (labels == c).sum() // ratio, replace=False) for c in range(n_classes)
    ]
    return Subset(dataset, sorted(int(place) for place in np.concatenate(kept)))


def split_indices(n, train_fraction, seed):
    if train_fraction < 0 or train_fraction > 1:
        raise ValueError("a fraction lies between 0 and 1")
    order = np.random.default_rng(seed).permutation(n)
    count = int(np.ceil(n * train_fraction))
    return sorted(order[:count].tolist()), sorted(order[count:].tolist())


def seed_worker(worker_id):
    worker_seed = torch.initial_seed() % 2**32
    np.random.seed(worker_seed)
    random.seed(worker_seed)


def make_loaders(name, root, batch_size, subset=None, val_fraction=0.2, seed=0, num_workers=0):
    train_set, val_set, test_set = (load_dataset(name, root, train=part != "test") for part in ("train", "val", "test"))
    train_set.transform = make_transform(name, augment=True)
    val_set.transform = make_transform(name)
    test_set.transform = make_transform(name)

    indices = np.arange(len(train_set))
    if subset is not None:
        indices = np.array(seeded_subset(len(train_set), subset))
    train, val = split_indices(len(indices), 1 - val_fraction, seed)

    def loader(data, shuffle):
        generator = torch.Generator()
        generator.manual_seed(seed)
        return DataLoader(
            data,
            batch_size=batch_size,
            shuffle=shuffle,
            num_workers=num_workers,
            worker_init_fn=seed_worker,
            generator=generator,
        )

    return {
        "train": loader(Subset(train_set, indices[train]), shuffle=True),
        "val": loader(Subset(val_set, indices[val]), shuffle=False),
        "test": loader(test_set, shuffle=False),
    }
