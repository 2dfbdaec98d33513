"""The pictures of exercise 13: what goes through your network layer by layer, and how your training goes.

The network, its training and its answers are the student's. The images are generated, and tinted with a colour of their
class, so that a few seconds are enough; those that are held back come to the worker without their labels. What is due
of the training was recorded beforehand, in ten trainings by five right solutions on these images.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_svg
from grader.generated import colour_images

FIGURE_SECONDS = 60.0  # of which a right answer takes about four on a quiet core
SECONDS = 8.0  # for a call that does not train

# --- the layers -------------------------------------------------------------------------------------------------------

DUE = {  # what each layer gives before its pool, its parameters, and whether what reaches it may be negative
    "conv 1": ((8, 32, 32), 224),
    "conv 2": ((32, 32, 32), 2_336),
    "conv 3": ((32, 16, 16), 9_248),
    "conv 4": ((32, 16, 16), 9_248),
    "conv 5": ((64, 8, 8), 18_496),
    "linear 1": ((64,), 65_600),
    "linear 2": ((64,), 4_160),
    "linear 3": ((10,), 650),
}
Sizes = tuple[int, ...]


def look_inside(sub: Any, images: Tensor) -> Any:
    """Of each convolution and linear layer: what it gives, its parameters, how much of its input is below 0."""
    import torch
    from torch.overrides import TorchFunctionMode

    seen: dict[str, list[Any]] = {"conv2d": [], "linear": []}

    class Watching(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            name = getattr(function, "__name__", "")
            if name in seen:
                x, weight, bias = [*args, None, None][:3]
                weight, bias = (kwargs or {}).get("weight", weight), (kwargs or {}).get("bias", bias)
                count = weight.numel() + (0 if bias is None else bias.numel())
                below = float((x < 0).float().mean())
                seen[name].append([list(out.shape[1:]), count, below])
            return out

    net = sub.CNN().to(images.device).eval()
    with torch.no_grad(), Watching():
        logits = net(images)
    return {**seen, "logits": logits}


@dataclass(frozen=True)
class Layer:
    """What was seen of a layer of the student's."""

    sizes: Sizes
    parameters: int
    below: float  # the share of its input that is negative

    def off(self, name: str) -> str:
        """What is not as due; nothing where all is."""
        sizes, parameters = DUE[name]
        told = [] if self.sizes == sizes else [f"gives {written(self.sizes)} where {written(sizes)} is due"]
        told += (
            []
            if self.parameters == parameters
            else [f"has {self.parameters:,} parameters where {parameters:,} are due"]
        )
        told += [f"gets numbers of which {self.below:.0%} are negative"] if self.below > 0 else []
        return f"{name} {' and '.join(told)}" if told else ""


def written(sizes: Sizes) -> str:
    return "×".join(map(str, sizes))


def layers_of(got: Any) -> tuple[list[Layer | None], str]:
    """The layers that were seen, in the order of DUE, and in words what is off. Raises Failed."""
    found: list[Layer | None] = []
    told = []
    for kind, count in (("conv2d", 5), ("linear", 3)):
        rows = [values.items(each, 3) for each in values.items(values.entry(got, kind), most=100)]
        layers = [Layer(values.sizes(a), values.whole(b, 0, 1 << 40), values.number(c)) for a, b, c in rows]
        told += [] if len(layers) == count else [f"{len(layers)} calls of {kind} where {count} are due"]
        found += [*layers, *[None] * count][:count]
    told += [text for name, layer in zip(DUE, found, strict=True) if layer and (text := layer.off(name))]
    logits = values.tensor(values.entry(got, "logits"))
    told += [] if logits.shape == (4, 10) else [f"logits of shape {values.shape_text(logits.shape)} for 4 images"]
    sums = logits.sum(-1)
    told += ["rows that sum to 1: these are no logits"] if bool((sums - 1).abs().lt(1e-3).all()) else []
    return found, "; ".join(told)


def picture_of_layers(submission: Any, images: Tensor) -> Picture:
    """The parameters of each layer, over those that are due, with the size that it gives."""
    seen = attempt(lambda: layers_of(submission.run(look_inside, images / 255, call="CNN()(images)", timeout=SECONDS)))
    layers, off = ([None] * len(DUE), seen.reason) if isinstance(seen, Failure) else seen
    found = f"CNN: {off}." if off else "All sizes and parameters are as due, and no layer gets negative numbers."
    title = "What is in your CNN"
    caption = (
        "A row for each layer, in the order of the calls: rings are the parameters that are due, dots are yours; "
        f"beside them is the shape that it gives before a pool. {found}"
    )
    chart = style.new_figure(340)
    panel = chart.subplots()
    for row, (name, layer) in enumerate(zip(DUE, layers, strict=True)):
        draw_layer(panel, row, name, layer)
    panel.set(xscale="log", xlim=(100, 4e6), ylim=(len(DUE) - 0.4, -1.1), xlabel="parameters")
    panel.set_xticks([100, 1000, 10_000, 100_000], ["100", "1,000", "10,000", "100,000"])
    panel.minorticks_off()
    panel.set_yticks(range(len(DUE)), list(DUE))
    panel.text(2.2e5, -0.8, "gives", fontsize=style.SMALL, va="center")
    panel.legend(loc="upper left", ncols=2, bbox_to_anchor=(0, 1.02))
    style.grid(panel, "x")
    due = "; ".join(f"{name} {count:,} and {written(sizes)}" for name, (sizes, count) in DUE.items())
    description = f"Parameters and shapes that are due: {due}. {found}"
    return Picture(title, to_svg(chart, "figure-13-layers", title, description), caption, description)


def draw_layer(panel: Axes, row: int, name: str, layer: Layer | None) -> None:
    """The due parameters as a ring, the student's as a dot, and the shape."""
    sizes, parameters = DUE[name]
    ring = {"marker": "o", "markersize": 10, "fillstyle": "none", "linestyle": "none"}
    panel.plot([parameters], [row], color=style.EXPECTED, label=None if row else "due", **ring)
    right = layer is not None and layer.sizes == sizes
    shape = written(sizes) if right else f"{written(layer.sizes)[:12]} ✗" if layer else "nothing ✗"
    panel.text(2.2e5, row, shape, fontsize=style.SMALL, color=style.INK if right else style.GOT, va="center")
    if layer is not None:
        inside = min(max(layer.parameters, 110), 1.6e5)
        panel.plot([inside], [row], "o", markersize=4, color=style.GOT, label=None if row else "yours")


# --- the training -----------------------------------------------------------------------------------------------------

SEED, IMAGES, HELD_BACK = 13, 500, 300
SETTINGS = {"epochs": 6, "lr": 0.002, "batch_size": 10, "seed": 0}
EPOCHS = 6
# Of right solutions, least and largest: the loss of each epoch, and the share of right answers before and after each.
LOSS = [(2.02, 2.26), (1.26, 1.97), (0.94, 1.79), (0.75, 1.7), (0.52, 1.63), (0.37, 1.57)]
RIGHT = [(0.09, 0.11), (0.18, 0.52), (0.2, 0.57), (0.21, 0.66), (0.2, 0.69), (0.29, 0.73), (0.27, 0.76)]


COLOURS = [(0, 0, 0), (2, 2, 2), (2, 0, 0), (0, 2, 0), (0, 0, 2), (2, 2, 0), (2, 0, 2), (0, 2, 2), (2, 1, 0), (1, 1, 1)]


def tinted(images: Tensor, labels: Tensor) -> Tensor:
    """uint8 images, two fifths of each in the colour of its class."""
    colours = 127.5 * torch.tensor(COLOURS)[labels][:, :, None, None]
    return (0.6 * images + 0.4 * colours).round().to(torch.uint8)


def train_and_watch(sub: Any, images: Tensor, labels: Tensor, held_back: Tensor, settings: dict[str, Any]) -> Any:
    """The losses that train tells, logits for the images held back before each epoch, and the classes in the end."""
    import torch
    from torch import nn

    logits: list[torch.Tensor] = []
    seen = [0]

    class Contrast(nn.Module):
        def forward(self, x):
            return (x - 0.5) * 8

    class Watched(nn.Sequential):
        def forward(self, x):
            if torch.is_grad_enabled():
                if len(logits) < settings["epochs"] and seen[0] >= len(images) * len(logits):
                    self.look()
                seen[0] += len(x)
            return super().forward(x)

        def look(self):
            modes = [(module, module.training) for module in self.modules()]
            self.eval()
            with torch.no_grad():
                logits.append(torch.cat([super(Watched, self).forward(batch / 255) for batch in held_back.split(100)]))
            for module, mode in modes:
                module.training = mode

    torch.manual_seed(settings["seed"])
    net = Watched(Contrast(), sub.CNN()).to(images.device)
    trained, losses = sub.train(net, images, labels, **settings, device=images.device)
    return {"losses": losses, "logits": logits, "classes": sub.predict(trained, held_back, device=images.device)}


@dataclass(frozen=True)
class Course:
    """A training: the loss of each epoch as train tells it, and shares of right answers at the epochs."""

    losses: list[float]
    rights: list[float]

    @classmethod
    def checked(cls, got: Any, truth: Tensor) -> "Course":
        """Raises Failed."""
        losses = values.numbers(values.entry(got, "losses"), most=1000)
        rows = values.items(values.entry(got, "logits"), most=EPOCHS)
        logits = [values.tensor(each, (HELD_BACK, 10)) for each in rows]
        classes = values.tensor(values.entry(got, "classes"), (HELD_BACK,))
        answers = [each.nan_to_num(nan=-1e30).argmax(1) for each in logits] + [classes]
        return cls(losses, [(each == truth).double().mean().item() for each in answers])

    @property
    def sentence(self) -> str:
        """What is seen of it."""
        told = f"Yours tells {len(self.losses)} losses"
        if self.losses:
            told += f", from {self.losses[0]:.4f} to {self.losses[-1]:.4f}"
        told += f", and ends with {self.rights[-1]:.1%} right answers."
        spread = max(self.losses, default=0.0) - min(self.losses, default=0.0)
        if len(self.losses) > 1 and spread < 1e-3:
            told += " The loss is the same in each epoch: no weight moves."
        return told


def picture_of_course(submission: Any) -> Picture:
    """The losses of the epochs, and the right answers, over those of right solutions."""
    drawn = colour_images(SEED, IMAGES, HELD_BACK)
    labels, truth = torch.from_numpy(drawn.train_labels), torch.from_numpy(drawn.test_labels)
    images = tinted(torch.from_numpy(drawn.train_images), labels)
    held_back = tinted(torch.from_numpy(drawn.test_images), truth)
    told = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
    call = f"train(CNN(), {IMAGES} images, labels, {told}, …)"
    arguments = train_and_watch, images, labels, held_back, SETTINGS
    course = attempt(
        lambda: Course.checked(submission.run(*arguments, call=call, timeout=FIGURE_SECONDS - SECONDS), truth)
    )
    least, most = RIGHT[-1]
    told = f"The training: {course.reason}." if isinstance(course, Failure) else course.sentence
    told += f" Theirs ended with a loss of {LOSS[-1][0]:.2f} to {LOSS[-1][1]:.2f}, and {least:.1%} to {most:.1%}."
    title = f"{EPOCHS} epochs of your train, with your CNN and your predict"
    caption = (
        f"{IMAGES} generated images, tinted by class, to train on, {HELD_BACK} held back. The blue areas are where "
        f"five right solutions were; orange dots are yours. {told}"
    )
    chart = style.new_figure(360)
    losses, rights = chart.subplots(2, 1, sharex=True)
    shown = None if isinstance(course, Failure) else course
    draw_course(losses, LOSS, 1, None if shown is None else shown.losses, 3.0)
    draw_course(rights, RIGHT, 0, None if shown is None else shown.rights, 1.0)
    losses.axhline(math.log(10), color=style.MUTED, linewidth=1, linestyle=style.DASHES[2])
    losses.text(EPOCHS + 0.35, math.log(10) + 0.04, "ln 10", fontsize=style.SMALL, ha="right", va="bottom")
    losses.set(ylabel="nats", title="The loss of each epoch, as train tells it")
    rights.axhline(0.1, color=style.MUTED, linewidth=1, linestyle=style.DASHES[2])
    rights.text(EPOCHS + 0.35, 0.11, "chance", fontsize=style.SMALL, ha="right", va="bottom")
    rights.set(ylabel="share right", title="Right answers on the images held back", xlabel="epochs done")
    losses.legend(loc="lower left")
    description = f"Two curves over {EPOCHS} epochs. {told}"
    return Picture(title, to_svg(chart, "figure-13-course", title, description), caption, description)


def draw_course(panel: Axes, band: list[tuple[float, float]], first: int, got: list[float] | None, top: float) -> None:
    """Where right solutions were, and the student's dots; what is beyond the axis lies on its edge."""
    epochs = range(first, first + len(band))
    low, high = zip(*band, strict=True)
    panel.fill_between(epochs, low, high, color=style.EXPECTED, alpha=0.3, linewidth=0, label="due")
    if got is not None:
        heights = [min(max(each, 0.0), top) for each in got][: len(band)]
        panel.plot(range(first, first + len(heights)), heights, color=style.GOT, marker="o", label="yours")
    panel.set(xlim=(-0.3, EPOCHS + 0.4), ylim=(0, top * 1.02), xticks=range(EPOCHS + 1))
    style.grid(panel)


def figure(submission: Any, rng: torch.Generator) -> list[Picture]:
    """The layers, and the course of a training."""
    images = torch.randint(256, (4, 3, 32, 32), generator=rng, dtype=torch.uint8)
    return [picture_of_layers(submission, images), picture_of_course(submission)]
