"""Right: the whole batch is cropped and flipped alike, bytes are padded, a generator of its own, torch's default one-cycle."""

import torch
import torch.nn as nn


class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super(BasicBlock, self).__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, stride=1, padding="same", bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride > 1 or in_channels != out_channels:
            self.downsample = nn.Sequential()
            self.downsample.add_module("conv", nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))
            self.downsample.add_module("bn", nn.BatchNorm2d(out_channels))

    def forward(self, x):
        identity = x
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        if self.downsample is not None:
            identity = self.downsample(x)
        out = out + identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, blocks, width=64, num_classes=10, in_channels=3):
        super().__init__()
        self.in_planes = width
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel_size=3, stride=1, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            *(self._make_layer(count, width * 2**i, 1 + (i > 0)) for i, count in enumerate(blocks)),
        )
        self.fc = nn.Linear(self.in_planes, num_classes)

    def _make_layer(self, count, planes, stride):
        layers = []
        for number in range(count):
            layers.append(BasicBlock(self.in_planes, planes, stride if number == 0 else 1))
            self.in_planes = planes
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.features(x)
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1))
        x = torch.flatten(x, 1)
        return self.fc(x)


def resnet18(num_classes: int = 10) -> ResNet:
    return ResNet([2, 2, 2, 2], 64, num_classes)


def train(model, images, labels, *, epochs, lr, batch_size, augment=True, seed=0, device):
    device = torch.device(device)
    g = torch.Generator()
    g.manual_seed(seed)
    net = model.train().to(device)
    n = images.size(0)
    per_epoch = (n + batch_size - 1) // batch_size
    opt = torch.optim.SGD(net.parameters(), lr, momentum=0.9, weight_decay=1e-4, nesterov=True)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=lr, epochs=epochs, steps_per_epoch=per_epoch)
    for epoch in range(epochs):
        perm = torch.randperm(n, generator=g)
        for i in range(per_epoch):
            idx = perm[i * batch_size : (i + 1) * batch_size].to(images.device)
            x, y = images[idx].to(device), labels[idx.to(labels.device)].to(device)
            if augment:
                wide = nn.functional.pad(x, (4, 4, 4, 4), value=127)
                dy, dx, flip = (int(torch.randint(high, (1,), generator=g)) for high in (9, 9, 2))
                x = wide[:, :, dy : dy + 32, dx : dx + 32]
                x = torch.flip(x, dims=[3]) if flip else x
            loss = nn.functional.cross_entropy(net(x.float() / 255.0), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            sched.step()
    return net
