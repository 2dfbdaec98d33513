"""A data set that is a view of another, with indices and a transform of its own; random_split; a sampler with a generator."""

import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler, random_split
from torchvision import datasets
from torchvision.transforms import functional

CLASSES = {
    kind.__name__.lower(): kind for kind in (datasets.MNIST, datasets.FashionMNIST, datasets.CIFAR10, datasets.CIFAR100)
}
MEANS = {
    "mnist": [0.131],
    "fashionmnist": [0.286],
    "cifar10": [0.4914, 0.4822, 0.4465],
    "cifar100": [0.507, 0.487, 0.441],
}
STDS = {
    "mnist": [0.308],
    "fashionmnist": [0.353],
    "cifar10": [0.2470, 0.2435, 0.2616],
    "cifar100": [0.267, 0.256, 0.276],
}


class View(Dataset):
    """Some places of a data set, in a given order, seen through a transform."""

    def __init__(self, dataset, places, transform=None):
        self.dataset, self.places, self.transform = dataset, places, transform

    def __len__(self):
        return len(self.places)

    def __getitem__(self, number):
        image, label = self.dataset[self.places[number]]
        return (image if self.transform is None else self.transform(image)), label


class Transform:
    def __init__(self, mean, std, augment):
        self.mean, self.std, self.augment = mean, std, augment

    def __call__(self, image):
        x = functional.to_tensor(image)
        if self.augment:
            x = torch.nn.functional.pad(x, (4, 4, 4, 4))
            row, column, flip = (int(torch.randint(end, ())) for end in (9, 9, 2))
            x = x[:, row : row + 32, column : column + 32]
            x = x.flip(2) if flip else x
        return functional.normalize(x, self.mean, self.std)


def known(name):
    try:
        return CLASSES[name]
    except KeyError:
        raise ValueError(f"'{name}' is not one of {sorted(CLASSES)}") from None


def load_dataset(name, root, train, download=False):
    return known(name)(root, train, download=download)


def make_transform(name, augment=False):
    known(name)
    return Transform(MEANS[name], STDS[name], augment and len(MEANS[name]) == 3)


def seeded_subset(n, size, seed=2147483647):
    from numpy.random import RandomState

    if size not in range(n + 1):
        raise ValueError(f"{size} is no size of a subset of {n}")
    shuffled = [*range(n)]
    RandomState(seed).shuffle(shuffled)
    return shuffled[:size]


def labels_of(dataset):
    if hasattr(dataset, "targets"):
        return [int(label) for label in dataset.targets]
    below = labels_of(dataset.dataset)
    return [below[place] for place in dataset.indices]


def mini_dataset(dataset, n_classes, ratio, seed):
    places = {}
    for place, label in enumerate(labels_of(dataset)):
        places.setdefault(label, []).append(place)
    if not 0 < n_classes <= len(places) or ratio < 1:
        raise ValueError(f"{n_classes} of {len(places)} classes, one image in {ratio}")
    chosen = []
    for label in range(n_classes):
        draw = torch.Generator().manual_seed(1000 * seed + label)
        weights = torch.ones(len(places[label]))
        count = len(places[label]) // ratio
        some = torch.multinomial(weights, count, generator=draw).tolist() if count else []
        chosen.extend(places[label][number] for number in some)
    return View(dataset, chosen)


def split_indices(n, train_fraction, seed):
    if not 0.0 <= train_fraction <= 1.0:
        raise ValueError(f"no fraction: {train_fraction}")
    count = int(n * train_fraction)
    train, val = random_split(range(n), [count, n - count], generator=torch.Generator().manual_seed(seed))
    return list(train), list(val)


def make_loaders(name, root, batch_size, subset=None, val_fraction=0.2, seed=0, num_workers=0):
    dataset, test = (load_dataset(name, str(root), train) for train in (True, False))
    if subset is not None:
        dataset = View(dataset, seeded_subset(len(dataset), subset))
    places = split_indices(len(dataset), 1 - val_fraction, seed)
    train, val = (View(dataset, some, make_transform(name, augment)) for some, augment in zip(places, (True, False)))
    test = View(test, range(len(test)), make_transform(name))
    generator = torch.Generator().manual_seed(seed + 12345)
    sampler = RandomSampler(train, generator=torch.Generator().manual_seed(seed))
    return {
        "train": DataLoader(train, batch_size, sampler=sampler, num_workers=num_workers, generator=generator),
        "val": DataLoader(val, batch_size, num_workers=num_workers),
        "test": DataLoader(test, batch_size, num_workers=num_workers),
    }
