"""Right: SGD written out, orders from Python's own generator, copies of models, a small plot for each model."""

import copy
import random
from time import monotonic

import torch
from matplotlib.figure import Figure
from torch import nn

PIXELS = 3 * 32 * 32


def dense(*sizes):
    layers = [nn.Flatten(1)]
    for m, n in zip(sizes[:-2], sizes[1:-1]):
        layers.extend([nn.Linear(m, n), nn.ReLU(inplace=True)])
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    return nn.Sequential(*layers)


def block(inputs, *, stride=1, norm=False, activation=nn.ReLU):
    layers = [nn.Conv2d(inputs, 16, (5, 5), (stride, stride), bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(16))
    layers.append(activation())
    if stride == 1:
        layers.append(nn.AdaptiveMaxPool2d(14 if inputs == 3 else 5))
    return nn.Sequential(*layers)


def convolutional(num_classes, *between, **options):
    head = nn.LazyLinear(num_classes)
    net = nn.Sequential(block(3, **options), block(16, **options), nn.Flatten(), *between, head)
    net.eval()
    with torch.no_grad():
        net(torch.zeros(1, 3, 32, 32))  # tells the last layer how many features there are
    return net.train()


def softmax_linear(num_classes=100):
    return dense(PIXELS, num_classes)


def mlp(num_classes=100):
    return dense(PIXELS, 1024, num_classes)


def deep_mlp(num_classes=100):
    return dense(PIXELS, *[512] * 4, num_classes)


def conv_stride(num_classes=100):
    return convolutional(num_classes, stride=2)


def conv_pool(num_classes=100):
    return convolutional(num_classes)


def conv_batchnorm(num_classes=100):
    return convolutional(num_classes, norm=True)


def conv_selu(num_classes=100):
    net = convolutional(num_classes, activation=nn.SELU)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight.numel() // module.weight.shape[0]
            nn.init.uniform_(module.weight, -((3 / fan_in) ** 0.5), (3 / fan_in) ** 0.5)  # variance 1 / fan_in too
            module.bias.data.zero_()
    return net


def conv_dropout(num_classes=100, p=0.5):
    return convolutional(num_classes, nn.Dropout(p))


def epoch_of(model, images, labels, order, batch_size, lr, velocities):
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for start in range(0, len(order), batch_size):
        chosen = torch.tensor(order[start : start + batch_size], device=images.device)
        log_probabilities = model(images[chosen]).log_softmax(1)
        loss = -log_probabilities.gather(1, labels[chosen, None]).mean()
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        with torch.no_grad():
            for place, (parameter, gradient) in enumerate(zip(parameters, gradients)):
                if gradient is not None:
                    velocities[place] = 0.9 * velocities[place] + gradient
                    parameter -= lr * velocities[place]


def compare(
    builders,
    data,
    *,
    epochs=10,
    lr=0.01,
    batch_size=100,
    target=0.25,
    decay=None,
    seed=0,
    device="cpu",
):
    if epochs < 1:
        raise ValueError(f"at least one epoch, not {epochs}")
    decay = {"deep_mlp": 0.8} if decay is None else decay
    images, labels = data["train_images"].to(device), data["train_labels"].to(device)
    rows = []
    for name, builder in builders.items():
        torch.manual_seed(1000 + seed)
        shuffler = random.Random(seed)
        model = copy.deepcopy(builder()).to(device)
        velocities = [torch.zeros_like(parameter) for parameter in model.parameters()]
        rate, times, accuracies = lr, [0.0], []
        for _ in range(epochs):
            model.train()
            begin = monotonic()
            order = shuffler.sample(range(len(images)), len(images))
            epoch_of(model, images, labels, order, batch_size, rate, velocities)
            times.append(times[-1] + monotonic() - begin)
            rate *= decay[name] if name in decay else 1
            model.eval()
            with torch.no_grad():
                answers = [model(image[None].to(device)).argmax().item() for image in data["test_images"]]
            right = [answer == label for answer, label in zip(answers, data["test_labels"].tolist())]
            accuracies.append(sum(right) / len(right))
        reached = [epoch for epoch in range(1, epochs + 1) if accuracies[epoch - 1] >= target]
        row = dict(name=name, parameters=sum(map(torch.numel, model.parameters())), accuracies=accuracies)
        row["best_accuracy"] = sorted(accuracies)[-1]
        row["epochs_to_target"] = reached[0] if reached else None
        row["seconds_to_target"] = times[reached[0]] if reached else None
        row["seconds"] = times[-1]
        rows.append(row)
    return rows


def comparison_table(rows):
    def cells(row):
        yield row["name"]
        yield format(row["parameters"], ",")
        yield "%.1f" % (100 * row["best_accuracy"])
        yield str(row["epochs_to_target"] or "-")
        yield "-" if row["seconds_to_target"] is None else "%.1f" % row["seconds_to_target"]

    table = [["", "how many", "how good", "epochs", "seconds"], *(list(cells(row)) for row in rows)]
    widths = [max(len(line[place]) for line in table) + 3 for place in range(5)]
    lines = []
    for first, *rest in table:
        lines.append(first.ljust(widths[0]) + "".join(cell.rjust(width) for cell, width in zip(rest, widths[1:])))
    return "\n".join(lines) + "\n"


def plot_comparison(rows, path):
    figure = Figure(figsize=(3, 1.2 * len(rows)), dpi=60)
    for place, row in enumerate(rows):
        axes = figure.add_subplot(len(rows), 1, place + 1)
        axes.step(range(len(row["accuracies"])), row["accuracies"])
        axes.set_title(row["name"])
        axes.set_ylim(0, 1)
    figure.savefig(path, format="png")
