"""All pixels as one tensor, read from the set's public .data; augmented as tensors, with no PIL image in between."""

import numpy
import torch
import torchvision.datasets
from torch.utils.data import DataLoader, Dataset, Subset

NAMES = {"mnist": "MNIST", "fashionmnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}
STATISTICS = {
    "mnist": torch.tensor([[0.1307], [0.3081]]),
    "fashionmnist": torch.tensor([[0.2860], [0.3530]]),
    "cifar10": torch.tensor([[0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]]),
    "cifar100": torch.tensor([[0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]]),
}


class Transform:
    def __init__(self, name, augment):
        self.mean, self.std = (values[:, None, None] for values in STATISTICS[name])
        self.augment = augment and len(self.mean) == 3

    def of_pixels(self, pixels):
        """uint8 [C, H, W] -> float32 [C, H, W]."""
        if self.augment:
            row, column = torch.randint(9, (2, 1)) + torch.arange(32)
            column = column.flip(0) if torch.rand(()) < 0.5 else column
            pixels = torch.nn.functional.pad(pixels, (4, 4, 4, 4))[:, row][:, :, column]
        return (pixels / 255 - self.mean) / self.std

    def __call__(self, image):
        pixels = torch.from_numpy(numpy.array(image))
        return self.of_pixels(pixels.reshape(image.height, image.width, -1).permute(2, 0, 1))


class Pixels(Dataset):
    def __init__(self, pixels, labels, transform):
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, place):
        return self.transform.of_pixels(self.pixels[place]), int(self.labels[place])


def refuse_unknown(name):
    if name not in NAMES:
        raise ValueError(f"Unknown name {name}. Known: {list(NAMES)}")


def load_dataset(name, root, train, download=False):
    refuse_unknown(name)
    return getattr(torchvision.datasets, NAMES[name])(root, train=train, download=download)


def make_transform(name, augment=False):
    refuse_unknown(name)
    return Transform(name, augment)


def seeded_subset(n, size, seed=2147483647):
    if not 0 <= size <= n:
        raise ValueError(f"{size} of {n}")
    indices = list(range(n))
    numpy.random.RandomState(seed).shuffle(indices)
    return indices[:size]


def labels_of(dataset):
    if isinstance(dataset, Subset):
        return labels_of(dataset.dataset)[list(dataset.indices)]
    return torch.tensor(dataset.targets) if isinstance(dataset.targets, list) else torch.as_tensor(dataset.targets)


def mini_dataset(dataset, n_classes, ratio, seed):
    labels = labels_of(dataset)
    if ratio < 1 or n_classes < 1 or n_classes > labels.max() + 1:
        raise ValueError(f"{n_classes} classes, ratio {ratio}")
    # A stable sort of shuffled places brings each label's images together, in an order that is drawn.
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    order = order[labels[order].argsort(stable=True)]
    counts = labels.bincount().tolist()
    groups = order.split(counts)[:n_classes]
    return Subset(dataset, torch.cat([group[: len(group) // ratio] for group in groups]).tolist())


def split_indices(n, train_fraction, seed):
    if not 0 <= train_fraction <= 1:
        raise ValueError(f"{train_fraction}")
    order = numpy.random.RandomState(seed).permutation(n).tolist()
    return [order[: round(train_fraction * n)], order[round(train_fraction * n) :]]


def make_loaders(name, root, batch_size, subset=None, val_fraction=0.2, seed=0, num_workers=0):
    whole = {}
    for part in ("train", "test"):
        dataset = load_dataset(name, root, part == "train")
        pixels = torch.as_tensor(dataset.data)
        pixels = pixels[:, None] if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)
        whole[part] = pixels, torch.as_tensor(dataset.targets)
    pixels, labels = whole["train"]
    if subset is not None:
        some = seeded_subset(len(labels), subset)
        pixels, labels = pixels[some], labels[some]
    train, val = split_indices(len(labels), 1 - val_fraction, seed)
    plain = Transform(name, augment=False)
    parts = {
        "train": Pixels(pixels[train], labels[train], Transform(name, augment=True)),
        "val": Pixels(pixels[val], labels[val], plain),
        "test": Pixels(*whole["test"], plain),
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
