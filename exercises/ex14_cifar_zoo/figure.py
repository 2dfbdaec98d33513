"""The pictures of exercise 14: the zoo with the student's own counts, where parameters are, and what the nets answer.

Parameters that are due are worked out from the channels, as in the lesson. All nets get the same numbers as weights, so
that their answers can be foretold: those that are due are a table here, worked out beforehand.
"""

from itertools import accumulate, pairwise
from typing import Any

import torch
from matplotlib.axes import Axes

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_svg

SECONDS = 8.0  # for one call

# --- the zoo ----------------------------------------------------------------------------------------------------------

# Name, builder and its arguments, parameters that are due, published accuracy. ResNet18 is that of exercise 7.
ZOO = [
    ("VGG16", "vgg", ["VGG16"], 14_728_266, 92.64),
    ("ResNet18", "", [], 11_173_962, 93.02),
    ("DenseNet121", "densenet_cifar", [32], 6_956_298, 95.04),
    ("PreActResNet18", "preact_resnet18", [], 11_171_146, 95.11),
]
LEAST, MOST = 4e6, 2.6e7  # parameters at the edges of the axis


def why(failure: Failure) -> str:
    """The reason, in a few words where nothing is written yet."""
    return "not written yet" if failure.untouched else failure.reason


def count(sub: Any, name: str, arguments: Any) -> Any:
    """The student's count of the student's net."""
    return sub.count_parameters(getattr(sub, name)(*arguments))


def picture_of_zoo(submission: Any) -> Picture:
    """Published accuracies over parameters: due as rings, the student's counts as dots."""
    chart = style.new_figure(270)
    panel = chart.subplots()
    told = []
    ring = {"marker": "o", "markersize": 10, "fillstyle": "none", "linestyle": "none", "color": style.EXPECTED}
    for place, (name, builder, arguments, due, accuracy) in enumerate(ZOO):
        panel.plot(due, accuracy, label=None if place else "due", **ring)
        panel.annotate(name, (due, accuracy), xytext=(0, 9), textcoords="offset points", ha="center")
        if not builder:
            continue
        got = count_of(submission, builder, arguments)
        if isinstance(got, Failure):
            told.append(f"{name}: {why(got)}.")
            continue
        shown = min(max(got, LEAST), MOST)
        panel.plot(shown, accuracy, "o", markersize=4, color=style.GOT, label=None if place else "your count")
        told += [] if got == due else [f"{name}: {got:,} where {due:,} are due."]
    found = " ".join(told) or "Your counts are as due."
    panel.set(
        xscale="log", xlim=(LEAST, MOST), ylim=(91.8, 96.2), xlabel="parameters in millions", ylabel="accuracy (%)"
    )
    panel.set_xticks([5e6, 1e7, 2e7], ["5", "10", "20"], minor=False)
    panel.set_xticks([], minor=True)
    panel.legend(loc="lower left")
    style.grid(panel)
    title = "The zoo, with your nets and your count"
    caption = f"Accuracies are the published ones. Rings are the parameters that are due, dots are yours. {found}"
    rows = "; ".join(f"{name}, {due:,} parameters, {accuracy} %" for name, _, _, due, accuracy in ZOO)
    description = f"Four models: {rows}. {found}"
    return Picture(title, to_svg(chart, "figure-14-zoo", title, description), caption, description)


def count_of(submission: Any, builder: str, arguments: list[Any]) -> int | Failure:
    """What count_parameters says of a net."""
    call = f"count_parameters({written(builder, arguments)})"
    run = submission.run
    return attempt(lambda: values.whole(run(count, builder, arguments, call=call, timeout=SECONDS), 0, 1 << 60))


def written(builder: str, arguments: list[Any]) -> str:
    """The call, as one types it."""
    return f"{builder}({', '.join(map(repr, arguments))})"


# --- where the parameters are -----------------------------------------------------------------------------------------


def sizes_of_vgg16() -> list[int]:
    """Numbers in each parameter, in their order."""
    channels = [3, 64, 64, 128, 128, 256, 256, 256, *[512] * 6]
    found = []
    for n, m in pairwise(channels):
        found += [9 * n * m, m, m, m]
    return [*found, 5120, 10]


def sizes_of_preact() -> list[int]:
    """The same, for preact_resnet18()."""
    channels = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    found = [9 * 3 * 64]
    for n, m in pairwise(channels):
        found += [n, n, 9 * n * m, m, m, 9 * m * m, *([n * m] if n != m else [])]
    return [*found, 5120, 10]


def sizes_of_densenet() -> list[int]:
    """The same, for densenet_cifar()."""
    found, n = [9 * 3 * 24], 24
    for block, layers in enumerate((6, 12, 24, 16)):
        if block:
            found += [n, n, n * (n // 2)]
            n //= 2
        for _ in range(layers):
            found += [n, n, n * 48, 48, 48, 9 * 48 * 12]
            n += 12
    return [*found, n, n, 10 * n, 10]


NETS = [
    ("vgg", ["VGG16"], sizes_of_vgg16()),
    ("preact_resnet18", [], sizes_of_preact()),
    ("densenet_cifar", [], sizes_of_densenet()),
]


def sizes(sub: Any, name: str, arguments: Any) -> Any:
    """How many numbers each parameter holds."""
    return [parameter.numel() for parameter in getattr(sub, name)(*arguments).parameters()]


def picture_of_sums(submission: Any) -> Picture:
    """Parameters so far, from the first to the last of a net."""
    chart = style.new_figure(420)
    panels = chart.subplots(3, 1)
    told = []
    for panel, (name, arguments, due) in zip(panels, NETS, strict=True):
        call = written(name, arguments)
        got = sizes_in(submission, name, arguments)
        draw_sums(panel, due, None if isinstance(got, Failure) else got)
        panel.set(title=f"{call}: {sum(due):,}", ylabel="millions")
        told += [] if got == due else [f"{call}: {why(got) if isinstance(got, Failure) else parting(got, due)}."]
    panels[0].legend(loc="upper left")
    panels[2].set_xlabel("number of the parameter, in the order of registration")
    found = " ".join(told) or "Yours have the right sizes in the right order."
    title = "Parameters so far, from the first layer to the last"
    caption = (
        f"Blue is due, orange is yours. The first two have most of theirs at the end, where channels are many. {found}"
    )
    totals = ", ".join(f"{name} {len(due)} parameters with {sum(due):,} numbers" for name, _, due in NETS)
    description = f"Three rising curves. Due: {totals}. {found}"
    return Picture(title, to_svg(chart, "figure-14-sums", title, description), caption, description)


def sizes_in(submission: Any, name: str, arguments: list[Any]) -> list[float] | Failure:
    """The sizes in the student's net."""
    run, call = submission.run, written(name, arguments)
    return attempt(lambda: values.numbers(run(sizes, name, arguments, call=call, timeout=SECONDS)))


def parting(got: list[float], due: list[int]) -> str:
    """Where the sizes are other ones for the first time."""
    pairs = enumerate(zip(got, due, strict=False), 1)
    place, mine, right = next(((n, a, b) for n, (a, b) in pairs if a != b), (0, 0.0, 0))
    if not place:
        return f"{len(got)} parameters where {len(due)} are due"
    return f"parameter {place} holds {mine:,.0f} numbers where {right:,} are due"


def draw_sums(panel: Axes, due: list[int], got: list[float] | None) -> None:
    """A wide line, and a narrow dashed one over it."""
    panel.plot([each / 1e6 for each in accumulate(due)], color=style.EXPECTED, linewidth=5, alpha=0.45, label="due")
    if got is not None:
        mine = [min(each / 1e6, 2.2 * sum(due) / 1e6) for each in accumulate(got)][: 2 * len(due)]
        panel.plot(mine, color=style.GOT, linestyle=style.DASHES[1], label="yours")
    panel.set_ylim(bottom=0)
    style.grid(panel)


# --- what the nets answer ---------------------------------------------------------------------------------------------

ANSWERS = [  # builder, its arguments, and the logits that are due
    ("vgg", [[6, "M", 8], 5], [1.6610, 0.4331, -0.5750, 0.5102, -0.7535]),
    ("preact_resnet18", [5], [0.6342, 1.1487, 0.9017, -1.0270, 1.3267]),
    ("densenet_cifar", [4, [2, 1], 5], [-0.0895, 1.0578, 1.1332, -0.2291, 0.5866]),
]
WIDE, CLOSE = 2.2, 2e-3  # logits at the edges of the axis, and how far off one may be


def ask_net(sub: Any, name: str, arguments: Any, image: Any) -> Any:
    """The logits of one image, by a net with weights from a formula."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    net = getattr(sub, name)(*arguments).to(image.device).eval()
    with torch.no_grad():
        for place, value in enumerate([*net.parameters(), *net.buffers()]):
            if value.dim():
                mixed = (torch.arange(value.numel(), device=value.device) % 10007 + 4999 * place) % 10007
                mixed = mixed * mixed * mixed * 71 % 10007  # as if by chance, and the same everywhere
                numbers = (mixed.to(value.dtype) / 5003 - 1).reshape(value.shape)
                value.copy_(numbers * (6 / value[0].numel()) ** 0.5 if value.dim() > 1 else 0.5 + 0.4 * numbers)
        return net(image)[0]


def answer_of(submission: Any, name: str, arguments: list[Any], image: torch.Tensor) -> list[float] | Failure:
    """The student's logits."""
    call = f"{written(name, arguments)}(one image)"
    got = attempt(lambda: submission.run(ask_net, name, arguments, image, call=call, timeout=SECONDS))
    return got if isinstance(got, Failure) else attempt(lambda: values.tensor(got, (5,)).tolist())


def picture_of_answers(submission: Any) -> Picture:
    """The logits of each net on a line, over those that are due."""
    image = (torch.arange(3 * 9 * 12) * 4871 % 6011).float().reshape(1, 3, 9, 12) / 6011
    chart = style.new_figure(210)
    panel = chart.subplots()
    ring = {"marker": "o", "markersize": 9, "fillstyle": "none", "linestyle": "none", "color": style.EXPECTED}
    told = []
    for row, (name, arguments, due) in enumerate(ANSWERS):
        panel.plot(due, [row] * 5, label=None if row else "due", **ring)
        got = answer_of(submission, name, arguments, image)
        if isinstance(got, Failure):
            panel.text(WIDE, row + 0.4, "no answer", ha="right", va="center", fontsize=style.SMALL)
            told.append(f"{name}: {why(got)}.")
            continue
        shown = [max(-WIDE, min(WIDE, each)) for each in got]
        panel.plot(shown, [row] * 5, "o", markersize=3.5, color=style.GOT, label=None if row else "yours")
        worst = max(abs(mine - right) for mine, right in zip(got, due, strict=True))
        told += [] if worst <= CLOSE else [f"{name}: a logit is off by {worst:.2g}."]  # NaN is off
    found = " ".join(told) or "All are as due."
    panel.set(xlim=(-WIDE - 0.2, WIDE + 0.2), ylim=(len(ANSWERS) - 0.4, -0.9), xlabel="logit")
    panel.set_yticks(range(len(ANSWERS)), [name for name, _, _ in ANSWERS])
    panel.legend(loc="upper right", ncols=2)
    style.grid(panel)
    title = "One image, and the same numbers as weights"
    caption = f"Five logits of each net: rings are due, dots are yours. What counting can't see, they show. {found}"
    rows = "; ".join(f"{name} {', '.join(f'{each:.2f}' for each in due)}" for name, _, due in ANSWERS)
    description = f"Logits that are due: {rows}. {found}"
    return Picture(title, to_svg(chart, "figure-14-answers", title, description), caption, description)


def figure(submission: Any, rng: torch.Generator) -> list[Picture]:
    """The zoo, the sums, the answers."""
    return [picture_of_zoo(submission), picture_of_sums(submission), picture_of_answers(submission)]
