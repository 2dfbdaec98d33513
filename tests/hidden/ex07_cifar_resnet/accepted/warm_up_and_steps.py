"""Right: layers from generators, a warm-up and then two cuts, normalisation by matrix, windows by unfold, labels by one-hot."""

import torch
from torch import nn, optim
from torch.nn import functional as F


def norm_after(layer):
    return [layer, nn.BatchNorm2d(layer.out_channels)]


class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        first = norm_after(nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False))
        second = norm_after(nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False))
        self.long = nn.Sequential(*first, nn.ReLU(), *second)
        alike = in_channels == out_channels and stride == 1
        self.short = nn.Sequential(
            *([] if alike else norm_after(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)))
        )

    def forward(self, x):
        return sum([self.long(x), self.short(x)]).relu()


class ResNet(nn.Module):
    def __init__(self, blocks, width=64, num_classes=10, in_channels=3):
        super().__init__()
        self.body = nn.Sequential(*norm_after(nn.Conv2d(in_channels, width, 3, padding=1, bias=False)), nn.ReLU())
        for stage, count in enumerate(blocks):
            for block in range(count):
                here = width * 2**stage
                enters = stage > 0 and block == 0
                self.body.append(BasicBlock(here // 2 if enters else here, here, stride=1 + enters))
        self.out = nn.Linear(width * 2 ** (len(blocks) - 1), num_classes)

    def forward(self, x):
        return self.out(torch.einsum("bchw->bc", x := self.body(x)) / (x.shape[2] * x.shape[3]))


def resnet18(num_classes=10):
    return ResNet([2, 2, 2, 2], num_classes=num_classes)


def train(model, images, labels, *, epochs, lr, batch_size, augment=True, seed=0, device):
    rng = torch.Generator(device).manual_seed(seed)
    model.to(device)
    model.train(True)
    x_all = images.to(device)
    y_all = F.one_hot(labels.to(device))
    total = epochs * -(-len(images) // batch_size)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9, foreach=False)
    warm = optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, max(1, total // 10))
    cuts = optim.lr_scheduler.MultiStepLR(optimizer, [int(0.6 * total), int(0.85 * total)], 0.2)
    for _ in range(epochs):
        order = torch.rand(len(images), generator=rng, device=device).argsort()
        for i in order.split(batch_size):
            x = torch.div(x_all[i], 255.0)
            if augment:
                windows = (
                    F.pad(x, (4, 4, 4, 4), mode="replicate").unfold(2, 32, 1).unfold(3, 32, 1)
                )  # (B, 3, 9, 9, 32, 32)
                top, left = torch.randint(0, 9, (2, len(i)), generator=rng, device=device)
                x = windows[torch.arange(len(i), device=device), :, top, left]
                flip = torch.randint(0, 2, (len(i),), generator=rng, device=device).bool()
                x = x.clone()
                x[flip] = x[flip].flip(-1)
            y = y_all[i].to(x)
            logits = model(x)
            loss = torch.mean(torch.logsumexp(logits, 1) - (logits[:, : y.shape[1]] * y).sum(1))
            for parameter in model.parameters():
                parameter.grad = None
            loss.backward()
            optimizer.step()
            warm.step()
            cuts.step()
    return model.cpu().to(device)
