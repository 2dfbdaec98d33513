"""Right: layers from a list of sizes, DataLoaders, a LambdaLR, a copy that is trained, answers in inference mode."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class CNN(nn.Sequential):
    def __init__(self, num_classes=10):
        layers, channels = [], 3
        for size in (8, 32, "pool", 32, 32, "pool", 64, "pool"):
            if size == "pool":
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            else:
                layers += [nn.Conv2d(channels, size, kernel_size=3, stride=1, padding="same"), nn.ReLU(inplace=True)]
                channels = size
        layers += [nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
        super().__init__(*layers, nn.Linear(64, num_classes))


def train(model, images, labels, *, epochs, lr, batch_size, seed=0, device):
    torch.manual_seed(seed)
    net = copy.deepcopy(model).to(device)
    net.train(True)
    generator = torch.Generator().manual_seed(seed)
    loader = DataLoader(TensorDataset(images, labels), batch_size=batch_size, shuffle=True, generator=generator)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr, foreach=False)
    total = max(1, epochs * len(loader))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda s: (total - s) / total)
    history = []
    for _ in range(epochs):
        weighted, seen = 0.0, 0
        for x, y in loader:
            x, y = x.to(device).float().div(255), y.to(device)
            optimizer.zero_grad(set_to_none=False)
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            weighted, seen = weighted + loss.item() * x.size(0), seen + x.size(0)
        history.append(weighted / seen)
    return net, history


class evaluating:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.flags = {name: module.training for name, module in self.model.named_modules()}
        self.model.eval()

    def __exit__(self, *_):
        for name, module in self.model.named_modules():
            module.training = self.flags[name]


def predict(model, images, *, batch_size=256, device):
    model.to(device)
    classes = torch.empty(len(images), dtype=torch.long)
    with evaluating(model), torch.inference_mode():
        place = 0
        for (x,) in DataLoader(TensorDataset(images), batch_size=batch_size):
            best = model(x.to(device).to(torch.float32) / 255.0).max(dim=1).indices
            classes[place : place + len(best)] = best.cpu()
            place += len(best)
    return classes.clone()
