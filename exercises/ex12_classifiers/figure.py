"""The pictures of exercise 12: what the eight nets answer, and how compare trains and counts.

All nets get the same numbers as weights, so that their answers can be foretold: those that are due are a table here,
worked out beforehand. compare trains two models of the judge's own, which answer by a script.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_svg

# --- the nets -----------------------------------------------------------------------------------------------------

DUE = {  # the parameters for 100 classes, and the logits for 5
    "softmax_linear": (307_300, [0.4734, 0.2683, -0.0019, 0.6470, 0.4550]),
    "mlp": (3_249_252, [-4.3596, 2.1979, 1.3323, -4.1937, 2.9647]),
    "deep_mlp": (2_412_644, [-0.7315, 0.5733, -0.2657, 4.0443, 1.8786]),
    "conv_stride": (47_732, [-0.8667, 0.4671, -1.5211, -0.1780, 3.1308]),
    "conv_pool": (47_732, [1.6278, -1.8925, -0.5324, 2.9272, -0.9436]),
    "conv_batchnorm": (47_764, [2.1880, 0.8538, -0.6144, 1.0740, 0.3677]),
    "conv_selu": (47_732, [1.5988, -2.1083, -0.5457, 3.7940, -1.0231]),
    "conv_dropout": (47_732, [1.6278, -1.8925, -0.5324, 2.9272, -0.9436]),
}
WIDE = 4.6  # logits at the edges of the axis
CLOSE = 2e-3
SECONDS = 8.0  # for a net, or for compare


def ask_net(sub: Any, name: str, image: Any) -> Any:
    """The number of parameters, and the logits of one image by a net for 5 classes with weights from a formula."""
    import torch

    builder = getattr(sub, name)
    count = sum(parameter.numel() for parameter in builder().parameters())
    net = builder(5).to(image.device).eval()
    with torch.no_grad():
        for place, value in enumerate([*net.parameters(), *net.buffers()]):
            if value.dim():
                mixed = (torch.arange(value.numel(), device=value.device) * 7919 + 4999 * place) % 10007
                numbers = (mixed.to(value.dtype) / 5003 - 1).reshape(value.shape)
                value.copy_(numbers * (9 / value[0].numel()) ** 0.5 if value.dim() > 1 else 0.4 + 0.3 * numbers)
        return {"parameters": count, "logits": net(image)}


@dataclass(frozen=True)
class Answer:
    """What one of the student's nets gave."""

    name: str
    parameters: int | None
    logits: list[float] | Failure

    @property
    def off(self) -> str:
        """What is wrong with it, in a few words; nothing if it is as due."""
        if isinstance(self.logits, Failure):
            return "not written yet" if self.logits.untouched else self.logits.reason
        count, due = DUE[self.name]
        worst = max(abs(mine - right) for mine, right in zip(self.logits, due, strict=True))
        told = [] if self.parameters == count else [f"{self.parameters:,} parameters where {count:,} are due"]
        told += [] if worst <= CLOSE else [f"a logit off by {worst:.2g}"]  # NaN is off
        return ", ".join(told)


def picture_of_nets(submission: Any) -> Picture:
    """The logits of each net on one line, over those that are due."""
    ramp = torch.arange(3 * 32 * 32) * 4871 % 6011
    image = (ramp.float() / 6011).reshape(1, 3, 32, 32)
    answers = [ask(submission, name, image) for name in DUE]
    wrong = [f"{answer.name}: {answer.off}." for answer in answers if answer.off]
    found = " ".join(wrong) if wrong else "All eight are as due."
    if all(isinstance(answer.logits, Failure) and answer.logits.untouched for answer in answers):
        found = "None of them is written yet."
    title = "Eight nets, one image, the same numbers as weights"
    caption = f"Five logits of each net: rings are due, dots are yours. {found}"
    chart = style.new_figure(330)
    panel = chart.subplots()
    for row, answer in enumerate(answers):
        draw_answer(panel, row, answer)
    panel.set(xlim=(-WIDE - 0.3, WIDE + 0.3), ylim=(len(DUE) - 0.4, -0.6), xlabel="logit")
    panel.set_yticks(range(len(DUE)), [f"{name}\n{DUE[name][0]:,}" for name in DUE])
    panel.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    style.grid(panel)
    due = "; ".join(f"{name} {', '.join(f'{each:.2f}' for each in logits)}" for name, (_, logits) in DUE.items())
    description = f"Logits that are due: {due}. {found}"
    return Picture(title, to_svg(chart, "figure-12-nets", title, description), caption, description)


def ask(submission: Any, name: str, image: torch.Tensor) -> Answer:
    """The student's net of this name, asked for one image."""
    try_it = attempt(lambda: submission.run(ask_net, name, image, call=f"{name}(5)(one image)", timeout=SECONDS))
    if isinstance(try_it, Failure):
        return Answer(name, None, try_it)
    count = attempt(lambda: values.whole(values.entry(try_it, "parameters"), 0, 1 << 40))
    logits = attempt(lambda: values.tensor(values.entry(try_it, "logits"), (1, 5))[0].tolist())
    return Answer(name, None if isinstance(count, Failure) else count, logits)


def draw_answer(panel: Axes, row: int, answer: Answer) -> None:
    """The due logits as rings, the student's as dots; what is beyond the axis lies on its edge."""
    ring = {"marker": "o", "markersize": 9, "fillstyle": "none", "linestyle": "none"}
    due = DUE[answer.name][1]
    panel.plot(due, [row] * 5, color=style.EXPECTED, label=None if row else "due", **ring)
    if isinstance(answer.logits, Failure):
        panel.text(WIDE + 0.2, row + 0.42, "no answer", ha="right", va="center", fontsize=style.SMALL)
        return
    shown = [max(-WIDE - 0.2, min(WIDE + 0.2, each)) for each in answer.logits]
    panel.plot(shown, [row] * 5, "o", markersize=3.5, color=style.GOT, label=None if row else "yours")


# --- compare ------------------------------------------------------------------------------------------------------

TESTS, EPOCHS, STEPS, LR, TARGET = 16, 6, 2, 0.3, 0.5  # test images, epochs, steps an epoch
RIGHT = {"mlp": [1, 5, 8, 13, 11, 12], "deep_mlp": [2, 3, 6, 7, 5, 4]}  # right answers after each epoch
REACHED = {"mlp": 3, "deep_mlp": None}
FACTOR = {"mlp": 1.0, "deep_mlp": 0.8}


def run_compare(sub: Any, data: Any, right: dict[str, list[int]], settings: dict[str, Any]) -> Any:
    """Two models that are trained for nothing, and answer as many test images rightly as they are told to."""
    import torch
    from torch import nn

    seen: dict[str, list[float]] = {name: [] for name in right}

    class Model(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.weights, self.name, self.images = nn.Parameter(torch.zeros(4)), name, 0

        def forward(self, x):
            if torch.is_grad_enabled():
                seen[self.name].append(float(self.weights[3].detach()))
                self.images += len(x)
                return self.weights.expand(len(x), 4)
            epoch = self.images // len(data["train_images"])
            count = right[self.name][min(max(epoch, 1), len(right[self.name])) - 1]
            numbers = (x[:, 0, 0, 0] * 256).round()
            return torch.stack([(numbers >= count).float()] * 3 + [(numbers < count).float()], dim=1)

    models = {name: (lambda name=name: Model(name)) for name in right}
    rows = sub.compare(models, data, **settings, device=data["train_images"].device)
    keys = ("accuracies", "epochs_to_target")
    return {"rows": [{key: row[key] for key in keys} for row in rows], "seen": seen}


def weights_due(name: str) -> list[float]:
    """The weight of the true class before each step: of four, with a momentum of 0.9, all labels alike."""
    logits, speeds, seen = [0.0] * 4, [0.0] * 4, []
    for step in range(STEPS * EPOCHS):
        seen.append(logits[3])
        total = sum(map(math.exp, logits))
        slopes = [math.exp(each) / total - (place == 3) for place, each in enumerate(logits)]
        speeds = [0.9 * speed + slope for speed, slope in zip(speeds, slopes, strict=True)]
        rate = LR * FACTOR[name] ** (step // STEPS)
        logits = [each - rate * speed for each, speed in zip(logits, speeds, strict=True)]
    return seen


@dataclass(frozen=True)
class Course:
    """A row of compare, and the weight that was seen before each step."""

    accuracies: list[float]
    weights: list[float]
    reached: int | None

    @classmethod
    def checked(cls, name: str, row: Any, seen: Any) -> "Course":
        """Raises Failed."""
        reached = values.entry(row, "epochs_to_target")
        return cls(
            values.numbers(values.entry(row, "accuracies"), most=50),
            values.numbers(values.entry(seen, name), most=500),
            None if reached is None else values.whole(reached, -1000, 1000),
        )

    def sentence(self, name: str) -> str:
        """What is seen of it."""
        due = [count / TESTS for count in RIGHT[name]]
        told = [] if self.accuracies == due else ["other accuracies than due"]
        if self.reached != REACHED[name]:
            told.append(f"the target in epoch {self.reached} where {REACHED[name]} is due")
        pairs = enumerate(zip(self.weights, weights_due(name), strict=False))
        off = [step for step, (mine, right) in pairs if not abs(mine - right) < CLOSE]
        told += [f"other weights from step {off[0]} on"] if off else []
        steps = len(self.weights)
        told += [] if steps == STEPS * EPOCHS else [f"{steps} steps where {STEPS * EPOCHS} are due"]
        return f"{name}: {', '.join(told)}." if told else f"{name} is as due."


def picture_of_compare(submission: Any) -> Picture:
    """The accuracies and the weights of two models, over those that are due."""
    images = torch.full((4 * STEPS, 3, 32, 32), 0.5)
    tests = torch.full((TESTS, 3, 32, 32), 0.5)
    tests[:, 0, 0, 0] = torch.arange(TESTS) / 256
    data = {"train_images": images, "train_labels": torch.full((4 * STEPS,), 3)}
    data |= {"test_images": tests, "test_labels": torch.full((TESTS,), 3)}
    settings = {"epochs": EPOCHS, "lr": LR, "batch_size": 4, "target": TARGET}
    call = f"compare({{'mlp': …, 'deep_mlp': …}}, data, epochs={EPOCHS}, lr={LR}, batch_size=4, target={TARGET})"

    def courses() -> dict[str, Course]:
        got = submission.run(run_compare, data, RIGHT, settings, call=call, timeout=SECONDS)
        rows = values.items(values.entry(got, "rows"), len(RIGHT))
        seen = values.entry(got, "seen")
        return {name: Course.checked(name, row, seen) for name, row in zip(RIGHT, rows, strict=True)}

    came = attempt(courses)
    found = (
        f"compare: {came.reason}."
        if isinstance(came, Failure)
        else " ".join(course.sentence(name) for name, course in came.items())
    )
    title = "Two models in your compare"
    caption = (
        f"Each has four weights, and answers {TESTS} test images by a script. The weight of the true class moves as "
        f"SGD does; that of deep_mlp slows down with its decay of 0.8. Blue is due, orange is yours. {found}"
    )
    chart = style.new_figure(420)
    panels = chart.subplots(2, 1)
    for place, name in enumerate(RIGHT):
        due = [count / TESTS for count in RIGHT[name]], weights_due(name)
        mine = None if isinstance(came, Failure) else (came[name].accuracies, came[name].weights)
        for which, panel in enumerate(panels):
            draw_course(panel, name, due[which], None if mine is None else mine[which], first=1 - which, place=place)
    panels[0].axhline(TARGET, color=style.MUTED, linewidth=1, linestyle=style.DASHES[2])
    panels[0].text(EPOCHS + 0.1, TARGET, "target", fontsize=style.SMALL, va="bottom", ha="right")
    panels[0].set(
        ylim=(-0.02, 1.35),
        yticks=[0, 0.5, 1],
        xlim=(0.7, EPOCHS + 0.3),
        xlabel="epoch",
        title="Accuracy after each epoch",
    )
    panels[1].set(ylim=(-0.2, 6.2), xlim=(-0.5, STEPS * EPOCHS), xlabel="step", title="A weight before each step")
    panels[0].legend(loc="upper left", ncols=2)
    ends = ", ".join(f"{name} {weights_due(name)[-1]:.2f}" for name in RIGHT)
    shares = "; ".join(f"{name} {', '.join(f'{count / TESTS:.2f}' for count in RIGHT[name])}" for name in RIGHT)
    description = f"Accuracies that are due: {shares}. Weights before the last step: {ends}. {found}"
    return Picture(title, to_svg(chart, "figure-12-compare", title, description), caption, description)


def draw_course(panel: Axes, name: str, due: list[float], mine: list[float] | None, *, first: int, place: int) -> None:
    """The due values as large marks on a line, the student's as dots."""
    low, high = -0.1, 6.0 if first == 0 else 1.1
    marks = {"marker": style.MARKERS[place], "markersize": 8, "fillstyle": "none", "linewidth": 1}
    times = range(first, first + len(due))
    panel.plot(times, due, color=style.EXPECTED, linestyle=style.DASHES[place], label=f"due: {name}", **marks)
    if mine is not None:
        shown = [max(low, min(high, each)) for each in mine][: 2 * len(due)]
        times = range(first, first + len(shown))
        panel.plot(times, shown, style.MARKERS[place], markersize=3.5, color=style.GOT, label=f"yours: {name}")
    style.grid(panel)


def figure(submission: Any, rng: torch.Generator) -> list[Picture]:
    """What the nets answer, and what compare does."""
    return [picture_of_nets(submission), picture_of_compare(submission)]
