"""Right: max-pools before the ReLUs, PolynomialLR, an order by argsort, a decorator for the modes."""

import functools
import math

import torch
import torch.nn as nn


class CNN(nn.Module):
    def __init__(self, num_classes=10):
        super(CNN, self).__init__()
        conv = functools.partial(nn.Conv2d, kernel_size=3, padding=1)
        relu, pool = nn.ReLU(), nn.MaxPool2d(2)
        self.body = nn.Sequential(
            nn.Sequential(conv(3, 8), relu, conv(8, 32), pool, relu),
            nn.Sequential(conv(32, 32), relu, conv(32, 32), pool, relu),
            nn.Sequential(conv(32, 64), pool, relu),
        )
        self.head = nn.Sequential(nn.Linear(1024, 64), relu, nn.Linear(64, 64), relu, nn.Linear(64, num_classes))

    def forward(self, x):
        features = self.body(x)
        return self.head(torch.flatten(features, 1))


def train(model, images, labels, *, epochs, lr, batch_size, seed=0, device):
    torch.random.default_generator.manual_seed(seed)
    if torch.device(device).type == "cuda":
        torch.cuda.manual_seed(seed)
    model = model.to(torch.device(device))
    model.train()
    opt = torch.optim.Adam(params=model.parameters(), lr=lr)
    n = images.shape[0]
    per_epoch = int(math.ceil(n / batch_size))
    sched = torch.optim.lr_scheduler.PolynomialLR(opt, total_iters=max(1, epochs * per_epoch), power=1.0)
    out = []
    for epoch in range(epochs):
        order = torch.rand(n).argsort()
        epoch_losses = torch.zeros(n)
        for i in range(per_epoch):
            part = order[i * batch_size : (i + 1) * batch_size]
            x = torch.true_divide(images[part].to(device), 255)
            y = labels[part].to(device)
            each = nn.functional.cross_entropy(model(x), y, reduction="none")
            epoch_losses[part] = each.detach().to("cpu")
            each.mean().backward()
            opt.step()
            opt.zero_grad()
            sched.step()
        out.append(epoch_losses.mean().item())
    return (model, out)


def in_evaluation_mode(function):
    @functools.wraps(function)
    def wrapper(model, *args, **kwargs):
        before = [m.training for m in model.modules()]
        model.eval()
        try:
            with torch.set_grad_enabled(False):
                return function(model, *args, **kwargs)
        finally:
            for m, mode in zip(model.modules(), before):
                m.training = mode

    return wrapper


@in_evaluation_mode
def predict(model, images, *, batch_size=256, device):
    model.to(device)
    answers = [torch.zeros(0, dtype=torch.int64)]
    for x in torch.split(images, batch_size):
        if len(x):
            answers.append(model(x.to(device) / 255.0).argmax(-1).to("cpu"))
    return torch.cat(answers)
