"""Right: a function that builds the network, Adam written out, the loss from logarithms, random state left alone."""

import torch
import torch.nn.functional as F
from torch import nn


def CNN(num_classes=10):
    def block(inside, outside, pool):
        parts = [nn.Conv2d(inside, outside, (3, 3), padding=(1, 1))]
        parts += [nn.MaxPool2d(2)] if pool else []  # of numbers and of their positive parts the largest is the same
        return nn.Sequential(*parts, nn.ReLU())

    sizes = [(3, 8, False), (8, 32, True), (32, 32, False), (32, 32, True), (32, 64, True)]
    head = [nn.Linear(64 * 16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, num_classes)]
    return nn.Sequential(*(block(*each) for each in sizes), nn.Flatten(start_dim=1), *head)


def train(model, images, labels, *, epochs, lr, batch_size, seed=0, device):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return run(model.to(device), images.to(device).float() / 255, labels.to(device), epochs, lr, batch_size)


def run(model, x_all, y_all, epochs, lr, batch_size):
    for module in model.modules():
        module.training = True
    parameters = list(model.parameters())
    means, squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    n, t, losses = len(x_all), 0, []
    total = epochs * -(-n // batch_size)
    for _ in range(epochs):
        order = torch.randperm(n, device="cpu").to(x_all.device)
        running = torch.zeros((), dtype=torch.float64)
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            logs = F.log_softmax(model(x_all[rows]), dim=-1)
            loss = -logs.gather(1, y_all[rows].unsqueeze(1)).mean()
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            rate = lr * (total - t) / total
            t += 1
            with torch.no_grad():
                for p, g, m, v in zip(parameters, gradients, means, squares):
                    if g is None:
                        continue
                    m.lerp_(g, 0.1)
                    v.mul_(0.999).addcmul_(g, g, value=0.001)
                    p -= rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
            running += loss.detach().cpu().double() * len(rows)
        losses.append(float(running) / n)
    return model, losses


@torch.no_grad()
def predict(model, images, *, batch_size=256, device):
    model = model.to(device)
    training = {module for module in model.modules() if module.training}
    answers = []
    try:
        model.train(False)
        for i in range(0, len(images), batch_size):
            x = images[i : i + batch_size].to(device=device, dtype=torch.float32)
            answers += model(x * (1 / 255)).topk(1, dim=1).indices[:, 0].tolist()
    finally:
        for module in model.modules():
            module.training = module in training
    return torch.tensor(answers, dtype=torch.int64)
