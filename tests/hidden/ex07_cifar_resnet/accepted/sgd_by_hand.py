"""Right: layers added one by one, SGD with Nesterov's momentum written out, a triangle of a schedule, crops by 81 windows."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        shapes = [(in_channels, 3, stride), (out_channels, 3, 1)]
        if (in_channels, 1) != (out_channels, stride):
            shapes.append((in_channels, 1, stride))
        for number, (channels, size, step) in enumerate(shapes):
            layer = nn.Conv2d(channels, out_channels, (size, size), (step, step), size // 2, bias=False)
            self.add_module(f"c{number}", layer)
            self.add_module(f"n{number}", nn.BatchNorm2d(out_channels, affine=True))

    def way(self, x, *numbers):
        for place, number in enumerate(numbers):
            x = x if place == 0 else x.clamp(min=0)
            x = getattr(self, f"n{number}")(getattr(self, f"c{number}")(x))
        return x

    def forward(self, x):
        around = self.way(x, 2) if hasattr(self, "c2") else x
        return torch.maximum(around + self.way(x, 0, 1), torch.zeros_like(around))


class ResNet(nn.Sequential):
    def __init__(self, blocks, width=64, num_classes=10, in_channels=3):
        super().__init__(nn.Conv2d(in_channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        channels = [width] + [width << stage for stage, count in enumerate(blocks) for _ in range(count)]
        firsts = [sum(blocks[:stage]) for stage in range(1, len(blocks))]
        for number, (inside, outside) in enumerate(zip(channels, channels[1:])):
            self.append(BasicBlock(inside, outside, stride=2 if number in firsts else 1))
        self.append(nn.Linear(channels[-1], num_classes))

    def forward(self, x):
        *body, head = self
        for layer in body:
            x = layer(x)
        return head(x.flatten(2).mean(-1))


def resnet18(num_classes=10):
    return ResNet([2] * 4, num_classes=num_classes)


def crops(x, padding=4):
    """Each image through one of 81 windows, and half of them mirrored."""
    height, width = x.shape[-2:]
    padded = F.pad(x, [padding] * 4, value=0.5)
    places = torch.randint((2 * padding + 1) ** 2, (len(x),), device=x.device)
    out = torch.empty_like(x)
    for place in places.unique().tolist():
        top, left = divmod(place, 2 * padding + 1)
        out[places == place] = padded[places == place, :, top : top + height, left : left + width]
    mirrored = torch.bernoulli(torch.full((len(x), 1, 1, 1), 0.5, device=x.device)).bool()
    return torch.where(mirrored, out.flip(3), out)


def train(model, images, labels, *, epochs, lr, batch_size, augment=True, seed=0, device):
    torch.manual_seed(seed)
    model.to(device)
    for module in model.modules():
        module.training = True
    images, labels = images.to(device).to(torch.float32) * (1 / 255), labels.to(device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    velocities = [torch.zeros_like(p) for p in parameters]
    steps, step = epochs * math.ceil(len(images) / batch_size), 0
    for _ in range(epochs):
        order = torch.randperm(len(images)).to(device)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            x = crops(images[chosen]) if augment else images[chosen]
            logs = model(x).log_softmax(dim=1)
            loss = -logs.gather(1, labels[chosen, None]).mean()
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            rate = lr * min(4 * (step + 1) / steps, 4 / 3 * (1 - step / steps), 1.0)
            step += 1
            with torch.no_grad():
                for p, v, g in zip(parameters, velocities, gradients):
                    v.mul_(0.9).add_(g if g is not None else 0)
                    p.sub_(rate * (g + 0.9 * v if g is not None else 0.9 * v))
    return model
