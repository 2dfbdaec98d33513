"""Right: a class for each family with named stages, ReLUs in place, parameters told apart by their ids, and pyplot."""

import matplotlib.pyplot as plt
import torch
from torch import nn

TABLE = {
    "VGG11": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "VGG13": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "VGG16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "VGG19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def count_parameters(model, trainable_only=False):
    found = {id(p): p for _, p in model.named_parameters(remove_duplicate=False)}
    return sum(p.nelement() for p in found.values() if not trainable_only or p.requires_grad)


class VGG(nn.Module):
    def __init__(self, config, num_classes):
        super().__init__()
        layers, inputs = [], 3
        for entry in config:
            if entry == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
                continue
            layers += [nn.Conv2d(inputs, entry, kernel_size=3, padding="same"), nn.BatchNorm2d(entry)]
            layers += [nn.ReLU(inplace=True)]
            inputs = entry
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, num_classes)

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.flatten(2).mean(2))


def vgg(config, num_classes=10):
    if type(config) is str:
        try:
            config = [entry if entry == "M" else int(entry) for entry in TABLE[config].split()]
        except KeyError:
            raise ValueError(f"no VGG of the name {config}") from None
    return VGG(config, num_classes)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.before = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        )
        if stride != 1 or inputs != outputs:
            self.project = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

    def forward(self, x):
        active = self.before(x)
        shortcut = self.project(active) if hasattr(self, "project") else x
        out = self.residual(active)
        out += shortcut
        return out


class PreActResNet(nn.Module):
    def __init__(self, blocks, num_classes):
        super().__init__()
        self.inputs = 64
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.layer1 = self.stage(64, blocks[0], 1)
        self.layer2 = self.stage(128, blocks[1], 2)
        self.layer3 = self.stage(256, blocks[2], 2)
        self.layer4 = self.stage(512, blocks[3], 2)
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.linear = nn.Linear(512, num_classes)

    def stage(self, outputs, count, stride):
        layers = []
        for each in [stride] + [1] * (count - 1):
            layers.append(Block(self.inputs, outputs, each))
            self.inputs = outputs
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        return self.linear(self.pool(x).view(x.size(0), -1))


def preact_resnet18(num_classes=10):
    return PreActResNet([2, 2, 2, 2], num_classes)


class Dense(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(inplace=True),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x):
        return torch.cat((x, self.layers(x)), 1)


class DenseNet(nn.Module):
    def __init__(self, growth, blocks, num_classes):
        super().__init__()
        width = 2 * growth
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.body = nn.ModuleList()
        for count in blocks[:-1]:
            self.body.append(nn.Sequential(*(Dense(width + each * growth, growth) for each in range(count))))
            width += count * growth
            conv = nn.Conv2d(width, width // 2, 1, bias=False)
            self.body.append(nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True), conv, nn.AvgPool2d(2, 2)))
            width //= 2
        self.body.append(nn.Sequential(*(Dense(width + each * growth, growth) for each in range(blocks[-1]))))
        width += blocks[-1] * growth
        self.bn = nn.BatchNorm2d(width)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.stem(x)
        for part in self.body:
            x = part(x)
        return self.linear(self.bn(x).relu_().mean([2, 3]))


def densenet_cifar(growth=12, blocks=(6, 12, 24, 16), num_classes=10):
    return DenseNet(growth, list(blocks), num_classes)


def plot_accuracy_vs_parameters(rows=None, path="accuracy_vs_parameters.png"):
    if rows is None:
        names = ["VGG16", "ResNet18", "DenseNet121", "PreActResNet18"]
        counts = [14728266, 11173962, 6956298, 11171146]
        accuracies = [92.64, 93.02, 95.04, 95.11]
        rows = [{"name": n, "parameters": c, "accuracy": a} for n, c, a in zip(names, counts, accuracies, strict=True)]
    plt.figure(figsize=(8, 5))
    for row in rows:
        plt.scatter(row["parameters"], row["accuracy"], label=f"{row['name']} ({row['accuracy']} %)")
    plt.xscale("log")
    plt.grid(True, which="both", alpha=0.3)
    plt.legend()
    with open(path, "wb") as file:
        plt.savefig(file, format="png")
    plt.close()
