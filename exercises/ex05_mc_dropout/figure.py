"""The picture of exercise 5: how unsure a network is of a digit that is turned, and what its samples vote for.

The judge trains a small network on generated digits, draws samples of its own from it, and hands the same weights to
the student's functions. Where those do what is due, their numbers lie where the judge's own lie from run to run.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_svg
from grader.generated import digits

PLACE = 110  # of a test image, a 6: upside down it is another digit
ANGLES = range(0, 181, 10)  # degrees
CLASSES, SAMPLES, DROPPED = 10, 100, 0.3
WIDTH, IMAGES, EPOCHS, BATCH, RATE = 100, 2000, 8, 50, 0.1  # of the network and its training
RUNS = 20  # of the judge, each with SAMPLES samples
SPREAD = 4.0  # standard deviations between a right answer and the edge of what is due
SECONDS = 8.0  # for a call
State = dict[str, Tensor]


# --- the judge's network ----------------------------------------------------------------------------------------------


def logits(state: State, x: Tensor, rng: torch.Generator, training: bool = False) -> Tensor:
    """Linear, batch norm, ReLU, dropout, linear, ReLU, dropout, linear; each row with masks of its own."""
    statistics = state["1.running_mean"], state["1.running_var"]
    x = F.linear(x, state["0.weight"])
    x = F.batch_norm(x, *statistics, state["1.weight"], state["1.bias"], training)
    x = F.linear(thinned(x.relu(), rng), state["4.weight"], state["4.bias"])
    return F.linear(thinned(x.relu(), rng), state["7.weight"], state["7.bias"])


def thinned(x: Tensor, rng: torch.Generator) -> Tensor:
    return x * (torch.rand(x.shape, generator=rng) >= DROPPED) / (1 - DROPPED)


def trained() -> tuple[State, Tensor]:
    """The network's weights, always the same, and a digit [28, 28] that it has not seen."""
    rng = torch.Generator().manual_seed(0)
    drawn = digits(5, IMAGES, 200, (0.0,), 0.0)
    images, labels = torch.from_numpy(drawn.train[0].images).flatten(1), torch.from_numpy(drawn.train[0].targets)
    state = {"0.weight": torch.randn(WIDTH, images.shape[1], generator=rng) * (2 / images.shape[1]) ** 0.5}
    state |= {"1.weight": torch.ones(WIDTH), "1.bias": torch.zeros(WIDTH)}
    state |= {"4.weight": torch.randn(WIDTH, WIDTH, generator=rng) * (2 / WIDTH) ** 0.5, "4.bias": torch.zeros(WIDTH)}
    state |= {"7.weight": torch.randn(CLASSES, WIDTH, generator=rng) / WIDTH**0.5, "7.bias": torch.zeros(CLASSES)}
    leaves = [value.requires_grad_() for value in state.values()]
    speeds = [torch.zeros_like(leaf) for leaf in leaves]
    state |= {"1.running_mean": torch.zeros(WIDTH), "1.running_var": torch.ones(WIDTH)}
    for epoch in range(EPOCHS):
        for batch in torch.randperm(IMAGES, generator=rng).split(BATCH):
            loss = F.cross_entropy(logits(state, images[batch], rng, training=True), labels[batch])
            for leaf, speed, slope in zip(leaves, speeds, torch.autograd.grad(loss, leaves), strict=True):
                speed.mul_(0.9).add_(slope)
                leaf.data -= RATE * (1 - epoch / EPOCHS) * speed
    return {name: value.detach() for name, value in state.items()}, torch.from_numpy(drawn.test.images[PLACE])


def turned(digit: Tensor) -> Tensor:
    """The digit at each angle, [angles, 28, 28]."""
    image = Image.fromarray(digit.numpy())
    turns = [np.array(image.rotate(angle, resample=Image.Resampling.BICUBIC)) for angle in ANGLES]
    return torch.from_numpy(np.stack(turns)).clamp(0, 1)


# --- what is due ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Band:
    """Where the numbers of a right answer lie, at each place."""

    middle: list[float]
    half: list[float]

    def outside(self, got: list[float]) -> int:
        """How many of the numbers lie elsewhere; NaN does."""
        rows = zip(got, self.middle, self.half, strict=True)
        return sum(not abs(each - middle) <= half for each, middle, half in rows)


@dataclass(frozen=True)
class Due:
    """What a right answer gives: votes [angle][class], entropy [angle], information [angle]."""

    votes: list[Band]
    entropy: Band
    information: Band


def nats(row: list[float]) -> float:
    """The entropy of a row of probabilities; NaN where it is no such row."""
    return math.nan if any(not p >= 0 for p in row) else math.fsum(-p * math.log(p) for p in row if p > 0)


def measured(probs: Tensor) -> tuple[list[float], list[float]]:
    """By the formulas: the entropy of the mean of the samples [S, B, C], and that less the mean of theirs."""
    total = [nats(row) for row in probs.mean(0).tolist()]
    each = torch.tensor([[nats(row) for row in sample] for sample in probs.tolist()], dtype=torch.float64)
    return total, [whole - own for whole, own in zip(total, each.mean(0).tolist(), strict=True)]


def due(runs: list[Tensor]) -> Due:
    """From the judge's own runs, each [S, B, C]."""
    shares = F.one_hot(torch.cat(runs).argmax(2), CLASSES).double().mean(0)  # [B, C]
    chance = (shares * (1 - shares) * SAMPLES).sqrt() * SPREAD + 1
    votes = [Band(*map(Tensor.tolist, pair)) for pair in zip(shares * SAMPLES, chance, strict=True)]
    both = torch.tensor([measured(run) for run in runs], dtype=torch.float64)  # [runs, 2, B]
    middle, half = both.mean(0).tolist(), (both.std(0) * SPREAD + 0.01).tolist()
    return Due(votes, Band(middle[0], half[0]), Band(middle[1], half[1]))


def judged() -> tuple[State, Tensor, list[Tensor], Due]:
    """The network, the turned digit, the judge's own runs, and what is due by them: always the same."""
    state, digit = trained()
    images, rng = turned(digit), torch.Generator().manual_seed(1)
    rows = images.flatten(1).repeat(SAMPLES, 1)
    runs = [logits(state, rows, rng).softmax(1).reshape(SAMPLES, -1, CLASSES) for _ in range(RUNS)]
    return state, images, runs, due(runs)


# --- what came --------------------------------------------------------------------------------------------------------


def sample(sub: Any, state: State, x: Tensor, samples: int, dropped: float) -> Any:
    """The student's samples of the network; it comes in training mode, as right after a training."""
    from torch import nn

    width, classes = len(state["1.bias"]), len(state["7.bias"])
    model = nn.Sequential(
        *(nn.Linear(x.shape[1], width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropped)),
        *(nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropped), nn.Linear(width, classes)),
    )
    model.to(x.device).load_state_dict(state, strict=False)
    return sub.mc_dropout_predict(model.train(), x, samples)


@dataclass(frozen=True)
class Came:
    """The student's samples, and what the student's functions make of the ones that they were given."""

    probs: Tensor | Failure
    given: Tensor
    votes: Tensor | Failure
    entropy: list[float] | Failure
    information: list[float] | Failure


def sound(probs: Tensor) -> bool:
    """Whether these are probabilities, whose rows sum to 1."""
    return bool(((probs.sum(2) - 1).abs() < 1e-3).all() and (probs >= 0).all())


def ask(submission: Any, state: State, images: Tensor, spare: Tensor) -> Came:
    """Calls the four functions; `spare` are samples of the judge's, for the measures of a student who has none."""
    shape = SAMPLES, len(ANGLES), CLASSES
    call = f"mc_dropout_predict(model, x, {SAMPLES})"
    arguments = state, images.flatten(1), SAMPLES, DROPPED
    run = submission.run
    probs = attempt(lambda: values.tensor(run(sample, *arguments, call=call, timeout=SECONDS), shape))
    given = spare if isinstance(probs, Failure) or not sound(probs) else probs.float()

    def measure(name: str) -> list[float] | Failure:
        return attempt(lambda: values.tensor(getattr(submission, name)(given), shape[1:2]).tolist())

    votes = attempt(lambda: values.tensor(submission.class_histogram(given), shape[1:]))
    return Came(probs, given, votes, measure("predictive_entropy"), measure("mutual_information"))


# --- the picture ------------------------------------------------------------------------------------------------------


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Lets the student's functions and the judge's own look at the same turned digit."""
    state, images, runs, right = judged()
    came = ask(submission, state, images, runs[0])
    where = int(np.argmax(right.information.middle))  # here a network with other masks is another opinion
    found = " ".join(sentences(came, right, where))
    title = "How sure the network is of a digit that is turned"
    caption = (
        f"A 6 is turned by 0 to 180 degrees, and a network with dropout answers {SAMPLES} times. Blue is where a right "
        f"answer lies, with room for chance; orange is yours. {found}"
    )
    description = (
        f"Two curves over the angle, and a bar chart of the votes at {ANGLES[where]} degrees. Due at 0, 90 and 180 "
        f"degrees, in nats: entropy {at_three(right.entropy.middle)}, mutual information "
        f"{at_three(right.information.middle)}. {found}"
    )
    chart = draw(images, came, right, where)
    return Picture(title, to_svg(chart, "figure-5", title, description), caption, description)


def at_three(row: list[float]) -> str:
    """At the first, the middle and the last angle."""
    return ", ".join(f"{row[place]:.2f}" for place in (0, len(row) // 2, -1))


def sentences(came: Came, right: Due, where: int) -> list[str]:
    """What is seen in this result."""
    told = [of_samples(came)]
    formula = measured(came.given)
    pairs = (
        (came.entropy, right.entropy, "predictive_entropy"),
        (came.information, right.information, "mutual_information"),
    )
    for (got, band, name), own in zip(pairs, formula, strict=True):
        told.append(f"{name}: {got.reason}." if isinstance(got, Failure) else of_measure(name, got, band, own))
    if isinstance(came.votes, Failure):
        return [*told, f"class_histogram: {came.votes.reason}."]
    off = right.votes[where].outside(came.votes[where].tolist())
    return [*told, f"Votes at {ANGLES[where]} degrees: {CLASSES - off} of {CLASSES} classes as due."]


def of_samples(came: Came) -> str:
    """Whether the samples are probabilities, and whether they differ."""
    rest = "the rest is drawn from samples of the grader's"
    if isinstance(came.probs, Failure):
        return f"mc_dropout_predict: {came.probs.reason}; {rest}."
    if not sound(came.probs):
        sums = came.probs.sum(2)
        return f"The rows of your samples sum to {sums.min():.3g} … {sums.max():.3g}, not to 1; {rest}."
    return f"Of your {SAMPLES} samples {len(came.probs.unique(dim=0))} are different, and their rows sum to 1."


def of_measure(name: str, got: list[float], band: Band, formula: list[float]) -> str:
    """Where numbers are off, and whether that comes from the samples or from what is made of them."""
    off, places = band.outside(got), len(ANGLES)
    if Band(formula, [1e-3] * places).outside(got):
        apart = [abs(one - other) for one, other in zip(got, formula, strict=True)]
        worst = max((each for each in apart if not math.isnan(each)), default=math.nan)
        return f"{name} is not what the formula gives for the same samples: up to {worst:.2g} nats apart."
    return f"{name} is {f'off at {off} of' if off else 'as due at all'} {places} angles."


def draw(images: Tensor, came: Came, right: Due, where: int) -> Figure:
    """The turned digits, the two measures below them, and the votes at one angle."""
    chart = style.new_figure(580)
    strip, *curves, bars = chart.subplots(4, 1, height_ratios=[0.36, 1, 1, 1])
    draw_digits(strip, images)
    draw_curve(curves[0], "Predictive entropy", right.entropy, came.entropy, 2.4)
    draw_curve(curves[1], "Mutual information", right.information, came.information, 0.8)
    curves[0].set_xticklabels([])
    curves[1].set_xlabel("angle (degrees)")
    for panel in curves:
        panel.axvline(ANGLES[where], color=style.INK, linewidth=1, linestyle=style.DASHES[2])
    draw_votes(bars, right.votes[where], came.votes, ANGLES[where])
    return chart


def draw_digits(panel: Axes, images: Tensor) -> None:
    """Every third of the digits, each above its angle."""
    half = 11.0  # degrees, of an image's width
    for angle, image in list(zip(ANGLES, images, strict=True))[::3]:
        panel.imshow(image.numpy(), cmap="gray", extent=(angle - half, angle + half, 0, 1), interpolation="nearest")
    panel.set(xlim=(-14, 194), ylim=(0, 1), aspect="auto", title="What the network sees")
    panel.set_axis_off()


def draw_curve(panel: Axes, title: str, band: Band, got: list[float] | Failure, top: float) -> None:
    """A measure over the angle: what is due as a band, the student's as dots."""
    edges = [[middle + sign * half for middle, half in zip(band.middle, band.half, strict=True)] for sign in (-1, 1)]
    panel.fill_between(ANGLES, *edges, color=style.EXPECTED, alpha=0.3, linewidth=0, label="due")
    panel.plot(ANGLES, band.middle, color=style.EXPECTED, linewidth=1)
    if not isinstance(got, Failure):
        inside = [min(max(each, -0.05 * top), top) for each in got]  # what is beyond lies on the edge
        panel.plot(ANGLES, inside, color=style.GOT, marker="o", markersize=3.5, linewidth=1, label="yours")
    panel.set(xlim=(-14, 194), ylim=(-0.05 * top, top), xticks=range(0, 181, 30), ylabel="nats", title=title)
    panel.legend(loc="upper left", ncols=2)
    style.grid(panel)


def draw_votes(panel: Axes, band: Band, votes: Tensor | Failure, angle: int) -> None:
    """How many of the samples chose each class."""
    classes = range(CLASSES)
    if not isinstance(votes, Failure):
        panel.bar(classes, votes[ANGLES.index(angle)].clamp(0, SAMPLES).tolist(), color=style.GOT, label="yours")
    mark = {"color": style.EXPECTED, "capsize": 4, "fmt": "D", "markersize": 4, "label": "due"}
    panel.errorbar(classes, band.middle, yerr=band.half, **mark)
    panel.set(xlabel="class", ylabel=f"votes of {SAMPLES}", ylim=(0, SAMPLES), xticks=classes)
    panel.set_title(f"The votes at {angle} degrees (dotted above)")
    panel.legend(loc="upper right")
    style.grid(panel, "y")
