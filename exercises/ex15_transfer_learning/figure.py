"""The pictures of exercise 15: what moves when, and what pretraining is worth with few images.

What moves is worked out here by hand, for a small net with a BatchNorm. Then a net learns upright digits, and the
student's functions use it for digits upside down, beside a net that begins by chance. The images to ask about come to
the worker without their labels. Where right answers are was recorded beforehand.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture
from grader.generated import digits

FIGURE_SECONDS = 60.0  # of which a right answer takes about eight on a quiet core
SECONDS = 10.0  # for a call that pretrains nothing

# --- what moves -------------------------------------------------------------------------------------------------------

PARTS = ("backbone's weights", "running statistics", "head's weights")
CALLS = {  # settings of fine_tune; None: the extractor, or the probe, after train() and three passes
    "feature_extractor,\nthen train()": None,
    "linear_probe,\nthen train()": None,
    "fine_tune, all\nepochs frozen": {"freeze_epochs": 3, "backbone_lr": 0.1},
    "fine_tune with\nbackbone_lr = 0": {"freeze_epochs": 0, "backbone_lr": 0.0},
    "fine_tune": {"freeze_epochs": 0, "backbone_lr": 0.1},
}
EPOCHS, LR, NOTHING, LEAST, MOST = 3, 0.5, 3e-6, 1e-4, 3.0  # NOTHING is where a change of 0 is drawn
CLOSE = 0.02  # relative


def move(sub: Any, name: str, state: Any, images: Any, labels: Any, settings: Any) -> Any:
    """The largest change of weights, running statistics and head; -1 for what is not there."""
    import torch
    from torch import nn

    net = nn.Sequential()
    layers = {"bn": nn.BatchNorm2d(2), "flat": nn.Flatten(), "hidden": nn.Linear(8, 4), "tanh": nn.Tanh()}
    for each, layer in (layers | {"fc": nn.Linear(4, 3)}).items():
        net.add_module(each, layer)
    net.load_state_dict(state)
    device, common = images.device, {"epochs": 3, "batch_size": len(images)}
    if name == "feature_extractor":
        result = sub.feature_extractor(net.to(device))
    elif name == "linear_probe":
        result = sub.linear_probe(net, images, labels, 3, lr=0.5, **common, device=device)
    else:
        result = sub.fine_tune(net, images, labels, 3, head_lr=0.5, **common, **settings, device=device)
    after = [(key, value.detach().clone()) for key, value in result.state_dict().items()]
    if name != "fine_tune":
        result.train()
        for _ in range(3):
            result(images)
        after = [(key, value.detach().clone()) for key, value in result.state_dict().items()]

    def change(end, old):
        near = [value for key, value in after if key.endswith(end) and value.shape == old.shape]
        return min([float((value - old).abs().max()) for value in near], default=-1.0)

    weights = change("weight", state["hidden.weight"])
    statistics = max(change(end, state[f"bn.{end}"]) for end in ("running_mean", "running_var"))
    head = -1.0 if name == "feature_extractor" else change("weight", torch.zeros(3, 4, device=device))
    return [weights, statistics, head]


def due_changes(state: dict[str, Tensor], images: Tensor, labels: Tensor, settings: Any) -> list[float]:
    """The same by hand, in float64: SGD with momentum 0.9 on one batch of all images."""
    now = {key: value.double() for key, value in state.items() if value.is_floating_point()}
    now |= {"fc.weight": torch.zeros(3, 4).double(), "fc.bias": torch.zeros(3).double()}
    begun = {key: value.clone() for key, value in now.items()}
    frozen = settings is None or settings["freeze_epochs"] > 0
    names = [key for key in now if not key.startswith("bn.running") and (key.startswith("fc.") or not frozen)]
    speeds = {key: torch.zeros_like(now[key]) for key in names}
    for _ in range(EPOCHS):
        leaves = {key: now[key].clone().requires_grad_() for key in names}
        net = now | leaves
        x = F.batch_norm(
            images.double(), now["bn.running_mean"], now["bn.running_var"], net["bn.weight"], net["bn.bias"], not frozen
        )
        x = F.linear(x.flatten(1), net["hidden.weight"], net["hidden.bias"]).tanh()
        loss = F.cross_entropy(F.linear(x, net["fc.weight"], net["fc.bias"]), labels)
        for key, slope in zip(names, torch.autograd.grad(loss, list(leaves.values())), strict=True):
            speeds[key] = 0.9 * speeds[key] + slope
            now[key] = now[key] - (LR if key.startswith("fc.") else settings["backbone_lr"]) * speeds[key]
    moved = {key: (now[key] - begun[key]).abs().max().item() for key in now}
    return [moved["hidden.weight"], max(moved["bn.running_mean"], moved["bn.running_var"]), moved["fc.weight"]]


def picture_of_moves(submission: Any, rng: torch.Generator) -> Picture:
    """A line for each part of the net, call by call: the change that is due as a ring, the student's as a dot."""
    shapes = {"bn.weight": [2], "bn.bias": [2], "bn.running_mean": [2], "bn.running_var": [2]}
    shapes |= {"hidden.weight": [4, 8], "hidden.bias": [4], "fc.weight": [3, 4], "fc.bias": [3]}
    state = {key: torch.randn(shape, generator=rng) / 2 for key, shape in shapes.items()}
    state |= {"bn.running_var": state["bn.running_var"].exp(), "bn.num_batches_tracked": torch.tensor(0)}
    images, labels = 2 + torch.randn(9, 2, 2, 2, generator=rng), torch.arange(9) % 3
    drawing, wrong, told = style.new_figure(430), [], []
    panel = drawing.subplots()
    for row, (title, settings) in enumerate(CALLS.items()):
        due = due_changes(state, images, labels, settings)
        due = [*due[:2], math.nan] if row == 0 else due
        name, said = title.split(",")[0].split()[0], " ".join(title.split())
        arguments = move, name, state, images, labels, settings
        got = attempt(
            lambda arguments=arguments, said=said: values.numbers(
                submission.run(*arguments, call=said, timeout=SECONDS), 3
            )
        )
        pairs = [f"{part} {change:.2g}" for part, change in zip(PARTS, due, strict=True) if change >= 0]
        told.append(f"{said}: {', '.join(pairs)}")
        if isinstance(got, Failure):
            wrong.append(f"{said}: {'not written yet' if got.untouched else got.reason}.")
        for part, change in enumerate(due):
            y, marker = row + 0.24 * (part - 1), style.MARKERS[part]
            label = PARTS[part] if row == 1 else None
            ring = {"marker": marker, "markersize": 9, "fillstyle": "none", "linestyle": "none"}
            panel.plot(place_of(change), y, color=style.EXPECTED, label=label, **ring)
            if isinstance(got, Failure) or math.isnan(change):
                continue
            panel.plot(place_of(got[part]), y, marker, markersize=4, color=style.GOT)
            if not abs(got[part] - change) <= CLOSE * change:
                came = "are not to be found" if got[part] < 0 else f"change by {got[part]:.2g}"
                wrong.append(f"{said}: the {PARTS[part]} {came}, where {change:.2g} is due.")
    panel.set(
        xscale="log", xlim=(NOTHING / 2, MOST), ylim=(len(CALLS) - 0.5, -0.6), xlabel="largest change of a number"
    )
    panel.set_yticks(range(len(CALLS)), list(CALLS))
    panel.set_xticks([NOTHING, 1e-4, 1e-3, 1e-2, 0.1, 1], ["0", "0.0001", "0.001", "0.01", "0.1", "1"])
    panel.minorticks_off()
    for line in range(1, len(CALLS)):
        panel.axhline(line - 0.5, color=style.GRID, linewidth=0.7)
    panel.axvline(NOTHING, color=style.MUTED, linewidth=1, linestyle=style.DASHES[2])
    drawing.legend(loc="outside upper center", ncols=3, columnspacing=0.8, handletextpad=0.2)
    found = " ".join(wrong) or "All changes are as due."
    caption = f"Blue rings are due, orange dots are yours. What lies on the dotted line has not moved at all. {found}"
    description = f"Changes that are due. {'; '.join(told)}. {found}"
    return to_picture(drawing, "figure-15-moves", title="What moves", caption=caption, description=description)


def place_of(change: float) -> float:
    """On the axis; what is smaller than all of it lies at 0, what is missing nowhere."""
    return math.nan if not change >= 0 else NOTHING if change == 0 else min(max(change, 1e-5), MOST)


# --- what it is worth -------------------------------------------------------------------------------------------------

SEED, HELD_BACK = 15, 400
COUNTS = (20, 50, 100, 200)  # labelled images
WAYS = ("from scratch", "linear_probe", "fine_tune")
BANDS = {  # least and most of four right solutions, which shuffle each in their own way
    "linear_probe": [(0.45, 0.4575), (0.7075, 0.715), (0.84, 0.8525), (0.89, 0.8975)],
    "fine_tune": [(0.4675, 0.485), (0.715, 0.7225), (0.79, 0.8625), (0.88, 0.905)],
}


def learn_digits(sub: Any, source: Any, images: Any, labels: Any, held_back: Any, counts: list[int]) -> Any:
    """Logits of the images held back, way by way, for each number of labelled images."""
    import torch
    from torch import nn

    device = held_back.device

    def new_net():
        net = nn.Sequential()
        for place, (inside, outside) in enumerate(((1, 8), (8, 16), (16, 32))):
            net.add_module(f"conv{place}", nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False))
            net.add_module(f"bn{place}", nn.BatchNorm2d(outside))
            net.add_module(f"relu{place}", nn.ReLU())
        net.add_module("pool", nn.AdaptiveAvgPool2d(2))
        net.add_module("flat", nn.Flatten())
        net.add_module("fc", nn.Linear(128, 10))
        return net.to(device)

    def train(net, x, y, epochs, lr):
        optimizer = torch.optim.SGD(net.train().parameters(), lr=lr, momentum=0.9)
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(50 if len(x) > 1000 else 10):
                loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return net

    torch.manual_seed(0)
    pretrained = train(new_net(), *source, 6, 0.1)
    report = {"from scratch": [], "linear_probe": [], "fine_tune": []}
    common = {"epochs": 20, "batch_size": 10, "seed": 1, "device": device}
    for count in counts:
        x, y = images[:count], labels[:count]
        torch.manual_seed(1)
        nets = {"from scratch": train(new_net(), x, y, 20, 0.1)}
        nets["linear_probe"] = sub.linear_probe(pretrained, x, y, 10, lr=0.02, **common)
        nets["fine_tune"] = sub.fine_tune(
            pretrained, x, y, 10, backbone_lr=0.02, head_lr=0.1, freeze_epochs=5, **common
        )
        with torch.no_grad():
            for way, net in nets.items():
                report[way].append(net.eval()(held_back))
    return report


def picture_of_worth(submission: Any) -> Picture:
    """Right answers on images held back, against the number of labelled images."""
    drawn, turned = digits(SEED, 1, 2000, (0.0,), 0.0).test, digits(SEED + 1, max(COUNTS), HELD_BACK, (180.0,), 180.0)
    source = [torch.from_numpy(drawn.images)[:, None], torch.from_numpy(drawn.targets)]
    images, labels = (torch.from_numpy(each) for each in (turned.train[0].images, turned.train[0].targets))
    held_back, truth = torch.from_numpy(turned.test.images)[:, None], torch.from_numpy(turned.test.targets)
    arguments = learn_digits, source, images[:, None], labels, held_back, list(COUNTS)

    def shares() -> dict[str, list[float]]:
        got = submission.run(*arguments, call="linear_probe and fine_tune, on digits", timeout=FIGURE_SECONDS)
        rows = {way: values.items(values.entry(got, way), len(COUNTS)) for way in WAYS}
        return {way: [right(values.tensor(each, (HELD_BACK, 10))) for each in row] for way, row in rows.items()}

    def right(logits: Tensor) -> float:
        return (logits.nan_to_num(nan=-1e30).argmax(1) == truth).double().mean().item()

    came = attempt(shares)
    drawing = style.new_figure(300)
    panel = drawing.subplots()
    told = []
    for place, way in enumerate(WAYS):
        color = style.MUTED if way == "from scratch" else style.SERIES[2 * place - 1]
        if way in BANDS:
            low, high = zip(*BANDS[way], strict=True)
            panel.fill_between(COUNTS, low, high, color=color, alpha=0.25, linewidth=0)
            told.append(f"{way} " + ", ".join(f"{least:.0%} to {most:.0%}" for least, most in BANDS[way]))
        if not isinstance(came, Failure):
            panel.plot(
                COUNTS, came[way], marker=style.MARKERS[place], linestyle=style.DASHES[place], color=color, label=way
            )
    found = f"No curves: {came.reason}." if isinstance(came, Failure) else worth_in_words(came)
    panel.set(xscale="log", ylim=(0, 1), xlabel="labelled images", ylabel=f"share right of {HELD_BACK} held back")
    panel.set_xticks(COUNTS, list(map(str, COUNTS)))
    panel.minorticks_off()
    style.grid(panel)
    if not isinstance(came, Failure):
        panel.legend(loc="upper left")
    caption = (
        "A net that knows upright digits is used for digits upside down. All three ways take equally many "
        f"steps. Areas are where right solutions were. {found}"
    )
    description = f"For {', '.join(map(str, COUNTS))} images, right solutions: {'; '.join(told)}. {found}"
    return to_picture(
        drawing, "figure-15-worth", title="What pretraining is worth", caption=caption, description=description
    )


def worth_in_words(came: dict[str, list[float]]) -> str:
    """What is seen of the three curves."""
    sentences = []
    for place in (0, len(COUNTS) - 1):
        shares = ", ".join(f"{way} {came[way][place]:.1%}" for way in WAYS)
        sentences.append(f"With {COUNTS[place]} images: {shares} right.")
    return " ".join(sentences)


def figure(submission: Any, rng: torch.Generator) -> list[Picture]:
    """What moves, and what it is worth."""
    return [picture_of_moves(submission, rng), picture_of_worth(submission)]
