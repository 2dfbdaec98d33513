"""The picture of exercise 11: what hooks find in a deep network of sigmoids, layer by layer, beside what is due.

The judge works out the network's activations and gradients by the chain rule, in float64. Your functions look at the
same network: at its activations, at the norms of its gradients, and at these once more when a part is frozen and the
gradient is scaled on its way.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture

LAYERS, WIDTH, ROWS = 10, 12, 32
BELOW, FACTOR = 7, 100.0  # the gradient is multiplied by FACTOR between layers BELOW and BELOW + 1
FROZEN = (5, 6)
CLOSE = 1e-3  # relative: a right answer is a million times closer
SECONDS = 5.0  # for a call
PLACES = range(1, LAYERS + 1)
NONE = -1.0  # what stands for a parameter without a gradient


def random_network(rng: torch.Generator) -> tuple[list[Tensor], Tensor]:
    """A square weight for each layer, as nn.Linear would draw it, and an input [ROWS, WIDTH]: all in float64."""
    bound = WIDTH**-0.5
    precise: dict[str, Any] = {"generator": rng, "dtype": torch.float64}
    weights = [(2 * torch.rand(WIDTH, WIDTH, **precise) - 1) * bound for _ in PLACES]
    return weights, torch.randn(ROWS, WIDTH, **precise)


# --- what is due ------------------------------------------------------------------------------------------------------


def spread(outputs: Tensor) -> float:
    """The standard deviation over the rows, in the mean over the units: 0 where a layer says the same of all rows."""
    return float(outputs.std(0).mean())


def worked_out(weights: list[Tensor], x: Tensor) -> tuple[list[float], list[float]]:
    """By layer: the spread of the activations, and the norm of the gradient of the mean of the last layer's squares."""
    outputs = [x]
    for weight in weights:
        outputs.append(torch.sigmoid(outputs[-1] @ weight.T))
    norms: list[float] = []
    slope = 2 * outputs[-1] / outputs[-1].numel()
    for place in reversed(PLACES):
        slope = slope * outputs[place] * (1 - outputs[place])  # back through the sigmoid
        norms.insert(0, float((slope.T @ outputs[place - 1]).norm()))
        slope = slope @ weights[place - 1]
    return [spread(each) for each in outputs[1:]], norms


def treated(norms: list[float]) -> list[float]:
    """The norms when layers are frozen and what lies below the scaled place has its gradient multiplied."""
    scaled = [norm * (FACTOR if place <= BELOW else 1.0) for place, norm in zip(PLACES, norms, strict=True)]
    return [NONE if place in FROZEN else norm for place, norm in zip(PLACES, scaled, strict=True)]


# --- what came --------------------------------------------------------------------------------------------------------


def look(sub: Any, weights: Any, x: Any, what: str, frozen: Any, below: int, factor: float) -> Any:
    """The activations, the recorded norms, or the norms of what is in `.grad` with a frozen part and a factor."""
    from torch import nn

    layers = [nn.Linear(weight.shape[1], weight.shape[0], bias=False) for weight in weights]
    net = nn.Sequential(*(nn.Sequential(layer, nn.Sigmoid()) for layer in layers)).to(x)
    for layer, weight in zip(layers, weights, strict=True):
        layer.weight.data = weight
    if what == "captured":
        with sub.capture_activations(net, [f"{place}.1" for place in range(len(net))]) as captured:
            net(x)
        return [captured[f"{place}.1"][0] for place in range(len(net))]
    if what == "recorded":
        with sub.record_gradients(net) as steps:
            net(x).square().mean().backward()
        return [steps[0][f"{place}.0.weight"] for place in range(len(net))]
    with sub.freeze(net, [str(place - 1) for place in frozen]):
        h = sub.scale_gradient(net[:below](x), factor)
        net[below:](h).square().mean().backward()
        gradients = [layer.weight.grad for layer in layers]
    return [None if gradient is None else gradient.norm().item() for gradient in gradients]


@dataclass(frozen=True)
class Row:
    """A number for each layer: what is due, and what came; NONE where there is no gradient."""

    name: str  # of the functions
    title: str
    due: list[float]
    came: list[float] | Failure

    @property
    def misses(self) -> list[int]:
        """The layers whose number is not the one that is due."""
        if isinstance(self.came, Failure):
            return list(PLACES)
        pairs = zip(PLACES, self.due, self.came, strict=True)
        return [place for place, due, came in pairs if not abs(came - due) <= CLOSE * abs(due)]  # NaN is off

    @property
    def sentence(self) -> str:
        """What is seen of it."""
        if isinstance(self.came, Failure):
            return f"{self.name}: {self.came.reason}."
        if not self.misses:
            return f"{self.name}: as due in all {LAYERS} layers."
        place = self.misses[0]
        came, due = (words(row[place - 1]) for row in (self.came, self.due))
        return f"{self.name}: off in {len(self.misses)} of {LAYERS} layers; layer {place} has {came}, and {due} is due."


def words(number: float) -> str:
    return "no gradient" if number == NONE else f"{number:.3g}"


def ask(submission: Any, weights: list[Tensor], x: Tensor) -> list[Row]:
    """What the student's functions make of the network."""
    spreads, norms = worked_out(weights, x)

    def run(what: str) -> list[Any]:
        call = {
            "captured": "with capture_activations(model, ['0.1', '1.1', …]): model(x)",
            "recorded": "with record_gradients(model): loss.backward()",
            "treated": f"with freeze(model, […]): scale_gradient(h, {FACTOR:g}) …",
        }[what]
        given = weights, x, what, list(FROZEN), BELOW, FACTOR
        return values.items(submission.run(look, *given, call=call, timeout=SECONDS), LAYERS)

    def gradients(what: str) -> list[float]:
        return [NONE if each is None else abs(values.number(each)) for each in run(what)]

    def activations() -> list[float]:
        return [spread(values.tensor(each, (ROWS, WIDTH))) for each in run("captured")]

    return [
        Row("capture_activations", "Activations: their spread over the batch", spreads, attempt(activations)),
        Row("record_gradients", "Gradients: the norm by layer", norms, attempt(lambda: gradients("recorded"))),
        Row(
            "freeze and scale_gradient",
            f"Layers {FROZEN[0]}, {FROZEN[-1]} frozen; × {FACTOR:g} below layer {BELOW + 1}",
            treated(norms),
            attempt(lambda: gradients("treated")),
        ),
    ]


# --- the picture ------------------------------------------------------------------------------------------------------


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Lets the student's functions look into a deep network, and draws what they found over what is there."""
    rows = ask(submission, *random_network(rng))
    found = " ".join(row.sentence for row in rows)
    caption = (
        f"A network of {LAYERS} sigmoid layers. Rings are due, dots are yours; a cross at the bottom is a layer "
        f"that has no gradient at all. From the last layer to the first the norm falls by a factor of "
        f"{rows[1].due[-1] / rows[1].due[0]:.1g}: there it vanishes. {found}"
    )
    told = "; ".join(f"{row.title}: due {', '.join(map(words, row.due))}" for row in rows)
    title = "Where the gradients vanish, layer by layer"
    return to_picture(draw(rows), "figure-11", title=title, caption=caption, description=f"{told}. {found}")


def draw(rows: list[Row]) -> Figure:
    chart = style.new_figure(560)
    panels = chart.subplots(3, 1, sharex=True)
    for panel, row in zip(panels, rows, strict=True):
        draw_row(panel, row)
    panels[0].legend(loc="upper right")
    panels[2].set(xlabel="layer", xticks=PLACES, xlim=(0.5, LAYERS + 0.5))
    return chart


def draw_row(panel: Axes, row: Row) -> None:
    """The numbers of all layers, on a logarithmic axis; what has none lies on its lower edge, as a cross."""
    real = [number for number in row.due if number > 0]
    low, high = 10 ** (math.floor(math.log10(min(real))) - 1.0), 10.0 ** (math.ceil(math.log10(max(real))) + 1)
    came = [] if isinstance(row.came, Failure) else row.came
    for numbers, color, label, size in ((row.due, style.EXPECTED, "due", 8.0), (came, style.GOT, "yours", 3.5)):
        points = [(place, min(max(number, low), high)) for place, number in zip(PLACES, numbers, strict=False)]
        shown = [point for point, number in zip(points, numbers, strict=True) if number != NONE]
        absent = [place for place, number in zip(PLACES, numbers, strict=False) if number == NONE]
        mark: dict[str, Any] = {"color": color, "linestyle": "none", "markersize": size, "clip_on": False}
        fill = "none" if label == "due" else "full"
        if shown:
            panel.plot(*zip(*shown, strict=True), marker="o", fillstyle=fill, label=label, **mark)
        if absent:
            panel.plot(absent, [low] * len(absent), marker="x", **mark)
    panel.set(yscale="log", ylim=(low, high))
    state = "not written yet" if isinstance(row.came, Failure) and row.came.untouched else "no numbers came"
    off = f"off in {len(row.misses)} layers" if row.misses else "as due"
    panel.set_title(f"{row.title}\n{row.name}: {state if isinstance(row.came, Failure) else off}")
    style.plain_log(panel.yaxis)
    style.grid(panel)
