"""Right: other names, a ModuleList, a DataLoader that crops image by image with mirrored edges, a cosine, a copy back."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def conv(inside, outside, size, stride=1):
    return nn.Conv2d(inside, outside, size, stride, padding=size // 2, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.branch = nn.Sequential(
            conv(in_channels, out_channels, 3, stride),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            conv(out_channels, out_channels, 3),
            nn.BatchNorm2d(out_channels),
        )
        self.fits = stride == 1 and in_channels == out_channels
        if not self.fits:
            self.projection = conv(in_channels, out_channels, 1, stride)
            self.projection_norm = nn.BatchNorm2d(out_channels)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.branch(x)
        out += x if self.fits else self.projection_norm(self.projection(x))
        return self.activation(out)


class ResNet(nn.Module):
    def __init__(self, blocks, width=64, num_classes=10, in_channels=3):
        super().__init__()
        self.conv = conv(in_channels, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.layers = nn.ModuleList()
        before = width
        for stage in range(len(blocks)):
            after = width * 2**stage
            strides = [1 if stage == 0 else 2] + [1] * (blocks[stage] - 1)
            self.layers.append(
                nn.Sequential(*[BasicBlock(b, after, s) for b, s in zip([before] + [after] * 99, strides)])
            )
            before = after
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(before, num_classes)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.pool(x).flatten(1))


def resnet18(num_classes=10):
    return ResNet(blocks=(2, 2, 2, 2), width=64, num_classes=num_classes, in_channels=3)


class Images(Dataset):
    def __init__(self, images, labels, augment, generator):
        self.images, self.labels, self.augment, self.generator = images.cpu(), labels.cpu(), augment, generator
        if augment:
            self.images = nn.functional.pad(self.images.float(), (4, 4, 4, 4), mode="reflect").to(torch.uint8)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        image = self.images[number]
        if self.augment:
            y, x, flip = torch.randint(0, 162, (3,), generator=self.generator).tolist()
            image = image[:, y % 9 : y % 9 + 32, x % 9 : x % 9 + 32]
            if flip % 2:
                image = image.flip(-1)
        return image.float().div(255), self.labels[number]


def train(model, images, labels, *, epochs, lr, batch_size, augment=True, seed=0, device):
    generator = torch.Generator().manual_seed(seed)
    data = Images(images, labels, augment, generator)
    loader = DataLoader(data, batch_size=batch_size, shuffle=True, generator=generator)
    model = copy.deepcopy(model).to(device)
    model.train()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad(set_to_none=True)
            criterion(model(x.to(device)), y.to(device)).backward()
            optimizer.step()
        scheduler.step()
    return model
