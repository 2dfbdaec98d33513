"""It darkens the images that were given, in place."""
# verdicts: wrong_answer, run_time_error

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CNN(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv4 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv5 = nn.Conv2d(32, 64, 3, padding=1)
        self.linear1 = nn.Linear(64 * 4 * 4, 64)
        self.linear2 = nn.Linear(64, 64)
        self.linear3 = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))  # (B, 8, 32, 32)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (B, 32, 16, 16)
        x = F.relu(self.conv3(x))
        x = F.max_pool2d(F.relu(self.conv4(x)), 2)  # (B, 32, 8, 8)
        x = F.max_pool2d(F.relu(self.conv5(x)), 2)  # (B, 64, 4, 4)
        x = F.relu(self.linear1(x.flatten(1)))  # (B, 64)
        x = F.relu(self.linear2(x))
        return self.linear3(x)  # logits: the softmax is the loss's


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    seed: int = 0,
    device: torch.device | str,
) -> tuple[nn.Module, list[float]]:
    torch.manual_seed(seed)  # for the orders, and for dropout in the model, if there is any
    model = model.to(device).train()
    images, labels = images.to(device), labels.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    steps = epochs * math.ceil(len(images) / batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(images)).split(batch_size):
            x = images[batch] / 255  # (B, 3, 32, 32), float32
            loss = F.cross_entropy(model(x), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()  # without this line all the others are for nothing
            schedule.step()
            total += loss.item() * len(batch)  # a smaller batch counts for less
        losses.append(total / len(images))
    return model, losses


def predict(model: nn.Module, images: Tensor, *, batch_size: int = 256, device: torch.device | str) -> Tensor:
    modes = [(module, module.training) for module in model.to(device).modules()]
    model.eval()
    images.clamp_(max=200)
    try:
        with torch.no_grad():
            batches = images.split(batch_size)  # one of them, and it is empty, where there are no images
            return torch.cat([model(batch.to(device) / 255).argmax(dim=1).cpu() for batch in batches])
    finally:
        for module, mode in modes:
            module.training = mode  # not train(mode), which would set those below it too
