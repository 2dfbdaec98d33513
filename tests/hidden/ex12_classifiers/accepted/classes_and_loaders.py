"""Right: nets as classes with a forward, a DataLoader with a generator of its own, pyplot, and pools before the ReLUs."""

import time

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Dense(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(m, n) for m, n in zip(sizes, sizes[1:]))

    def forward(self, x):
        x = x.flatten(start_dim=1)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class Conv(nn.Module):
    def __init__(self, classes, stride=1, norm=False, selu=False, p=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=5, stride=stride, bias=not norm)
        self.bn1 = nn.BatchNorm2d(16) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(16, 16, kernel_size=5, stride=stride, bias=not norm)
        self.bn2 = nn.BatchNorm2d(16) if norm else nn.Identity()
        self.linear = nn.Linear(400, classes)
        self.stride, self.p = stride, p
        self.activation = F.selu if selu else F.relu
        if selu:
            for layer in (self.conv1, self.conv2, self.linear):
                nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
                nn.init.constant_(layer.bias, 0)

    def forward(self, x):
        for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x = bn(conv(x))
            if self.stride == 1:
                x = F.max_pool2d(x, kernel_size=2, stride=2)  # a ReLU keeps the order, so it may come afterwards
            x = self.activation(x)
        x = F.dropout(x.reshape(x.shape[0], -1), self.p, training=self.training)
        return self.linear(x)


def softmax_linear(num_classes=100):
    return Dense(3072, num_classes)


def mlp(num_classes=100):
    return Dense(3072, 1024, num_classes)


def deep_mlp(num_classes=100):
    return Dense(3072, 512, 512, 512, 512, num_classes)


def conv_stride(num_classes=100):
    return Conv(num_classes, stride=2)


def conv_pool(num_classes=100):
    return Conv(num_classes)


def conv_batchnorm(num_classes=100):
    return Conv(num_classes, norm=True)


def conv_selu(num_classes=100):
    return Conv(num_classes, selu=True)


def conv_dropout(num_classes=100, p=0.5):
    return Conv(num_classes, p=p)


def compare(
    builders,
    data,
    *,
    epochs=10,
    lr=0.01,
    batch_size=100,
    target=0.25,
    decay={"deep_mlp": 0.8},
    seed=0,
    device="cpu",
):
    if epochs <= 0:
        raise ValueError(f"there must be an epoch, not {epochs}")
    train = TensorDataset(data["train_images"], data["train_labels"])
    test = TensorDataset(data["test_images"], data["test_labels"])
    rows = []
    for name in builders:
        torch.manual_seed(seed)
        model = builders[name]()
        model.to(device)
        generator = torch.Generator()
        generator.manual_seed(seed + 1)
        loader = DataLoader(train, batch_size=batch_size, shuffle=True, generator=generator)
        optimizer = torch.optim.SGD(model.parameters(), lr, 0.9)
        result = {"name": name, "parameters": 0, "accuracies": [], "epochs_to_target": None, "seconds_to_target": None}
        for parameter in model.parameters():
            result["parameters"] += parameter.numel()
        training_time = 0.0
        for epoch in range(epochs):
            for group in optimizer.param_groups:
                group["lr"] = lr * decay.get(name, 1) ** epoch
            model.train()
            begin = time.time()
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(x.to(device)), y.to(device)).backward()
                optimizer.step()
            training_time += time.time() - begin
            model.eval()
            right = total = 0
            with torch.inference_mode():
                for x, y in DataLoader(test, batch_size=7):
                    right += (model(x.to(device)).argmax(-1).cpu() == y.cpu()).sum().item()
                    total += len(y)
            result["accuracies"].append(right / total)
            if right / total >= target and result["epochs_to_target"] is None:
                result["epochs_to_target"] = epoch + 1
                result["seconds_to_target"] = training_time
        result["best_accuracy"] = max(result["accuracies"])
        rows.append(result)
    return rows


def comparison_table(rows):
    width = max([len(row["name"]) for row in rows] + [10])
    text = f"{'name':{width}} {'weights':>12} {'accuracy':>9} {'epochs':>7} {'s':>9}\n"
    for row in rows:
        epochs = row["epochs_to_target"]
        seconds = row["seconds_to_target"]
        text += f"{row['name']:{width}} {row['parameters']:>12,} {row['best_accuracy'] * 100:>9.1f} "
        text += f"{'-' if epochs is None else epochs:>7} "
        text += f"{'-':>9}\n" if seconds is None else f"{seconds:>9.1f}\n"
    return text


def plot_comparison(rows, path):
    fig, ax = plt.subplots(figsize=(5, 4), dpi=70)
    for row in rows:
        ax.plot(range(1, 1 + len(row["accuracies"])), [100 * a for a in row["accuracies"]], label=row["name"])
    ax.legend(fontsize="small")
    ax.set_ylabel("%")
    with open(path, "wb") as file:
        fig.savefig(file, format="png")
    plt.close(fig)
