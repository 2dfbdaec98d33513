"""The picture of exercise 17: which rank works on which sample, and how far the ranks end from a single process.

What is due is a table here, worked out beforehand: for each step the rank of each sample, and the weights of a training
in one process.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_svg

SAMPLES, BATCH, SEED, EPOCHS, RANKS = 9, 4, 17, 3, 2
# For each step, which rank has sample 0, 1, 2 …; a dot stands for none.
DEALT = [
    *[".01...01.", "1...00..1", "...0....."],
    *["1.1.0.0..", ".0.1.0.1.", "........0"],
    *[".01.0..1.", "1..1.0..0", "......0.."],
]
CELLS = [(step, sample) for step in range(len(DEALT)) for sample in range(SAMPLES)]
COLOURS = (style.GREEN, style.PURPLE, style.ORANGE)
SECONDS = 6.0  # for a training
IMAGES = [[-2.0, -2.0], [1.5, 0.5], [0.5, -1.5], [-0.5, 1.0], [-1.5, -1.0], [2.0, 1.5], [1.0, -0.5], [0.0, 2.0]]
LABELS = [0, 1, 0, 0, 1, 1, 1, 0]
DUE_4 = [-0.3662068351, 0.0312269245, 0.3662068351, -0.0312269245]
DUE_3 = [-0.5763296953, -0.0162924521, 0.5763296953, 0.0162924521]
TRAININGS = (("1 rank, batches of 4", 1, 4), ("2 ranks, batches of 4", 2, 4), ("2 ranks, batches of 3", 2, 3))
LOW, SAME, HIGH = 1e-9, 1e-6, 10.0  # distances: the edges of the axis, and what counts as the same


def train(sub: Any, images: Any, labels: Any, size: int, batch_size: int) -> Any:
    """The weights on each of `size` ranks after two epochs; a text for a rank that raised. Each rank is a fork."""
    import os
    import socket
    import sys
    from pathlib import Path

    import torch
    from torch import nn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sub.run_data_parallel  # noqa: B018 imported now, and not by each rank
    children = []
    for rank in range(size):
        children.append(os.fork())
        if children[-1]:
            continue
        outcome = "NotImplementedError"
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
            os.environ.update({key: str(value) for key, value in told.items()}, MASTER_ADDR="127.0.0.1")
            os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
            model = nn.Linear(2, 2, bias=False, dtype=torch.float64)
            nn.init.constant_(model.weight, rank)  # the zeros of rank 0 are those that count
            sub.run_data_parallel(model, images, labels, epochs=2, lr=0.5, batch_size=batch_size, seed=17, timeout=4.0)
            outcome = model.weight.detach().flatten().tolist()
        except NotImplementedError:
            pass
        except Exception as error:  # noqa: BLE001 the picture says so
            outcome = type(error).__name__
        finally:
            torch.save(outcome, f"figure-{rank}")
            os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    outcomes = [torch.load(f"figure-{rank}") if Path(f"figure-{rank}").exists() else "ended" for rank in range(size)]
    if "NotImplementedError" in outcomes:
        raise NotImplementedError("task 4: the training")
    return outcomes


@dataclass(frozen=True)
class Deal:
    """Which samples the student's local_batches gives to each rank: a row of texts like DEALT, or why there is none."""

    steps: list[list[list[int]]] | Failure  # step, sample, ranks

    @property
    def wrong(self) -> list[tuple[int, int]]:
        """The cells (step, sample) that are not as due."""
        if isinstance(self.steps, Failure):
            return []
        due = {cell: [int(DEALT[cell[0]][cell[1]])] if DEALT[cell[0]][cell[1]] != "." else [] for cell in CELLS}
        return [(step, sample) for step, sample in CELLS if self.steps[step][sample] != due[step, sample]]

    @property
    def sentence(self) -> str:
        if isinstance(self.steps, Failure):
            return f"local_batches: {self.steps.reason}."
        if not self.wrong:
            return "local_batches deals them out as due."
        step, sample = self.wrong[0]
        return f"{len(self.wrong)} of {len(CELLS)} cells are not as due, the first in step {step} at sample {sample}."


def ask_deal(submission: Any) -> Deal:
    """Asks for the parts of both ranks in each epoch."""

    def steps() -> list[list[list[int]]]:
        found: list[list[list[int]]] = [[[] for _ in range(SAMPLES)] for _ in DEALT]
        each = len(DEALT) // EPOCHS
        for epoch in range(EPOCHS):
            for rank in range(RANKS):
                parts = submission.local_batches(SAMPLES, BATCH, SEED, epoch, rank, RANKS)
                for number, part in enumerate(values.items(parts, most=SAMPLES)[:each]):
                    for entry in values.tensor(part, most=2 * SAMPLES).flatten().tolist():
                        if entry in range(SAMPLES):
                            found[each * epoch + number][int(entry)].append(rank)
        return found

    return Deal(attempt(steps))


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Asks for the parts and trains three times, and draws both."""
    deal = ask_deal(submission)
    images, labels = torch.tensor(IMAGES, dtype=torch.float64), torch.tensor(LABELS)
    ends = [ask_training(submission, images, labels, size, batch) for _, size, batch in TRAININGS]
    chart = style.new_figure(440)
    upper, lower = chart.subplots(2, 1, height_ratios=[2.1, 1])
    draw_deal(upper, deal)
    draw_ends(lower, ends)
    found = " ".join([deal.sentence, *(sentence(row, end) for row, end in zip(TRAININGS, ends, strict=True))])
    title = "Who works on what, and where it ends"
    caption = (
        "Above, a column for each step: frames are due, in the colour of the rank, and filled marks are yours; a cross "
        "is a cell that is not as due. Below, the largest difference of a weight from that of a single process: in the "
        f"band on the left they are the same. {found}"
    )
    description = (
        f"{SAMPLES} samples in batches of {BATCH} on {RANKS} ranks over {EPOCHS} epochs; then three trainings. {found}"
    )
    return Picture(title, to_svg(chart, "figure-17", title, description), caption, description)


def ask_training(
    submission: Any, images: torch.Tensor, labels: torch.Tensor, size: int, batch: int
) -> list[float | str] | Failure:
    """For each rank the largest difference of a weight from that which is due, or the name of what it raised."""
    due = DUE_4 if batch == 4 else DUE_3

    def distances() -> list[float | str]:
        call = f"run_data_parallel(…, batch_size={batch}) on {size} rank{'s' * (size > 1)}"
        rows = values.items(submission.run(train, images, labels, size, batch, call=call, timeout=SECONDS), size)
        return [values.text(row, 40) if type(row) is str else distance(row) for row in rows]

    def distance(row: object) -> float:
        mine = values.numbers(row, len(due))
        return max(abs(a - b) if a == a else math.inf for a, b in zip(mine, due, strict=True))

    return attempt(distances)


def sentence(training: tuple[str, int, int], end: list[float | str] | Failure) -> str:
    """How one training ended, in words."""
    if isinstance(end, Failure):
        return f"With {training[0]}: {end.reason}."
    if all(type(each) is float and each <= SAME for each in end):
        return f"With {training[0]}: the same weights."
    told = [
        f"raised {each}" if type(each) is str else "is right" if each <= SAME else f"is off by {each:.2g}"
        for each in end
    ]
    return f"With {training[0]}: {', '.join(f'rank {rank} {text}' for rank, text in enumerate(told))}."


def draw_deal(panel: Axes, deal: Deal) -> None:
    """A column for each step: the due rank of each sample as a frame, the student's as a mark."""
    marks = ("o", "s")
    for rank in range(RANKS):
        due = [cell for cell in CELLS if DEALT[cell[0]][cell[1]] == str(rank)]
        frame = {"marker": "s", "markersize": 15, "fillstyle": "none", "linestyle": "none"}
        panel.plot(*zip(*due, strict=True), color=COLOURS[rank], **frame)
        if not isinstance(deal.steps, Failure):
            mine = [cell for cell in CELLS if rank in deal.steps[cell[0]][cell[1]]]
            steps, samples = zip(*mine, strict=True) if mine else ((), ())
            panel.plot(steps, samples, marks[rank], markersize=7, color=COLOURS[rank], label=f"rank {rank}")
    if deal.wrong:
        panel.plot(*zip(*deal.wrong, strict=True), "x", markersize=9, color=style.INK, label="not as due")
    for border in range(1, EPOCHS):
        panel.axvline(border * len(DEALT) / EPOCHS - 0.5, color=style.MUTED, linewidth=1)
    untouched = isinstance(deal.steps, Failure)
    panel.set_title("local_batches: no parts came" if untouched else "local_batches: which rank has which sample")
    panel.set(xlim=(-0.6, len(DEALT) - 0.4), ylim=(SAMPLES - 0.3, -0.7), yticks=range(SAMPLES), ylabel="sample")
    panel.set_xticks(range(len(DEALT)), [f"{step % 3}" for step in range(len(DEALT))])
    panel.set_xlabel("batch of epoch 0, of epoch 1, of epoch 2")
    if not untouched:
        panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.12), ncols=3)


def draw_ends(panel: Axes, ends: list[list[float | str] | Failure]) -> None:
    """A row for each training, a mark for each rank."""
    panel.axvspan(LOW / 3, SAME, color=style.EXPECTED, alpha=0.18, linewidth=0)
    for row, end in enumerate(ends):
        if isinstance(end, Failure):
            panel.text(SAME * 3, row, "not written yet" if end.untouched else "no weights", va="center", fontsize=10)
            continue
        for rank, each in enumerate(end):
            if type(each) is str:
                panel.text(SAME * 3, row + 0.25 * rank, f"rank {rank}: {each}", va="center", fontsize=style.SMALL)
            else:
                place = min(max(float(each), LOW), HIGH)
                panel.plot(place, row - 0.13 + 0.26 * rank, ("o", "s")[rank], markersize=7, color=COLOURS[rank])
    panel.set(xscale="log", xlim=(LOW / 3, HIGH * 3), ylim=(len(TRAININGS) - 0.5, -0.5))
    panel.set_yticks(range(len(TRAININGS)), [name.replace(", ", "\n") for name, _, _ in TRAININGS])
    panel.set(xlabel="difference from a single process", title="run_data_parallel: weights after two epochs")
    style.plain_log(panel.xaxis)
    style.grid(panel, "x")
