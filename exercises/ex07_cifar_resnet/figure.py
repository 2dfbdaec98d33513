"""The pictures of exercise 7: the sizes inside of resnet18, how a training goes, and what the trained net gets wrong.

The net and its training are the student's. The images are generated; those that are held back come to the worker
without their labels, and what is told of them is worked out here, from logits. What is due of the training was recorded
beforehand, in ten trainings by five right solutions on these images.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from grader.figures import style, values
from grader.figures.heat import heat_map
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_svg
from grader.generated import colour_images

FIGURE_SECONDS = 90.0  # of which a right answer takes about five on a quiet core
SECONDS = 10.0  # for a call that trains no net
NAMES = ("disc", "ring", "square", "frame", "triangle", "cross", "star", "crescent", "bars", "hourglass")
Sizes = tuple[int, ...]

# --- the sizes inside -------------------------------------------------------------------------------------------------

DUE = {  # where it comes from, its channels, height and width, as in the table of the lesson
    "stem": (64, 32, 32),
    "stage 0": (64, 32, 32),
    "stage 1": (128, 16, 16),
    "stage 2": (256, 8, 8),
    "stage 3": (512, 4, 4),
    "pool": (512,),
    "linear": (10,),
}
ENDS = (1, 5, 9, 13, 17)  # how many convolutions larger than 1×1 there are up to the end of the stem and of each stage
PARAMETERS = 11_173_962
HEIGHT = 165.0  # points, of their picture


def look_inside(sub: Any, image: Tensor) -> Any:
    """What each large convolution and each linear layer of resnet18 gives for one image, in the order of the calls."""
    import torch
    from torch.overrides import TorchFunctionMode

    seen: dict[str, list[list[int]]] = {"convolutions": [], "linear": []}

    class Watching(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            name = getattr(function, "__name__", "")
            if name == "conv2d" and (kwargs or {}).get("weight", args[-1] if len(args) < 2 else args[1]).shape[-1] > 1:
                seen["convolutions"].append(list(out.shape[1:]))
            if name == "linear":
                seen["linear"] += [list(args[0].shape[1:]), list(out.shape[1:])]
            return out

    net = sub.resnet18().to(image.device).eval()
    with torch.no_grad(), Watching():
        net(image)
    return {**seen, "parameters": sum(parameter.numel() for parameter in net.parameters())}


@dataclass(frozen=True)
class Inside:
    """The sizes that were seen in the student's resnet18; None where nothing was."""

    sizes: list[Sizes | None]
    convolutions: int
    parameters: int

    @classmethod
    def checked(cls, got: Any) -> "Inside":
        """Raises Failed."""
        large = [values.sizes(each) for each in values.items(values.entry(got, "convolutions"), most=200)]
        linear = [values.sizes(each) for each in values.items(values.entry(got, "linear"), most=200)]
        ends = [large[end - 1] if end <= len(large) else None for end in ENDS]
        last = linear[-2:] if len(linear) >= 2 else [None, None]
        return cls([*ends, *last], len(large), values.whole(values.entry(got, "parameters"), 0, 1 << 40))

    def sentence(self) -> str:
        """What is seen of it."""
        pairs = zip(DUE.items(), self.sizes, strict=True)
        off = [(name, due, came) for (name, due), came in pairs if came != due]
        told = f"resnet18 has {self.parameters:,} parameters ({PARAMETERS:,} are due) and runs {self.convolutions} "
        told += f"convolutions larger than 1×1 ({ENDS[-1]} are due)."
        if not off:
            return f"All sizes are as due. {told}"
        name, due, came = off[0]
        first = f"first after {name}: {written(came)} where {written(due)} is due"
        return f"{len(off)} of {len(DUE)} sizes are off, {first}. {told}"


def written(sizes: Sizes | None) -> str:
    """Sizes as the lesson writes them."""
    return "nothing" if sizes is None else "×".join(map(str, sizes)) or "1"


def picture_of_sizes(submission: Any) -> Picture:
    """The stages of resnet18, as squares as large as their images."""
    image = torch.zeros(1, 3, 32, 32)
    call = "resnet18()(one image)"
    inside = attempt(lambda: Inside.checked(submission.run(look_inside, image, call=call, timeout=SECONDS)))
    found = f"resnet18: {inside.reason}." if isinstance(inside, Failure) else inside.sentence()
    title = "What comes out of each part of resnet18"
    caption = (
        "One image of 3×32×32 goes through. The squares are as large as height and width: blue lines are due, orange "
        f"areas yours; below them the channels, and height×width. {found}"
    )
    chart = style.new_figure(HEIGHT)
    chart.set_layout_engine("none")
    panel = chart.add_axes((0, 0, 1, 1), xlim=(0, style.WIDTH), ylim=(0, HEIGHT))  # a unit is a point
    panel.set_axis_off()
    panel.text(0, HEIGHT - 98, "due", va="top")
    panel.text(0, HEIGHT - 132, "yours", va="top")
    for place, (name, due) in enumerate(DUE.items()):
        draw_size(panel, 68 + 51 * place, name, due, None if isinstance(inside, Failure) else inside.sizes[place])
    due = ", ".join(f"{name} {written(sizes)}" for name, sizes in DUE.items())
    description = f"Due: {due}. {found}"
    return Picture(title, to_svg(chart, "figure-7-sizes", title, description), caption, description)


def draw_size(panel: Axes, x: float, name: str, due: Sizes, came: Sizes | None) -> None:
    """One part of the net: the square that is due, the student's, and both in words."""
    y = HEIGHT - 58
    for sizes, options in (
        (came, {"color": style.GOT, "linewidth": 0}),
        (due, {"edgecolor": style.EXPECTED, "fill": False}),
    ):
        if sizes is not None:
            height, width = (1.45 * min(side, 40) for side in (sizes[1:] if len(sizes) == 3 else (2, 2)))
            panel.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, **({"linewidth": 2} | options)))
    panel.text(x, HEIGHT - 4, name, ha="center", va="top")
    for depth, sizes in ((98, due), (132, came)):
        lines = (
            "–"
            if sizes is None
            else "\n".join([str(sizes[0]), written(sizes[1:])] if len(sizes) == 3 else [written(sizes)])
        )
        bold = "bold" if sizes != due else "normal"
        panel.text(x, HEIGHT - depth, lines, ha="center", va="top", fontsize=style.SMALL, fontweight=bold)


# --- the training -----------------------------------------------------------------------------------------------------

SEED, IMAGES, HELD_BACK, WATCHED, EPOCHS = 11, 2000, 500, 300, 6
SETTINGS = {"epochs": EPOCHS, "lr": 0.05, "batch_size": 50, "augment": False, "seed": 1}
# Lowest and highest after each epoch: the loss on training images, in nats, and the share of right answers.
LOSS = [(2.31, 2.31), (1.78, 5.77), (1.59, 5.54), (0.82, 5.49), (0.53, 2.69), (0.42, 1.49), (0.30, 0.49)]
RIGHT = [(0.1, 0.1), (0.1, 0.278), (0.1, 0.36), (0.19, 0.672), (0.314, 0.772), (0.35, 0.784), (0.754, 0.856)]


def train_and_watch(sub: Any, images: Any, labels: Any, watched: Any, settings: dict[str, Any]) -> Any:
    """Logits of the watched images before the training, after each epoch's worth of images, and at the end."""
    import torch
    from torch import nn

    logits, seen = [], [0]

    class Contours(nn.Module):
        """How much neighbours differ in colour, across and down, at half the size: [B, 3, 32, 32] -> [B, 2, 16, 16]."""

        def forward(self, x):
            x = nn.functional.pad(nn.functional.avg_pool2d(x, 2), (1, 1, 1, 1), mode="replicate")
            across = x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]
            down = x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]
            return torch.stack([across.norm(dim=1), down.norm(dim=1)], dim=1)

    class Watched(nn.Sequential):
        def forward(self, x):
            if torch.is_grad_enabled():
                if len(logits) < 10 and seen[0] >= len(images) * len(logits):
                    self.look()
                seen[0] += len(x)
            return super().forward(x)

        def look(self):
            modes = [(module, module.training) for module in self.modules()]
            self.eval()
            with torch.no_grad():
                logits.append(torch.cat([self(batch / 255) for batch in watched.split(500)]))
            for module, mode in modes:
                module.training = mode

    torch.manual_seed(settings["seed"])
    net = Watched(Contours(), sub.ResNet([1, 1, 1], 8, in_channels=2)).to(images.device)
    trained = sub.train(net, images, labels, **settings, device=images.device)
    if not isinstance(trained, nn.Module):
        return trained
    trained.eval()
    with torch.no_grad():
        logits.append(torch.cat([trained(batch / 255) for batch in watched.split(500)]))
    return {"logits": logits, "seen": seen[0]}


@dataclass(frozen=True)
class Course:
    """A training: losses on training images and shares of right answers, at the epochs where somebody looked."""

    epochs: list[float]
    losses: list[float]
    rights: list[float]
    last: Tensor  # the logits of the held-back images at the end

    @classmethod
    def checked(cls, got: Any, labels: Tensor, truth: Tensor) -> "Course":
        """Raises Failed."""
        rows = values.items(values.entry(got, "logits"), most=11)
        logits = [values.tensor(each, (WATCHED + HELD_BACK, len(NAMES))) for each in rows]
        seen = values.whole(values.entry(got, "seen"), 0, 1 << 40)
        losses = [F.cross_entropy(each[:WATCHED], labels).item() for each in logits]
        rights = [(each[WATCHED:].argmax(1) == truth).double().mean().item() for each in logits]
        return cls([*range(len(rows) - 1), seen / IMAGES], losses, rights, logits[-1][WATCHED:])


def pictures_of_training(submission: Any) -> list[Picture]:
    """The learning curves, and what the trained net takes for what."""
    drawn = colour_images(SEED, IMAGES, HELD_BACK)
    images, labels = torch.from_numpy(drawn.train_images), torch.from_numpy(drawn.train_labels)
    held_back, truth = torch.from_numpy(drawn.test_images), torch.from_numpy(drawn.test_labels)
    watched = torch.cat([images[:WATCHED], held_back])
    call = f"train(net, images, labels, epochs={EPOCHS}, lr={SETTINGS['lr']}, …)"
    arguments = train_and_watch, images, labels, watched, SETTINGS
    course = attempt(
        lambda: Course.checked(submission.run(*arguments, call=call, timeout=FIGURE_SECONDS), labels[:WATCHED], truth)
    )
    curves = picture_of_course(course)
    return [curves] if isinstance(course, Failure) else [curves, picture_of_errors(course.last, held_back, truth)]


def picture_of_course(course: Course | Failure) -> Picture:
    """Loss and accuracy from epoch to epoch, over those of right solutions."""
    title = f"{EPOCHS} epochs of your train, on your ResNet"
    caption = (
        f"A small ResNet is trained on {IMAGES:,} generated images. The blue areas are where five right solutions "
        f"were; orange dots are yours. {course_in_words(course)}"
    )
    chart = style.new_figure(360)
    losses, rights = chart.subplots(2, 1, sharex=True)
    draw_course(losses, LOSS, course if isinstance(course, Failure) else (course.epochs, course.losses), 4.0)
    draw_course(rights, RIGHT, course if isinstance(course, Failure) else (course.epochs, course.rights), 1.0)
    losses.set(ylabel="nats", title=f"Loss on {WATCHED} of the training images")
    rights.set(
        ylabel="share right", title=f"Right answers on {HELD_BACK} images held back", xlabel="images seen (epochs)"
    )
    losses.legend(loc="upper right")
    ends = f"loss {LOSS[-1][0]:.2f} to {LOSS[-1][1]:.2f}, {RIGHT[-1][0]:.0%} to {RIGHT[-1][1]:.0%} right"
    description = f"Two curves over {EPOCHS} epochs. Right solutions end with {ends}. {course_in_words(course)}"
    return Picture(title, to_svg(chart, "figure-7-course", title, description), caption, description)


def course_in_words(course: Course | Failure) -> str:
    """What is seen of a training."""
    if isinstance(course, Failure):
        return f"The training: {course.reason}."
    told = f"Yours ends with a loss of {course.losses[-1]:.2f} and {course.rights[-1]:.1%} right answers"
    told += f", after {course.epochs[-1] * IMAGES:,.0f} images of {EPOCHS * IMAGES:,}"
    least, most = RIGHT[-1]
    return f"{told}; theirs ended with {least:.1%} to {most:.1%}."


def draw_course(panel: Axes, band: list[tuple[float, float]], got: Any, top: float) -> None:
    """Where right solutions were, and the student's dots."""
    panel.fill_between(
        range(EPOCHS + 1), *zip(*band, strict=True), color=style.EXPECTED, alpha=0.3, linewidth=0, label="due"
    )
    if not isinstance(got, Failure):
        epochs, heights = got
        inside = [min(max(each, 0.0), top) for each in heights]  # what is beyond lies on the edge
        epochs = [min(each, EPOCHS + 0.3) for each in epochs]
        panel.plot(epochs, inside, color=style.GOT, marker="o", label="yours")
    panel.set(xlim=(-0.3, EPOCHS + 0.4), ylim=(0, top * 1.02), xticks=range(EPOCHS + 1))
    style.grid(panel)


# --- the errors -------------------------------------------------------------------------------------------------------

WORST = 8  # images that are shown


def picture_of_errors(logits: Tensor, images: Tensor, truth: Tensor) -> Picture:
    """The confusions of the trained net on the images held back, and the images with the largest loss."""
    guesses = logits.nan_to_num(nan=-1e30).argmax(1)
    counts = torch.zeros(len(NAMES), len(NAMES), dtype=torch.int64)
    counts.index_put_((truth, guesses), torch.ones_like(truth), accumulate=True)
    losses = F.cross_entropy(logits, truth, reduction="none").nan_to_num(nan=1e30)
    worst = losses.argsort(descending=True)[:WORST].tolist()
    found = confusions_in_words(counts)
    title = "What the trained net takes for what"
    caption = (
        f"A row for each true shape, a column for each answer, on {HELD_BACK} images held back; right answers are on "
        f"the diagonal. {found} Below are the {WORST} images with the largest loss: what they are, and as what the net "
        "reads them."
    )
    chart = style.new_figure(640)
    table, gallery = chart.subfigures(2, 1, height_ratios=[1.35, 1])
    draw_confusions(table.subplots(), counts)
    for panel, place in zip(gallery.subplots(2, 4).flat, worst, strict=True):
        panel.imshow(images[place].permute(1, 2, 0).numpy(), interpolation="nearest")
        panel.set_title(f"{NAMES[truth[place]]}\nas {NAMES[guesses[place]]}", fontsize=style.SMALL)
        panel.set_axis_off()
    names = "; ".join(f"{NAMES[truth[place]]} as {NAMES[guesses[place]]}" for place in worst)
    description = f"A table of {len(NAMES)} by {len(NAMES)} counts. {found} Largest losses: {names}."
    return Picture(title, to_svg(chart, "figure-7-errors", title, description), caption, description)


def confusions_in_words(counts: Tensor) -> str:
    """How many are right, and the most frequent confusion."""
    right, total = int(counts.diagonal().sum()), int(counts.sum())
    off = counts - counts.diagonal().diag()
    most = int(off.max())
    if most == 0:
        return f"All {total} answers are right."
    row, column = divmod(int(off.argmax()), len(NAMES))
    error = f"{NAMES[row]} read as {NAMES[column]}, {most}×"
    return f"{right} of {total} answers are right; the most frequent error is {error}."


def draw_confusions(panel: Axes, counts: Tensor) -> None:
    """The table, with every count that is not 0."""
    limits = 0, HELD_BACK / len(NAMES)
    heat_map(panel, counts.tolist(), limits=limits, written=lambda count: f"{count:.0f}" if count else "")
    panel.set_xticklabels(NAMES, rotation=60, ha="right", rotation_mode="anchor")
    panel.set_yticklabels(NAMES)
    panel.set(xlabel="answer", ylabel="true shape")


def figure(submission: Any, rng: torch.Generator) -> list[Picture]:
    """The sizes inside, the course of a training, and its errors."""
    return [picture_of_sizes(submission), *pictures_of_training(submission)]
