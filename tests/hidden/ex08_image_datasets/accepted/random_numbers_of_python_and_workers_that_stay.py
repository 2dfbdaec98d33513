"""Crops by Python's own random numbers, pixels by NumPy, a sampler of a subset, and workers that live from pass to pass."""

import hashlib
import random

import numpy as np
import torch
import torchvision
from PIL import ImageOps
from torch.utils.data import DataLoader, Subset, SubsetRandomSampler

SETS = {
    "mnist": ("MNIST", [0.13066], [0.30811]),
    "fashionmnist": ("FashionMNIST", [0.28604], [0.35302]),
    "cifar10": ("CIFAR10", [0.49140, 0.48216, 0.44653], [0.24703, 0.24349, 0.26159]),
    "cifar100": ("CIFAR100", [0.5071, 0.4866, 0.4409], [0.2673, 0.2564, 0.2762]),
}


def entry(name):
    if name in SETS:
        return SETS[name]
    raise ValueError("known data sets: " + ", ".join(SETS))


def load_dataset(name, root, train, download=False):
    return getattr(torchvision.datasets, entry(name)[0])(root, train=train, download=download)


def make_transform(name, augment=False):
    _, mean, std = entry(name)
    mean, std = np.array(mean, np.float32), np.array(std, np.float32)

    def transform(image):
        if augment and image.mode == "RGB":
            row, column = random.randint(0, 8), random.randint(0, 8)
            image = ImageOps.expand(image, 4, fill=0).crop((column, row, column + 32, row + 32))
            if random.random() < 0.5:
                image = ImageOps.mirror(image)
        pixels = np.asarray(image, np.float32).reshape(image.height, image.width, -1) / 255
        return torch.from_numpy((pixels - mean) / std).permute(2, 0, 1).contiguous()

    return transform


def seeded_subset(n, size, seed=2147483647):
    if size > n:
        raise ValueError(f"{size} > {n}")
    if size < 0:
        raise ValueError(f"{size} < 0")
    indices = np.arange(n)
    np.random.RandomState(seed).shuffle(indices)
    return [int(index) for index in indices[:size]]


def labels_of(dataset):
    if isinstance(dataset, Subset):
        below = labels_of(dataset.dataset)
        return np.array([below[place] for place in dataset.indices])
    return np.array(dataset.targets)


def rank(seed, place):
    """A number that looks random, and is the same for ever."""
    return hashlib.sha256(f"{seed}/{place}".encode()).digest()


def mini_dataset(dataset, n_classes, ratio, seed):
    labels = labels_of(dataset)
    if ratio < 1 or n_classes not in range(1, labels.max() + 2):
        raise ValueError(f"ratio {ratio}, {n_classes} classes")
    chosen = []
    for label in range(n_classes):
        places = sorted(np.flatnonzero(labels == label).tolist(), key=lambda place: rank(seed, place))
        chosen += places[: len(places) // ratio]
    return Subset(dataset, chosen)


def split_indices(n, train_fraction, seed):
    if train_fraction > 1 or train_fraction < 0:
        raise ValueError(f"{train_fraction} is no share")
    order = sorted(range(n), key=lambda place: rank(seed, place))
    cut = n - int(n * (1 - train_fraction) + 1e-9)
    return order[:cut], order[cut:]


def make_loaders(name, root, batch_size, subset=None, val_fraction=0.2, seed=0, num_workers=0):
    loaders = {}
    for part in ("train", "val", "test"):
        dataset = load_dataset(name, root, part != "test")
        dataset.transform = make_transform(name, augment=part == "train")
        places = list(range(len(dataset)))
        if part != "test":
            places = places if subset is None else seeded_subset(len(dataset), subset)
            train, val = split_indices(len(places), 1 - val_fraction, seed)
            places = [places[index] for index in (train if part == "train" else val)]
        generator = torch.Generator().manual_seed(seed)
        sampler = SubsetRandomSampler(places, generator=generator) if part == "train" else places
        loaders[part] = DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            generator=generator,
        )
    return loaders
