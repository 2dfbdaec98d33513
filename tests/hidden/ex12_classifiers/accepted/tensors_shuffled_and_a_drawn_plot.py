"""Right: weights in parameter lists, data shuffled as wholes, a table by columns, and a plot drawn pixel by pixel."""

from timeit import default_timer

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import nn

RATES = {"deep_mlp": 0.8}


class Weights(nn.Module):
    """Pairs of weights and biases, drawn as PyTorch's layers draw them, and a function that uses them."""

    def __init__(self, function, *shapes, lecun=False):
        super().__init__()
        self.function = function
        self.values = nn.ParameterList()
        for shape in shapes:
            fan_in = torch.zeros(shape)[0].numel()
            bound = fan_in**-0.5
            weight = torch.randn(shape) * bound if lecun else torch.empty(shape).uniform_(-bound, bound)
            bias = torch.zeros(shape[0]) if lecun else torch.empty(shape[0]).uniform_(-bound, bound)
            self.values.append(nn.Parameter(weight))
            self.values.append(nn.Parameter(bias))

    def forward(self, x):
        return self.function(x, list(self.values), self.training)


def dense(x, values, training):
    x = x.reshape(len(x), 3072)
    for place in range(0, len(values), 2):
        x = x if place == 0 else x.clamp(min=0)
        x = torch.addmm(values[place + 1], x, values[place].T)
    return x


def conv(activation=F.relu, stride=1, p=0.0):
    def function(x, values, training):
        w1, b1, w2, b2, w3, b3 = values
        for w, b in ((w1, b1), (w2, b2)):
            x = activation(F.conv2d(x, w, b, stride=stride))
            if stride == 1:
                x = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).amax(4)
        return F.linear(F.dropout(x.flatten(1), p, training), w3, b3)

    return function


def conv_shapes(classes):
    return (16, 3, 5, 5), (16, 16, 5, 5), (classes, 400)


def softmax_linear(num_classes=100):
    return Weights(dense, (num_classes, 3072))


def mlp(num_classes=100):
    return Weights(dense, (1024, 3072), (num_classes, 1024))


def deep_mlp(num_classes=100):
    return Weights(dense, (512, 3072), (512, 512), (512, 512), (512, 512), (num_classes, 512))


def conv_stride(num_classes=100):
    return Weights(conv(stride=2), *conv_shapes(num_classes))


def conv_pool(num_classes=100):
    return Weights(conv(), *conv_shapes(num_classes))


def conv_batchnorm(num_classes=100):
    half = [nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)]
    rest = [nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)]
    convolutions = [nn.Conv2d(inputs, 16, 5, bias=False) for inputs in (3, 16)]
    return nn.Sequential(convolutions[0], *half, convolutions[1], *rest, nn.Flatten(), nn.Linear(400, num_classes))


def conv_selu(num_classes=100):
    return Weights(conv(F.selu), *conv_shapes(num_classes), lecun=True)


def conv_dropout(num_classes=100, p=0.5):
    return Weights(conv(p=p), *conv_shapes(num_classes))


def compare(builders, data, *, epochs=10, lr=0.01, batch_size=100, target=0.25, decay=RATES, seed=0, device="cpu"):
    if not epochs > 0:
        raise ValueError(f"epochs: {epochs}")
    data = {name: value.to(device) for name, value in data.items()}
    count = data["train_labels"].numel()
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(count, generator=generator).to(device) for _ in range(epochs)]  # for all models
    return [
        one_row(name, builder, data, orders, lr, batch_size, target, decay.get(name), seed, device)
        for name, builder in builders.items()
    ]


def one_row(name, builder, data, orders, lr, batch_size, target, factor, seed, device):
    torch.manual_seed(seed)
    model = builder().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, foreach=False)
    accuracies, seconds = [], []
    for order in orders:
        begin = default_timer()
        model.train(True)
        batches = zip(data["train_images"][order].split(batch_size), data["train_labels"][order].split(batch_size))
        for x, y in batches:
            model.zero_grad()
            nn.CrossEntropyLoss()(model(x), y).backward()
            optimizer.step()
        seconds.append(default_timer() - begin)
        if factor is not None:
            optimizer.param_groups[0]["lr"] *= factor
        model.train(False)
        with torch.no_grad():
            right = model(data["test_images"]).max(1).indices == data["test_labels"]
        accuracies.append(right.float().mean().item())
    enough = [accuracy >= target for accuracy in accuracies]
    first = enough.index(True) + 1 if any(enough) else None
    return {
        "seconds_to_target": None if first is None else sum(seconds[:first]),
        "epochs_to_target": first,
        "best_accuracy": max(accuracies),
        "accuracies": accuracies,
        "parameters": sum(p.nelement() for p in model.parameters()),
        "name": name,
    }


def comparison_table(rows):
    columns = [
        ["model"] + [row["name"] for row in rows],
        ["parameters"] + [f"{row['parameters']:,}" for row in rows],
        ["best"] + [f"{row['best_accuracy']:.1%}"[:-1] for row in rows],
        ["epochs"] + ["-" if row["epochs_to_target"] is None else f"{row['epochs_to_target']}" for row in rows],
        ["time"] + ["-" if row["seconds_to_target"] is None else f"{row['seconds_to_target']:.1f}" for row in rows],
    ]
    texts = [""] * (len(rows) + 1)
    for place, column in enumerate(columns):
        width = max(map(len, column))
        for line, cell in enumerate(column):
            texts[line] += cell.ljust(width) if place == 0 else " " * 3 + cell.rjust(width)
    return "\n".join(texts)


def plot_comparison(rows, path):
    image = Image.new("RGB", (400, 300), "white")
    pen = ImageDraw.Draw(image)
    for place, row in enumerate(rows):
        colour = ("navy", "red", "green", "orange", "purple", "brown", "black", "teal")[place % 8]
        steps = max(1, len(row["accuracies"]) - 1)
        pen.line([(300 * x / steps, 290 - 280 * y) for x, y in enumerate(row["accuracies"])], fill=colour, width=2)
        pen.text((310, 10 + 20 * place), row["name"], fill=colour)
    image.save(path, format="PNG")
