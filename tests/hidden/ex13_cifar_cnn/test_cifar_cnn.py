"""Hidden suite of exercise 13.

What the network gives is worked out by the judge, with torch.nn.functional in float64, from a random state that a
driver copies into the student's network in the order of its parameters. `train` and `predict` get models of the tests'
own: the first pixels of an image hold its number, by which the model notes what it is fed, and finds the image's own
row of logits in a table. Where training is to lead that table is worked out by the judge, by Adam in float64.
"""

import math
from itertools import combinations, zip_longest
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.checks import check, check_close, check_equal, check_tensor, grading_device, show
from grader.datasets import find_cifar10
from grader.remote import on_cpu

SECONDS = 5  # for a call that does not train a whole network

# ---------------------------------------------------------------------------------------------------------------------
# Task 1: CNN, beside the judge's own
# ---------------------------------------------------------------------------------------------------------------------

CHANNELS = (3, 8, 32, 32, 32, 64)
WIDTHS = (1024, 64, 64)
POOLS = (2, 4, 5)  # the convolutions that a pool follows
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "linear1", "linear2", "linear3")


def layout(classes: int = 10) -> dict[str, list[int]]:
    """The shapes of the parameters by name, in the order in which they are registered."""
    weights = [[CHANNELS[place + 1], CHANNELS[place], 3, 3] for place in range(5)]
    weights += [[outputs, inputs] for inputs, outputs in zip(WIDTHS, (*WIDTHS[1:], classes), strict=True)]
    shapes = {}
    for name, shape in zip(LAYERS, weights, strict=True):
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def random_state(rng: torch.Generator, classes: int = 10) -> dict[str, Tensor]:
    """Weights that keep the size of what goes through, and biases that matter."""
    scale = {
        name: (2 / math.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.3 for name, shape in layout(classes).items()
    }
    return {name: scale[name] * torch.randn(shape, generator=rng) for name, shape in layout(classes).items()}


def logits_of(state: dict[str, Tensor], x: Tensor, **mistake: Any) -> Tensor:
    """The logits, worked out in float64. A `mistake` can be made."""
    state = {name: value.double() for name, value in state.items()}
    x = mistake.get("start", 1) * x.double() - (mistake.get("start", 1) - 1)
    for place, name in enumerate(LAYERS[:5], 1):
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)
        x = x if name == mistake.get("bare") else x.relu()
        x = mistake.get("pool", F.max_pool2d)(x, 2) if place in mistake.get("pools", POOLS) else x
    x = x.permute(mistake.get("order", (0, 1, 2, 3))).flatten(1)
    for name in LAYERS[5:]:
        x = F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])
        x = x if name in (mistake.get("bare"), "linear3") else x.relu()
    return mistake.get("end", lambda logits: logits)(x)


BARE = "Look at the numbers that {} hands on. Can they be negative, and are they to be?"
MEANS = "What does your pool keep of four numbers, and what does a max-pool keep?"
PLACES = "Write the shape down after each convolution, with the lesson's table beside it. Which differs?"
ENDS = "What do you do to the numbers of the last layer, and who else does it already?"
MISTAKES: list[tuple[dict[str, Any], str]] = [
    *(({"bare": name}, BARE.format(name)) for name in LAYERS[:7]),
    ({"pool": F.avg_pool2d}, MEANS),
    *(({"pools": pools}, PLACES) for pools in combinations(range(1, 6), 3) if pools != POOLS),
    *(({"end": end}, ENDS) for end in (torch.relu, lambda y: y.softmax(1), lambda y: y.log_softmax(1))),
    ({"start": 2}, "The network takes its images as they are. What does the first convolution get of yours?"),
    (
        {"order": (0, 2, 3, 1)},
        "In which order are 64 channels of 4×4 made flat: channel by channel, or place by place?",
    ),
]

# Measured on the reference on a CPU, in 200 draws: off by at most 5e-6. The mistakes above change 0.3 and more.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def check_logits(got: Any, expected: Tensor, state: dict[str, Tensor], x: Tensor, hint: str) -> None:
    """Logits that a known mistake gives get a hint of their own."""
    if type(got) is Tensor and got.shape == expected.shape and got.dtype == torch.float32:
        alike = (
            text for change, text in MISTAKES if torch.allclose(got, logits_of(state, x, **change).float(), 1e-3, 1e-3)
        )
        hint = hint if torch.allclose(got, expected, 1e-3, 1e-3) else next(alike, hint)
    check_tensor(got, expected, **CLOSE, what="the logits", hint=hint)


def run_cnn(sub, arguments, keywords, values, x, training):
    import torch

    torch.backends.cudnn.allow_tf32 = False  # on a GPU: float32, not three digits of it
    net = sub.CNN(*arguments, **keywords)
    if not isinstance(net, torch.nn.Module):
        return {"returned": net}
    own = list(net.to(x.device).parameters())
    report = {
        "parameters": [[name, list(value.shape)] for name, value in net.named_parameters()],
        "buffers": [name for name, _ in net.named_buffers()],
    }
    if values is not None and [value.shape for value in own] == [value.shape for value in values]:
        with torch.no_grad():
            for value, new in zip(own, values, strict=True):
                value.copy_(new)
        report["logits"] = net.train(training)(x)
        if training and report["logits"].requires_grad:
            report["logits"].square().sum().backward()
        largest = [torch.zeros(()) if value.grad is None else value.grad.abs().max().cpu() for value in own]
        report["gradients"] = torch.stack(largest).to(x.device)
    return report


MISSING = (
    "Which of your layers has no partner in the lesson's table, or is missing? They are in the order of assignment."
)
SIZES = "Another layer's turn, or this one with other sizes? What reaches it, and what does it give?"


def check_layout(got: dict, classes: int) -> None:
    """The first parameter that is not the one that is due, by its shape."""
    check(
        "returned" not in got, expected="an nn.Module", got=show(got.get("returned")), hint="What is CNN in your file?"
    )
    due = layout(classes)
    for place, (mine, (name, shape)) in enumerate(zip_longest(got["parameters"], due.items(), fillvalue=("", None)), 1):
        other = mine[1] is None or shape is None or len(mine[1]) != len(shape)
        check(
            mine[1] == shape,
            expected="no more parameters" if shape is None else f"parameter {place} of {len(due)}: {name} {shape}",
            got="no more parameters" if mine[1] is None else f"'{mine[0]}' {mine[1]}",
            hint=MISSING if other else SIZES,
        )
    hint = "A layer keeps numbers that are not learnt. Which of the table's layers does?"
    check_equal(got["buffers"], [], what="the buffers", hint=hint)


def ask_cnn(submission, state, x, *, classes=10, by_name=False, training=False, note=""):
    """Builds the student's network, copies a state into it, and feeds it `x`."""
    arguments, keywords = ([], {"num_classes": classes}) if by_name else ([] if classes == 10 else [classes], {})
    call = f"CNN({f'num_classes={classes}' if by_name else '' if classes == 10 else classes})"
    call += f"(images of shape {list(x.shape)}), in {'training' if training else 'evaluation'} mode{note}"
    values = list(state.values())
    got = submission.run(run_cnn, arguments, keywords, values, x, training, call=call, timeout=SECONDS)
    check_layout(got, classes)
    return got


@pytest.mark.task(1)
@pytest.mark.parametrize("classes", [10, 7, 3])
def test_the_layers_and_their_order(submission, classes):
    """Five convolutions and three linear layers, each with a weight and a bias; classes change the last one."""
    arguments, keywords = {10: ([], {}), 7: ([7], {}), 3: ([], {"num_classes": 3})}[classes]
    call = {10: "CNN()", 7: "CNN(7)", 3: "CNN(num_classes=3)"}[classes]
    got = submission.run(run_cnn, arguments, keywords, None, torch.zeros(()), False, call=call, timeout=SECONDS)
    check_layout(got, classes)
    count, due = sum(math.prod(shape) for _, shape in got["parameters"]), 109_312 + 65 * classes
    check_equal(count, due, what="the number of parameters", hint="Which layer of yours has more, or fewer?")


@pytest.mark.task(1)
def test_what_the_network_gives(submission, rng):
    """The logits of two images by the formula: convolutions, ReLUs and pools in the order of the lesson's table."""
    state, x = random_state(rng), torch.rand(2, 3, 32, 32, generator=rng)
    expected = logits_of(state, x).float()
    got = ask_cnn(submission, state, x)
    hint = "Follow an image line by line. Where does a ReLU stand, where a pool, and in which order is it made flat?"
    check_logits(got["logits"], expected, state, x, hint)


@pytest.mark.task(1)
def test_training_mode_changes_nothing(submission, rng):
    """There is no dropout and no BN: the logits of a network in training mode are the same."""
    state, x = random_state(rng, 6), torch.rand(2, 3, 32, 32, generator=rng)
    expected = logits_of(state, x).float()
    got = ask_cnn(submission, state, x, classes=6, by_name=True, training=True)
    hint = "In evaluation mode too? If it is right there: which layer knows about modes, and is it in the table?"
    check_logits(got["logits"], expected, state, x, hint)


@pytest.mark.task(1)
def test_the_edges_of_an_image(submission, rng):
    """Around an image stand zeros: also the pixels of its edges and corners give what the formula says."""
    state = random_state(rng)
    x = torch.zeros(2, 3, 32, 32)
    x[:, :, [0, -1]] = torch.rand(2, 3, 2, 32, generator=rng)  # the first row and the last one
    x[:, :, :, [0, -1]] = torch.rand(2, 3, 32, 2, generator=rng)
    expected = logits_of(state, x).float()
    got = ask_cnn(submission, state, x, note=", black but for their edges")
    hint = "What does a convolution see beyond the edge: zeros, or something that is made of the image?"
    check_logits(got["logits"], expected, state, x, hint)


@pytest.mark.task(1)
def test_the_last_layer_gives_the_logits(submission, rng):
    """Where the last layer gives its bias alone, the bias is the output, also of a single image: no softmax follows."""
    state, x = random_state(rng, 5), torch.rand(1, 3, 32, 32, generator=rng)
    state["linear3.weight"] = torch.zeros(5, 64)
    state["linear3.bias"] = 3 * torch.randn(5, generator=rng)
    expected = state["linear3.bias"][None].clone()
    got = ask_cnn(submission, state, x, classes=5, note=", the last layer's weights being 0")
    hint = "What do you do to the numbers of the last layer, and to the dimension of the batch?"
    check_tensor(got["logits"], expected, **CLOSE, what="the logits", hint=hint)


@pytest.mark.task(1)
def test_gradients_reach_every_layer(submission, rng):
    """From the logits back to the first convolution, each parameter hears of the loss."""
    state, x = random_state(rng), torch.rand(2, 3, 32, 32, generator=rng)
    got = ask_cnn(submission, state, x, training=True, note=", and then backward()")
    check_tensor(got["gradients"], torch.zeros(len(state)), atol=math.inf, what="the largest gradients")
    hint = "Gradients go back the way that the values came. Which step does autograd not see?"
    for name, largest in zip(state, got["gradients"].tolist(), strict=True):
        check(largest > 0, expected=f"a gradient of {name}", got="0 in all places, or none", hint=hint)


def build_two(sub):
    import torch

    one, other = sub.CNN(), sub.CNN()
    mine, theirs = (torch.cat([value.detach().flatten() for value in net.parameters()]) for net in (one, other))
    with torch.no_grad():
        for value in one.parameters():
            value.add_(1)
    after = torch.cat([value.detach().flatten() for value in other.parameters()])
    return {"first": mine, "second": theirs, "after": after}


@pytest.mark.task(1)
def test_each_network_is_one_of_its_own(submission):
    """Two networks begin with different weights, and training one leaves the other alone."""
    got = submission.run(build_two, call="one, other = CNN(), CNN()", timeout=SECONDS)
    parts = [got[name] for name in ("first", "second", "after")]
    check(all(type(part) is Tensor for part in parts), expected="two networks with weights", got="none")
    hint = "When are your layers made: when the file is read, or when a network is?"
    check(
        torch.equal(parts[1], parts[2]), expected="a second network that stays", got="one that changes too", hint=hint
    )
    hint = "Initial weights are drawn by chance. What makes chance repeat itself, or takes its place?"
    alike = torch.equal(parts[0], parts[1])
    check(not alike, expected="other initial weights in the second network", got="the same ones", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: train, watched through a model that has a row of logits for each image
# ---------------------------------------------------------------------------------------------------------------------

CLASSES = 5


def numbered_images(rng: torch.Generator, count: int) -> Tensor:
    """Random uint8 images [count, 3, 32, 32]. The first pixel holds the number: red the ones, green the 256s."""
    images = torch.randint(256, (count, 3, 32, 32), generator=rng, dtype=torch.uint8)
    images[:, 0, 0, 0] = (torch.arange(count) % 256).to(torch.uint8)
    images[:, 1, 0, 0] = (torch.arange(count) // 256).to(torch.uint8)
    return images


def watch_training(sub, anchor, images, labels, table, settings):
    import torch
    from torch import nn

    notes = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(table.cpu().clone())
            self.inner = nn.Sequential(nn.Identity())

        def forward(self, x):
            numbers = torch.zeros(len(x), dtype=torch.long, device=x.device)
            if x.dtype == torch.float32 and x.shape[1:] == (3, 32, 32):
                numbers = (x[:, 0, 0, 0] * 255).round().long().clamp(0, len(table) - 1)
            if torch.is_grad_enabled():
                modes = [module.training for module in self.modules()]
                before = self.table.detach().clone()
                notes.append({"fed": x.detach().clone(), "numbers": numbers, "modes": modes, "table": before})
            return self.table[numbers]

    result = sub.train(Net().eval(), images, labels, **settings, device=anchor.device)
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], nn.Module)):
        return {"returned": result}
    last = next(result[0].parameters()).detach()
    return {"notes": notes, "table": last, "losses": result[1], "images": images, "labels": labels}


class Watched(NamedTuple):
    """What a training fed to its model and made of it."""

    batches: list[list[int]]  # the numbers of their images
    fed: Tensor
    modes: list[list[bool]]
    tables: list[Tensor]  # before each step, and at the end
    losses: Any
    images: Tensor  # as they were afterwards
    labels: Tensor

    def orders(self, count: int) -> list[list[int]]:
        numbers = [number for batch in self.batches for number in batch]
        return [numbers[place : place + count] for place in range(0, len(numbers), count)]


RETURNED = "Two things come back: a model and its losses. What does train return, on every way through it?"


def train_call(settings: dict, count: int) -> str:
    text = ", ".join(f"{name}={value}" for name, value in settings.items())
    return f"train(model, images, labels, {text}, device=device), with {count} images"


def watch(submission, images: Tensor, labels: Tensor, table: Tensor | None = None, **settings) -> Watched:
    """Runs a training, and checks what every test builds on: what comes back, and how many images are fed."""
    settings = {"epochs": 1, "lr": 0.1, "batch_size": 4} | settings
    table = torch.zeros(len(images), CLASSES) if table is None else table
    on = on_cpu(images), on_cpu(labels)  # the device of the work may be another one
    call = train_call(settings, len(images))
    got = submission.run(watch_training, torch.zeros(()), *on, table, settings, call=call, timeout=SECONDS)
    returned = show(got.get("returned"))
    check("returned" not in got, expected="(the trained nn.Module, a list of losses)", got=returned, hint=RETURNED)
    for note in got["notes"]:
        x = note["fed"]
        shown = f"a batch of shape {list(x.shape)}, {str(x.dtype).removeprefix('torch.')}"
        hint = "The model is fed uint8 / 255. Which step gives the images another type or shape?"
        right = x.dtype == torch.float32 and x.shape[1:] == (3, 32, 32)
        check(right, expected="batches of shape [B, 3, 32, 32], float32", got=shown, hint=hint)
    fed, due = (
        torch.cat([torch.zeros(0, 3, 32, 32), *(note["fed"] for note in got["notes"])]),
        settings["epochs"] * len(images),
    )
    check(
        len(fed) == due,
        expected=f"{settings['epochs']} epochs of {len(images)} images: {due} images in all",
        got=f"{len(fed)} images, in batches of {[len(note['fed']) for note in got['notes']]}"[:120],
        hint="Count the images that the model sees. Is the last batch of an epoch there, and the last epoch?",
    )
    whole, rest = divmod(len(images), settings["batch_size"])
    sizes = ([settings["batch_size"]] * whole + [rest] * (rest > 0)) * settings["epochs"]
    hint = "How many batches does an epoch have, and how large is the last one?"
    check_equal([len(note["fed"]) for note in got["notes"]], sizes, what="the sizes of the batches", hint=hint)
    tables = [note["table"].double() for note in got["notes"]]
    return Watched(
        [note["numbers"].tolist() for note in got["notes"]],
        fed,
        [note["modes"] for note in got["notes"]],
        [*tables, got["table"].double()],
        got["losses"],
        got["images"],
        got["labels"],
    )


def draw(rng: torch.Generator, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels, and a table of logits with a row for each image."""
    labels = torch.randint(CLASSES, (count,), generator=rng)
    return numbered_images(rng, count), labels, torch.randn(count, CLASSES, generator=rng)


@pytest.mark.task(2)
def test_training_moves_the_weights(submission, rng):
    """Each batch is there to move the weights: a training that leaves them where they were has learnt nothing."""
    images, labels, table = draw(rng, 12)
    watched = watch(submission, images, labels, table, epochs=3)
    moved = max((later - watched.tables[0]).abs().max().item() for later in watched.tables)
    hint = "backward leaves each weight's gradient in .grad. Who takes it from there to the weights of this model?"
    check(moved > 0, expected="other weights after 9 batches", got="the same weights, bit by bit", hint=hint)
    kept = (watched.tables[-1] - watched.tables[0]).abs().max().item()
    hint = "There is the model that was given, and perhaps a copy. Which of them is trained, and which comes back?"
    check(kept > 0, expected="the trained model", got="a model with the weights that it came with", hint=hint)


@pytest.mark.task(2)
def test_every_image_is_trained_on_with_its_own_label(submission, rng):
    """A row of logits for each image learns the image's own label."""
    images, labels, _ = draw(rng, 23)
    watched = watch(submission, images, labels, epochs=10)
    wrong = int((watched.tables[-1].argmax(1) != labels).sum())
    hint = "Follow one image and its label from the arguments to the loss. Where could the two lose each other?"
    check(wrong == 0, expected="23 images learnt with their labels", got=f"{wrong} with another one", hint=hint)


def train_by_hand(
    table: Tensor, batches: list[list[int]], labels: Tensor, rates: list[float], **mistake: Any
) -> tuple[list[Tensor], list[float]]:
    """The table before each step of Adam and at the end, and the losses, in float64. A `mistake` can be made."""
    table = table.double()
    mean = square = pile = torch.zeros_like(table)
    tables, losses = [table], []
    for step, (batch, rate) in enumerate(zip(batches, rates, strict=True)):
        leaf, rows = table.clone().requires_grad_(), torch.tensor(batch)
        logits = leaf[rows].softmax(1) if mistake.get("softmax") else leaf[rows]
        loss = F.cross_entropy(logits, labels[rows], reduction="sum" if mistake.get("sum") else "mean")
        (gradient,) = torch.autograd.grad(loss, leaf)
        table = (1 - rate * mistake.get("decay", 0.0)) * table
        pile = gradient + pile if mistake.get("pile") else gradient
        time = step % mistake.get("afresh", 1 << 30) + 1
        mean, square = (0 * mean, 0 * square) if time == 1 else (mean, square)
        mean, square = 0.9 * mean + 0.1 * pile, 0.999 * square + 0.001 * pile.square()
        change = (mean / (1 - 0.9**time)) / ((square / (1 - 0.999**time)).sqrt() + 1e-8)
        table = table - rate * (10 * mean if mistake.get("sgd") else change)
        tables.append(table)
        losses.append(loss.item())
    return tables, losses


def falling(lr: float, steps: int) -> list[float]:
    return [lr * (1 - step / steps) for step in range(steps)]


def mistakes_of_training(lr: float, steps: int, each: int) -> list[tuple[list[float], dict[str, Any], str]]:
    """Rates and changes that are often met, each with what to think about. `each`: steps of an epoch."""
    right = falling(lr, steps)
    rate = "Print optimizer.param_groups[0]['lr'] before each step, from the first one to the last. "
    return [
        (right, {"pile": True}, "What is in .grad when backward adds the gradient of the next batch to it?"),
        ([lr] * steps, {}, rate + "Does it fall?"),
        ([lr * (1 - step // each * each / steps) for step in range(steps)], {}, rate + "When does it fall?"),
        ([lr * (1 - (step + 1) / steps) for step in range(steps)], {}, rate + "What is it in the very first one?"),
        ([lr * (1 - step / (steps - 1)) for step in range(steps)], {}, rate + "In which of S steps would it be 0?"),
        (right, {"softmax": True}, "Cross-entropy takes logits, and the softmax of them. What does it get from you?"),
        (right, {"sum": True}, "A smaller batch has a smaller sum of losses. What of it has it not?"),
        (right, {"afresh": each}, "Adam remembers the gradients before. What makes it forget them after each epoch?"),
        (
            right,
            {"decay": 0.01},
            "Some optimisers pull all weights towards 0. Is yours the one that the lesson asks for?",
        ),
        (right, {"sgd": True}, "Which optimiser makes steps that are larger where the gradient is larger? Is it Adam?"),
    ]


@pytest.mark.task(2)
@pytest.mark.parametrize(
    ("count", "batch_size", "lr"), [(8, 4, 0.1), (7, 3, 0.05)], ids=["even", "a smaller last batch"]
)
def test_the_weights_after_each_step(submission, rng, count, batch_size, lr):
    """Steps of Adam on the mean cross-entropy, with a rate that falls in a straight line, by the formula."""
    images, labels, table = draw(rng, count)
    watched = watch(submission, images, labels, table, epochs=3, batch_size=batch_size, lr=lr)
    each = math.ceil(count / batch_size)
    steps = 3 * each
    expected, _ = train_by_hand(table, watched.batches, labels, falling(lr, steps))
    hint = "Adam as PyTorch has it, the mean cross-entropy, lr · (1 − s / S). Which of the three is otherwise with you?"
    for rates, change, text in mistakes_of_training(lr, steps, each):
        other, _ = train_by_hand(table, watched.batches, labels, rates, **change)
        if max(float((mine - due).abs().max()) for mine, due in zip(watched.tables, other, strict=True)) < 1e-4:
            hint = text
            break
    order = [number for batch in watched.batches for number in batch]
    if not torch.allclose(watched.fed, images[order].float() / 255, rtol=1e-5, atol=1e-6):
        hint = "What the model is fed are not the images / 255, and so nothing else can be right. Look at one of them."
    for step, (mine, due) in enumerate(zip(watched.tables, expected, strict=True)):
        off = float((mine - due).abs().max())
        row = int((mine - due).abs().amax(1).argmax())
        told = [show([round(value, 4) for value in each_table[row].tolist()]) for each_table in (due, mine)]
        when = f"after step {step} of {steps}" if step else "before the first step"
        # Measured on the reference, in 200 draws: 6e-7. A rate that is off by a tenth makes 5e-3 in the first step.
        check(off < 2e-5, expected=f"weights {when}: {told[0]}", got=f"{told[1]}, up to {off:.2g} off", hint=hint)


@pytest.mark.task(2)
def test_the_loss_of_each_epoch(submission, rng):
    """The mean over the images of an epoch, each with the loss that its batch had before the step; a Python float."""
    images, labels, table = draw(rng, 11)
    watched = watch(submission, images, labels, 3 * table, epochs=3, batch_size=4, lr=0.2)
    _, losses = train_by_hand(3 * table, watched.batches, labels, falling(0.2, 9))
    sizes, hint = [4, 4, 3], "Whose losses do you put together, when are they taken, and what do you divide by?"
    check(
        type(watched.losses) is list, expected="a list of losses", got=show(watched.losses), hint="What do you return?"
    )
    check_equal(len(watched.losses), 3, what="the number of losses, for 3 epochs", hint="When is a loss appended?")
    for epoch, got in enumerate(watched.losses):
        part = losses[3 * epoch : 3 * epoch + 3]
        if type(got) is float and math.isclose(got, sum(part) / 3, rel_tol=1e-4):
            hint = "A batch of 3 images and one of 4: how much does each of them count?"
        due = sum(size * loss for size, loss in zip(sizes, part, strict=True)) / 11
        check_close(got, due, rel=1e-4, what=f"the loss of epoch {epoch + 1}", hint=hint)


@pytest.mark.task(2)
def test_no_epochs(submission, rng):
    """With epochs=0 there is nothing to do: the model comes back as it was, without a loss."""
    images, labels, table = draw(rng, 5)
    watched = watch(submission, images, labels, table, epochs=0)
    hint = "How many times does your loop run, and what is returned if it never does?"
    check_equal(watched.losses, [], what="the losses", hint=hint)
    check(torch.equal(watched.tables[-1], table.double()), expected="the same weights", got="other ones", hint=hint)


@pytest.mark.task(2)
def test_images_are_fed_as_floats_from_0_to_1(submission, rng):
    """The model is fed each image as it is, float32, uint8 / 255, and nothing else."""
    images, labels, _ = draw(rng, 9)
    watched = watch(submission, images, labels, epochs=2)
    numbers = [number for batch in watched.batches for number in batch]
    fed = watched.fed.clone()
    fed.worker_device = grading_device.get()
    hint = "Look at the smallest and largest number that the model gets, then at one image. Which steps touched it?"
    check_tensor(fed, images[numbers].float() / 255, rtol=1e-5, atol=1e-6, what="the images of both epochs", hint=hint)


@pytest.mark.task(2)
@pytest.mark.parametrize(
    ("count", "batch_size"),
    [(13, 5), (12, 4), (7, 20), (3, 1)],
    ids=["smaller last batch", "whole batches", "one batch", "single images"],
)
def test_every_epoch_goes_over_every_image_once(submission, rng, count, batch_size):
    """Each epoch feeds all images, none of them twice, in batches of batch_size and what is left in the last one."""
    images, labels, _ = draw(rng, count)
    watched = watch(submission, images, labels, epochs=2, batch_size=batch_size)  # and looks at their sizes
    for epoch, order in enumerate(watched.orders(count), 1):
        hint = "Write down which images one epoch takes. Which of them come twice, and which never?"
        check_equal(sorted(order), list(range(count)), what=f"the images of epoch {epoch}, sorted", hint=hint)


@pytest.mark.task(2)
def test_every_epoch_has_an_order_of_its_own(submission, rng):
    """The images are shuffled before each epoch, the first one too."""
    images, labels, _ = draw(rng, 29)
    watched = watch(submission, images, labels, epochs=3, batch_size=10)
    orders = [list(range(29)), *watched.orders(29)]  # two of 29! orders are alike with a probability of 1e-31
    names = ["that they were given in", "of epoch 1", "of epoch 2", "of epoch 3"]
    for later in range(1, 4):
        same = [name for name, order in zip(names[:later], orders, strict=False) if order == orders[later]]
        hint = "When is the order drawn: not at all, once, or for each epoch?"
        expected, got = f"an order of its own for epoch {later}", f"the order {' '.join(same[:1])}"
        check(not same, expected=expected, got=got, hint=hint)


@pytest.mark.task(2)
def test_training_is_done_in_training_mode(submission, rng):
    """A model that comes in evaluation mode is trained in training mode, with all of its modules."""
    images, labels, _ = draw(rng, 9)
    watched = watch(submission, images, labels, epochs=2)
    off = sum(not flag for modes in watched.modes for flag in modes)
    hint = "Dropout drops and BatchNorm learns its statistics in training mode only. Who switches it on?"
    got = f"{off} of {sum(map(len, watched.modes))} flags False, in {len(watched.modes)} batches"
    check(off == 0, expected="module.training = True in every module, in every batch", got=got, hint=hint)


@pytest.mark.task(2)
def test_images_and_labels_are_left_as_they_are(submission, rng):
    """What was given to train is unchanged afterwards, and can be trained on again."""
    images, labels, _ = draw(rng, 9)
    watched = watch(submission, images, labels, epochs=2)
    hint = "Which statement writes into the tensors that were given, instead of making new ones?"
    check(torch.equal(watched.images, images), expected="the images unchanged", got="changed images", hint=hint)
    check(torch.equal(watched.labels, labels), expected="the labels unchanged", got="changed labels", hint=hint)


def train_small_nets(sub, images, labels, state, runs):
    """The weights after each of several trainings from the same start, with other random numbers before each."""
    import torch
    from torch import nn

    ends = []
    for number, (p, settings) in enumerate(runs):
        torch.manual_seed(100 + number)
        layers = (
            nn.Conv2d(3, 4, 5, stride=4),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(p),
            nn.Linear(196, 5),
        )
        net = nn.Sequential(*layers).to(images.device)
        for value, new in zip(net.parameters(), state, strict=True):
            value.data.copy_(new)
        result = sub.train(net, images, labels, **settings, device=images.device)
        trained = result[0] if isinstance(result, tuple) and result else result
        if not isinstance(trained, nn.Module):
            return {"ends": [trained]}
        ends.append(torch.cat([value.detach().flatten() for value in trained.parameters()]))
    return {"ends": ends}


def train_twice(submission, rng, *runs: dict, call: str, p: float = 0.0) -> tuple[Tensor, list[Tensor]]:
    """All weights before, and after each of the trainings, on a CPU."""
    images, labels, _ = draw(rng, 24)
    state = [0.2 * torch.randn(shape, generator=rng) for shape in [(4, 3, 5, 5), (4,), (4,), (4,), (5, 196), (5,)]]
    asked = [[p, {"epochs": 2, "lr": 0.02, "batch_size": 7} | run] for run in runs]
    tensors = [on_cpu(value) for value in (images, labels, *state)]
    got = submission.run(train_small_nets, tensors[0], tensors[1], tensors[2:], asked, call=call, timeout=SECONDS)
    start = torch.cat([value.flatten() for value in state])
    for end in got["ends"]:
        sound = type(end) is Tensor and end.shape == start.shape
        check(sound, expected="(the trained nn.Module, a list of losses)", got=show(end), hint=RETURNED)
    return start, got["ends"]


def distance(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()


@pytest.mark.task(2)
def test_lr_0_leaves_the_parameters_as_they_are(submission, rng):
    """With a learning rate of 0 every parameter comes back bit by bit."""
    call = "train(model, images, labels, epochs=2, lr=0.0, batch_size=7, device=cpu)"
    start, (end,) = train_twice(submission, rng, {"lr": 0.0}, call=call)
    hint = "lr · anything is 0. What changes the weights without being multiplied by it?"
    got = f"weights up to {distance(start, end):.2g} off"
    check(torch.equal(start, end), expected="the parameters, bit by bit", got=got, hint=hint)


@pytest.mark.task(2)
@pytest.mark.parametrize("p", [0.0, 0.5], ids=["no dropout", "dropout"])
def test_the_same_seed_gives_the_same_weights(submission, rng, p):
    """Two trainings with one seed end alike on a CPU, whatever random numbers were drawn before, also with dropout."""
    model = "a model with dropout" if p else "model"
    call = f"train({model}, images, labels, …, seed=5, device=cpu), twice from the same weights"
    start, (one, other) = train_twice(submission, rng, {"seed": 5}, {"seed": 5}, call=call, p=p)
    moved, apart = distance(one, start), distance(one, other)
    hint = "Two epochs at a learning rate of 0.02 move weights. Which ones did yours move, and which came back?"
    check(moved > 1e-3, expected="weights that training has moved", got=f"a largest change of {moved:.2g}", hint=hint)
    hint = "What draws random numbers in a training: you, and perhaps the model? Is each seeded, at the start of each?"
    check(apart < 1e-6, expected="the same weights twice", got=f"weights up to {apart:.2g} apart", hint=hint)


@pytest.mark.task(2)
def test_another_seed_gives_other_weights(submission, rng):
    """The order depends on the seed, and so do the weights in the end."""
    call = "train(model, images, labels, …, seed=s, device=cpu), with s = 5 and 6"
    _, (one, other) = train_twice(submission, rng, {"seed": 5}, {"seed": 6}, call=call)
    apart = distance(one, other)
    hint = "Does the seed that is given reach what draws the numbers?"
    check(apart > 1e-5, expected="other weights", got=f"weights that are {apart:.2g} apart at most", hint=hint)


@pytest.mark.task(2)
def test_the_seed_is_0_by_default(submission, rng):
    """Without seed=… training is as repeatable as with it."""
    call = "train(model, images, labels, …, device=cpu), without seed=… and with seed=0"
    _, (one, other) = train_twice(submission, rng, {}, {"seed": 0}, call=call)
    apart = distance(one, other)
    hint = "Nobody said seed=…. Which seed holds then, and does it reach all that draws?"
    check(apart < 1e-6, expected="the same weights", got=f"weights up to {apart:.2g} apart", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: predict, watched through a model that answers from a table
# ---------------------------------------------------------------------------------------------------------------------


def watch_predicting(sub, anchor, images, table, keywords, breaks):
    import torch
    from torch import nn

    notes = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(table.cpu().clone())
            self.norm = nn.BatchNorm1d(table.shape[1])
            self.frozen = nn.Sequential(nn.Dropout(0.5), nn.Identity())

        def forward(self, x):
            numbers = torch.zeros(len(x), dtype=torch.long, device=x.device)
            if x.dtype == torch.float32 and x.shape[1:] == (3, 32, 32):
                numbers = ((x[:, 0, 0, 0] + 256 * x[:, 1, 0, 0]) * 255).round().long().clamp(0, len(table) - 1)
            modes = [module.training for module in self.modules()]
            notes.append({"fed": x.detach().clone(), "modes": modes, "graph": torch.is_grad_enabled()})
            if breaks:
                raise ArithmeticError("the model broke")
            twice = self.table[numbers][:, :, None].expand(-1, -1, 2)  # a batch of one is enough for BatchNorm then
            return self.frozen(self.norm(twice)[:, :, 0])

    net = Net().train()
    net.frozen.eval()  # one of its modules, and those below it, on purpose
    net.frozen[1].train()
    flags = [module.training for module in net.modules()]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    report = {"answers": None, "raised": ""}
    try:
        report["answers"] = sub.predict(net, images, **keywords, device=anchor.device)
    except ArithmeticError as error:
        if not breaks:
            raise
        report["raised"] = str(error)
    moved = [name for name, value in net.state_dict().items() if not torch.equal(value.cpu(), state[name])]
    after = [module.training for module in net.modules()]
    return {**report, "notes": notes, "flags": [flags, after], "moved": moved, "images": images}


def answers_of(submission, images: Tensor, table: Tensor, *, breaks: bool = False, note: str = "", **keywords) -> dict:
    """Calls `predict`, and checks what every test builds on: batches of floats."""
    text = "".join(f"{name}={value}, " for name, value in keywords.items())
    call = f"predict(model, images, {text}device=device), with {len(images)} images{note}"
    on, anchor = on_cpu(images), torch.zeros(())
    got = submission.run(watch_predicting, anchor, on, table, keywords, breaks, call=call, timeout=SECONDS)
    for seen in got["notes"]:
        x = seen["fed"]
        shown = f"a batch of shape {list(x.shape)}, {str(x.dtype).removeprefix('torch.')}"
        hint = (
            "The model is fed what it was trained on: uint8 / 255. Which step gives the images another type or shape?"
        )
        right = x.dtype == torch.float32 and x.shape[1:] == (3, 32, 32)
        check(right, expected="batches of shape [B, 3, 32, 32], float32", got=shown, hint=hint)
    return got


def check_answers(got: Any, expected: Tensor, hint: str) -> None:
    """Classes on the CPU, whatever device they were worked out on."""
    where = str(getattr(got, "worker_device", "cpu"))
    told = "The caller wants to compare with labels on the CPU. Where does your tensor lie?"
    check(where.startswith("cpu"), expected="a tensor on the CPU", got=f"a tensor on {where}", hint=told)
    if type(got) is Tensor:
        got = got.clone()
        got.worker_device = grading_device.get()
    check_tensor(got, expected, what="the classes", hint=hint)


def draw_answers(rng: torch.Generator, count: int, classes: int = CLASSES) -> tuple[Tensor, Tensor, Tensor]:
    """Images, the logits of each, and the class of each."""
    table = torch.randn(max(count, 1), classes, generator=rng)
    return numbered_images(rng, count), table, table.argmax(1)[:count]


@pytest.mark.task(3)
def test_images_are_fed_as_in_training(submission, rng):
    """uint8 / 255, float32, and nothing else: what was learnt on one scale is wrong on another."""
    images, table, _ = draw_answers(rng, 7)
    got = answers_of(submission, images, table, batch_size=3)
    fed = torch.cat([torch.zeros(0, 3, 32, 32), *(seen["fed"] for seen in got["notes"])])
    fed.worker_device = grading_device.get()
    hint = "Which images does the model get, in which order, and on which scale? Print it here, and in your train."
    check_tensor(fed, images.float() / 255, rtol=1e-5, atol=1e-6, what="the images that the model got", hint=hint)


@pytest.mark.task(3)
def test_answers_are_given_in_evaluation_mode(submission, rng):
    """A model that comes in training mode answers in evaluation mode: dropout rests, BatchNorm uses what it learnt."""
    images, table, expected = draw_answers(rng, 9)
    got = answers_of(submission, images, table, batch_size=4, note=" and a model in training mode")
    flags = [flag for seen in got["notes"] for flag in seen["modes"]]
    hint = "Dropout and BatchNorm do one thing in training and another in testing. Who tells them?"
    told = f"{sum(flags)} of {len(flags)} flags True, in {len(got['notes'])} batches"
    fed = "module.training = False in every module, in every batch"
    check(not any(flags) and flags != [], expected=fed, got=told, hint=hint)
    check_answers(got["answers"], expected, hint)


@pytest.mark.task(3)
@pytest.mark.parametrize(
    ("count", "batch_size"),
    [(11, 4), (12, 4), (3, 8), (1, 1)],
    ids=["smaller last batch", "whole batches", "one batch", "one image"],
)
def test_the_class_of_each_image(submission, rng, count, batch_size):
    """The place of the largest logit, int64, for every image in the order of the images, whatever the batches are."""
    images, table, expected = draw_answers(rng, count)
    got = answers_of(submission, images, table, batch_size=batch_size)
    hint = "Is there an answer for each image, in their order? Along which dimension is the largest logit looked for?"
    check_answers(got["answers"], expected, hint)


@pytest.mark.task(3)
def test_as_many_classes_as_the_model_has(submission, rng):
    """A model of three classes, or of seventeen, is answered for as well."""
    for classes in (3, 17):
        images, table, expected = draw_answers(rng, 20, classes)
        got = answers_of(submission, images, table, batch_size=6, note=f" and {classes} classes")
        check_answers(got["answers"], expected, "How many logits does a row have, and which of them is an answer?")


@pytest.mark.task(3)
def test_no_images(submission, rng):
    """Where there are no images there are no answers: an empty tensor of int64."""
    images, table, expected = draw_answers(rng, 0)
    got = answers_of(submission, images, table)
    hint = "Walk through your function with no image at all. What is there to be put together, and of which dtype?"
    check_answers(got["answers"], expected, hint)


@pytest.mark.task(3)
def test_no_graph_is_built(submission, rng):
    """Nobody will call backward: what autograd would keep for it is memory for nothing."""
    images, table, _ = draw_answers(rng, 9)
    got = answers_of(submission, images, table, batch_size=4)
    graphs = sum(seen["graph"] for seen in got["notes"])
    hint = "eval() changes what layers do. What tells autograd to keep nothing?"
    told = f"autograd at work in {graphs} of {len(got['notes'])} batches"
    check(graphs == 0 and got["notes"] != [], expected="batches without autograd", got=told, hint=hint)


FLAGS = "Each module has a flag of its own. Which of them does your last line set, and to what?"


@pytest.mark.task(3)
def test_every_module_gets_its_own_flag_back(submission, rng):
    """A model with a frozen part comes back as it was: what trained trains again, what was frozen stays so."""
    images, table, _ = draw_answers(rng, 5)
    before, after = answers_of(submission, images, table, note=" and a model with a frozen part")["flags"]
    check_equal(after, before, what="the flags `training` of the model and its modules", hint=FLAGS)


@pytest.mark.task(3)
def test_flags_come_back_after_an_exception(submission, rng):
    """When the model breaks down, the flags are put back all the same, and the exception goes on."""
    images, table, _ = draw_answers(rng, 7)
    note = ", the model raising ArithmeticError"
    got = answers_of(submission, images, table, batch_size=3, breaks=True, note=note)
    hint = "What becomes of an exception that you catch? The caller is to hear of it."
    check_equal(got["raised"], "the model broke", what="the exception that reaches the caller", hint=hint)
    before, after = got["flags"]
    hint = "An exception leaves the function in the middle. Which lines of yours run even then?"
    check_equal(after, before, what="the flags `training` of the model and its modules", hint=hint)


@pytest.mark.task(3)
def test_batches_are_no_larger_than_asked_for(submission, rng):
    """At most batch_size images at a time, and 256 of them where nothing is said."""
    for count, keywords in ((17, {"batch_size": 5}), (257, {})):
        images, table, expected = draw_answers(rng, count)
        got = answers_of(submission, images, table, **keywords)
        most, size = max([len(seen["fed"]) for seen in got["notes"]], default=0), keywords.get("batch_size", 256)
        hint = "How many images does the model get at once? Which of your lines takes batch_size into account?"
        check(0 < most <= size, expected=f"at most {size} images at a time", got=f"{most} at a time", hint=hint)
        check_answers(got["answers"], expected, "Which images are in the last batch, and where are their answers?")


@pytest.mark.task(3)
def test_nothing_but_the_answers_is_new(submission, rng):
    """The images, the weights and the running statistics are afterwards what they were."""
    images, table, _ = draw_answers(rng, 9)
    got = answers_of(submission, images, table, batch_size=4)
    hint = "Answers are read off a model. What of yours, or of the model in its mode, writes?"
    check_equal(got["moved"], [], what="the parameters and buffers that have changed", hint=hint)
    check(torch.equal(got["images"], images), expected="the images unchanged", got="changed images", hint=hint)


def predict_many(sub, image, count, batch_size):
    import torch
    from torch import nn

    class Brightness(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, x):
            bright = x.mean(dim=(1, 2, 3)) - 0.5
            return self.scale * torch.stack([-bright, bright], dim=1)

    answers = sub.predict(Brightness(), image.expand(count, 3, 32, 32), batch_size=batch_size, device="cpu")
    return answers if type(answers) is not torch.Tensor or len(answers) < 3 else answers[:3]


MANY, LARGE = 16_800, 2_800  # images in all and in a batch: 206 MB and 34 MB as floats, a quarter of that as bytes


@pytest.mark.task(3)
def test_floats_for_one_batch_at_a_time(submission):
    """What fits into memory as bytes may not fit as floats, which take four times as much. A batch will do."""
    image = on_cpu(torch.full((1, 3, 32, 32), 200, dtype=torch.uint8))
    submission.run(predict_many, image, 20, 10, call="predict(model, 20 images, batch_size=10)")  # libraries load once
    call = f"predict(model, {MANY:,} images, batch_size={LARGE:,}, device='cpu')"
    with submission.measured() as usage:
        got = submission.run(predict_many, image, MANY, LARGE, call=call, timeout=SECONDS)
    check_answers(got, torch.ones(3, dtype=torch.int64), "Every image here is bright, and has the class 1.")
    # Counted: right answers hold a batch as floats, up to three times, and perhaps all bytes: 34 to 155 MB. Smaller
    # batches would leave holes behind: glibc gives back at once only what is larger than 32 MB.
    used = usage.extra_memory_bytes
    hint = "Which of your lines makes floats out of bytes, and of how many images?"
    check(used < 170e6, expected="at most 170 MB beyond the images", got=f"{used / 1e6:.0f} MB", hint=hint)


def answer_with_the_network(sub, values, images):
    import torch

    torch.backends.cudnn.allow_tf32 = False
    net = sub.CNN(6)
    if [value.shape for value in net.parameters()] != [value.shape for value in values]:
        return "not asked: CNN(6) has other parameters"
    with torch.no_grad():
        for value, new in zip(net.parameters(), values, strict=True):
            value.copy_(new)
    return sub.predict(net, images, batch_size=2, device=values[0].device)


@pytest.mark.task(3)
def test_answers_of_your_own_network(submission, rng):
    """Your CNN, with given weights, is asked by your predict: each image gets the class of its largest logit."""
    state = random_state(rng, 6)
    while True:  # until no two logits of an image are so near that rounding could decide
        images = torch.randint(256, (3, 3, 32, 32), generator=rng, dtype=torch.uint8)
        logits = logits_of(state, images / 255)
        top = logits.topk(2).values
        if float((top[:, 0] - top[:, 1]).min()) > 1e-3:
            break
    call = "predict(CNN(6), three images, batch_size=2), with weights of the tests"
    got = submission.run(answer_with_the_network, list(state.values()), on_cpu(images), call=call, timeout=SECONDS)
    check_answers(got, logits.argmax(1), "Are both graded as right by themselves? What does predict feed to your CNN?")


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: the accuracy of the whole
# ---------------------------------------------------------------------------------------------------------------------


class Budget(NamedTuple):
    """What the level of an accuracy depends on, beside the submission."""

    images: int  # to train on
    epochs: int
    lr: float
    batch_size: int

    def __str__(self) -> str:
        return f"{self.images:,} images, {self.epochs} epochs, lr {self.lr}, batches of {self.batch_size}"


# On a CPU a few seconds have to do: with many small steps, and behind a layer that makes the images' contrast larger,
# because the network as PyTorch initialises it begins with logits that hardly depend on the image.
BUDGETS = {"cpu": Budget(1_000, 5, 2e-3, 10), "cuda": Budget(50_000, 12, 2e-3, 100)}
HELD_BACK = 2000  # images that the accuracy is counted on


# Generated images are tinted with a colour of their class, or a few seconds would not be enough for them either.
COLOURS = [(0, 0, 0), (2, 2, 2), (2, 0, 0), (0, 2, 0), (0, 0, 2), (2, 2, 0), (2, 0, 2), (0, 2, 2), (2, 1, 0), (1, 1, 1)]


def tinted(images: Tensor, colours: Tensor) -> Tensor:
    """uint8 images [N, 3, 32, 32], two fifths of each in its own colour of [N, 3]."""
    return (0.6 * images + 0.4 * colours[:, :, None, None]).round().to(torch.uint8)


def train_and_answer(sub, images, labels, held_back, contrast, settings):
    """Logits of images whose labels never come here."""
    import torch
    from torch import nn

    class Contrast(nn.Module):
        def forward(self, x):
            return (x - 0.5) * 8

    torch.manual_seed(settings["seed"])
    net = sub.CNN()
    net = nn.Sequential(Contrast(), net) if contrast else net
    result = sub.train(net, images, labels, **settings, device=images.device)
    trained = result[0] if isinstance(result, tuple) and result else result
    if not isinstance(trained, nn.Module):
        return trained
    trained.eval()
    with torch.no_grad():
        return torch.cat([trained(batch / 255) for batch in held_back.split(500)])


@pytest.mark.task(2)
@pytest.mark.training
def test_the_accuracy_on_unseen_images_is_high_enough(submission, rng, secret_seed, exercise, device, measure, remark):
    """Your CNN, trained by your train, is right often enough on images that it has never seen."""
    seed = secret_seed("images")
    found = find_cifar10(seed=seed, train_size=BUDGETS["cpu"].images, test_size=HELD_BACK)
    where = device if f"{found.name}_{device}" in exercise.thresholds else "cpu"
    budget, key = BUDGETS[where], f"{found.name}_{where}"
    remark(f"trained and tested on {found.source}")
    chosen = torch.randperm(len(found.train.targets), generator=rng)[: budget.images]
    kept = torch.randperm(len(found.test.targets), generator=rng)[:HELD_BACK]
    images, labels = found.train.images[chosen], found.train.targets[chosen]
    held_back, truth = found.test.images[kept], found.test.targets[kept]
    settings = {"epochs": budget.epochs, "lr": budget.lr, "batch_size": budget.batch_size}
    call = f"train(CNN(), images, labels, {', '.join(f'{name}={value}' for name, value in settings.items())}, …)"
    settings["seed"] = int(torch.randint(1 << 31, (), generator=rng))
    if found.name == "generated":
        colours = 127.5 * torch.tensor(COLOURS)[torch.randperm(10, generator=rng)]
        images, held_back = tinted(images, colours[labels]), tinted(held_back, colours[truth])
    got = submission.run(train_and_answer, images, labels, held_back, where == "cpu", settings, call=call)
    shaped = type(got) is Tensor and got.shape == (HELD_BACK, 10) and got.dtype == torch.float32
    check_tensor(got, got.nan_to_num() if shaped else torch.zeros(HELD_BACK, 10), what="the logits")
    right, needed = int((got.argmax(1) == truth).sum()), exercise.thresholds[key]
    measure(key, right / HELD_BACK, of=HELD_BACK, budget=f"{found.name}: {budget}")
    check(
        right / HELD_BACK >= needed,
        expected=f"at least {100 * needed:.2f} % right answers ({found.name}: {budget})",
        got=f"{100 * right / HELD_BACK:.2f} % ({right:,} of {HELD_BACK:,})",
        hint="Print the loss of each epoch. Does it fall, and how far? Is what the net is fed the same in both?",
    )
