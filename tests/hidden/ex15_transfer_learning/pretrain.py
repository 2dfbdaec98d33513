"""Makes backbone.json, the weights of a small net that knows upright digits: `python pretrain.py`, half a minute."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from grader.generated import digits

SEED, IMAGES, HELD_BACK, EPOCHS, BATCH_SIZE, LR = 15, 12_000, 1_000, 6, 50, 0.1


def new_net() -> nn.Sequential:
    """The net of the training tests, with names as they know them."""
    net = nn.Sequential()
    for place, (inside, outside) in enumerate(((1, 8), (8, 16), (16, 32))):
        net.add_module(f"conv{place}", nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False))
        net.add_module(f"bn{place}", nn.BatchNorm2d(outside))
        net.add_module(f"relu{place}", nn.ReLU())
    net.add_module("pool", nn.AdaptiveAvgPool2d(2))
    net.add_module("flat", nn.Flatten())
    net.add_module("fc", nn.Linear(128, 10))
    return net


def main() -> None:
    torch.manual_seed(SEED)
    drawn = digits(SEED, IMAGES, HELD_BACK, (0.0,), 0.0)
    images, labels = torch.from_numpy(drawn.train[0].images)[:, None], torch.from_numpy(drawn.train[0].targets)
    net = new_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(IMAGES).split(BATCH_SIZE):
            loss = F.cross_entropy(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        answers = net(torch.from_numpy(drawn.test.images)[:, None]).argmax(1)
    right = (answers == torch.from_numpy(drawn.test.targets)).double().mean().item()
    print(f"{right:.1%} of {HELD_BACK} upright digits right")
    rows = {
        name: {"shape": list(value.shape), "values": [round(each, 4) for each in value.flatten().tolist()]}
        for name, value in net.state_dict().items()
    }
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    Path(__file__).with_name("backbone.json").write_text(f"{{\n{text}\n}}\n", "utf-8")


if __name__ == "__main__":
    main()
