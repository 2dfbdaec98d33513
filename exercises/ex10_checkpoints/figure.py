"""The picture of exercise 10: five small trainings, each with a break; four need one more state than the first.

What is due is worked out here by a training without a break, with SGD and its schedule by hand. Where a curve leaves
what is due at the break, the state that this training is about has not come back.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture

ROWS, BATCH, EPOCHS, BREAK = 12, 4, 4, 2  # three steps an epoch, so the break is after step 6
STEPS, BEFORE = EPOCHS * ROWS // BATCH, BREAK * ROWS // BATCH
FEATURES, LR, RATE = 3, 0.1, 0.2
NEEDS = {
    "weights and lr": {},
    "momentum": {"momentum": 0.7},
    "schedule": {"schedule": True},
    "order of the data": {"shuffled": True},
    "dropout": {"dropout": 0.4},
}


def train_with_a_break(sub, x, y, start, seed, plan, lr, batch, epochs, stop):
    """The loss before each step after the break."""
    import torch
    from torch import nn

    x, y = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)

    def begin(seed, lr):
        layers = nn.Dropout(plan.get("dropout", 0.0)), nn.Linear(x.shape[1], 1, bias=False, dtype=torch.float64)
        model = nn.Sequential(*layers)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=plan.get("momentum", 0.0))
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5) if plan.get("schedule") else None
        generator = torch.Generator().manual_seed(seed) if plan.get("shuffled") else None
        torch.manual_seed(seed)
        return model, optimizer, scheduler, generator

    def one_epoch(model, optimizer, scheduler, generator):
        losses = []
        order = torch.arange(len(x)) if generator is None else torch.randperm(len(x), generator=generator)
        for rows in order.split(batch):
            loss = (model(x[rows])[:, 0] - y[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if scheduler is not None:
            scheduler.step()
        return losses

    run = model, optimizer, scheduler, generator = begin(seed, lr)
    model[1].load_state_dict({"weight": torch.tensor([start], dtype=torch.float64)})
    for _ in range(stop):
        one_epoch(*run)
    sub.save_checkpoint("figure.pt", model, {}, optimizer, scheduler, generator, epoch=stop)
    run = begin(seed + 1, 4 * lr)
    sub.resume("figure.pt", *run)
    return [loss for _ in range(stop, epochs) for loss in one_epoch(*run)]


def scale_after_loading(sub, rate):
    """How much a model that was saved with dropout `rate` scales what it keeps, in training mode."""
    import torch
    from torch import nn

    def build(width, dropout=0.5):
        return nn.Sequential(nn.Linear(width, width, bias=False), nn.Dropout(dropout))

    torch.save({"model": {"0.weight": torch.eye(2)}, "hyperparameters": {"width": 2, "dropout": rate}}, "loaded.pt")
    return sub.load_checkpoint("loaded.pt", build, train=True)(torch.ones(100, 2)).max().item()


def without_a_break(x: torch.Tensor, y: torch.Tensor, start: torch.Tensor, seed: int, plan: dict) -> list[float]:
    """The loss before each step; the slope of the mean square and the step are written out."""
    weight, velocity, losses = start.clone(), torch.zeros_like(start), []
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for epoch in range(EPOCHS):
            order = torch.randperm(ROWS, generator=generator) if plan.get("shuffled") else torch.arange(ROWS)
            for rows in order.split(BATCH):
                inputs = F.dropout(x[rows], plan.get("dropout", 0.0))
                error = inputs @ weight - y[rows]
                losses.append(error.square().mean().item())
                velocity = plan.get("momentum", 0.0) * velocity + 2 / BATCH * inputs.T @ error
                weight = weight - LR * (0.5**epoch if plan.get("schedule") else 1.0) * velocity
    return losses


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """Five panels, one for each training: the loss of every step, as is due and as it was after the break."""
    x, start = (torch.randn(*size, generator=rng, dtype=torch.float64) for size in ((ROWS, FEATURES), (FEATURES,)))
    y = x @ torch.tensor([2.0, -1.0, 1.0], dtype=torch.float64) + torch.randn(ROWS, generator=rng, dtype=torch.float64)
    seed = int(torch.randint(1 << 30, (), generator=rng))
    drawing = style.new_figure(560)
    panels = drawing.subplots(len(NEEDS), 1, sharex=True)
    verdicts, described = {}, []
    for axes, (name, plan) in zip(panels, NEEDS.items(), strict=True):
        due = without_a_break(x, y, start, seed, plan)
        settings = x.tolist(), y.tolist(), start.tolist(), seed, plan, LR, BATCH, EPOCHS, BREAK
        call = f"save_checkpoint after {BREAK} of {EPOCHS} epochs, then resume ({name})"
        yours = attempt(lambda given=settings, call=call: _losses(submission, given, call))
        verdicts[name] = _verdict(yours, due)
        numbers = "no values" if isinstance(yours, Failure) else _listed(yours)
        described.append(f"{name}: due {_listed(due)}; yours after the break {numbers}.")
        _draw(axes, due, yours, f"{name}: {verdicts[name]}")
    panels[-1].set(xlabel="step")
    drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    caption = (
        f"Five trainings of {EPOCHS} epochs, {STEPS} steps in all, saved and resumed after step {BEFORE}; the curves "
        f"show the loss before each step. The first one needs weights and lr only, each of the others one thing more. "
        f"{_told(verdicts)} {_of_dropout(attempt(lambda: _scale(submission)))}"
    )
    title = "Trainings that were interrupted"
    return to_picture(drawing, "figure-10", title=title, caption=caption, description=" ".join(described))


def _losses(submission: Any, settings: tuple, call: str) -> list[float]:
    return values.numbers(submission.run(train_with_a_break, *settings, call=call), STEPS - BEFORE)


def _scale(submission: Any) -> float:
    call = f'load_checkpoint("loaded.pt", build, train=True), saved with dropout={RATE}'
    return values.number(submission.run(scale_after_loading, RATE, call=call))


def _draw(axes: Axes, due: list[float], yours: list[float] | Failure, title: str) -> None:
    axes.plot(range(1, STEPS + 1), due, "o-", color=style.EXPECTED, markersize=3.5, label="without a break, expected")
    axes.axvline(BEFORE + 0.5, color=style.MUTED, linestyle=style.DASHES[2], label="the break")
    if not isinstance(yours, Failure):
        look = {"color": style.GOT, "markerfacecolor": "none", "markersize": 8, "linestyle": style.DASHES[1]}
        shown = [
            min(max(loss, min(due) / 2.8), max(due) * 2.8) for loss in yours
        ]  # what leaves the picture lies at its rim
        axes.plot(range(BEFORE + 1, STEPS + 1), shown, marker="s", linewidth=1.0, label="yours", **look)
    axes.set_yscale("log")
    style.plain_log(axes.yaxis)
    axes.set(title=title, xlim=(0.5, STEPS + 0.5), ylim=(min(due) / 3, max(due) * 3), xticks=range(1, STEPS + 1))
    style.grid(axes, "y")


def _verdict(yours: list[float] | Failure, due: list[float]) -> str:
    if isinstance(yours, Failure):
        return "is not written yet" if yours.untouched else "gives no values"
    pairs = zip(yours, due[BEFORE:], strict=True)
    wrong = [BEFORE + 1 + step for step, (got, right) in enumerate(pairs) if not abs(got - right) <= 1e-9]
    return f"parts at step {wrong[0]}" if wrong else "goes on"


def _told(verdicts: dict[str, str]) -> str:
    """In words, which of the trainings did not go on as is due."""
    wrong = [f"{name} ({verdict})" for name, verdict in verdicts.items() if verdict != "goes on"]
    if not wrong:
        return "Yours go on as if there had been no break."
    if len(set(verdicts.values())) == 1:
        return f"Each of yours {next(iter(verdicts.values()))}."
    return f"Of yours, these do not go on as is due: {', '.join(wrong)}."


def _of_dropout(scale: float | Failure) -> str:
    if isinstance(scale, Failure):
        return "" if scale.untouched else f"A model saved with a dropout of {RATE} does not come back: {scale}"
    rate = 1 - 1 / scale if scale >= 1 else float("nan")
    return f"A model saved with a dropout of {RATE} comes back with {rate:.2g}."


def _listed(series: list[float]) -> str:
    return ", ".join(f"{each:.3g}" for each in series)
