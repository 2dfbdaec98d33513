"""`dojo calibrate` on a terminal: a threshold, the runs that it rests on, and the wrong verdicts that it implies."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.grading import Settings
from grader.proof.calibrate import calibrate, chosen, use_data
from grader.proof.evidence import count, terminal
from grader.proof.ledger import Ledger, codes, derived, fits, ledgers
from grader.proof.published import refresh
from grader.proof.rerun import share_bound
from grader.proof.thresholds import AIM, FAR_FROM_NORMAL, LEAST, Derived, Fit
from grader.sandbox import Mode
from grader.session import DEVICES, one_of


def calibrate_and_report(exercise: Exercise, options: Any) -> int:
    """Trains and records unless only the report is asked for; prints. 0 if all thresholds are the derived ones."""
    console = terminal()
    if not options.report:
        mode = Mode(one_of("SANDBOX", options.sandbox, tuple(Mode)))
        settings = Settings(device=one_of("DEVICE", options.device, DEVICES), sandbox=mode)
        runs = count("RUNS", options.runs)
        use_data(options.data_dir)
        with Status(f"{exercise.slug} …", console=Console(stderr=True)) as status:
            calibrate(
                exercise,
                settings,
                chosen(exercise, options.plants),
                runs,
                lambda text: status.update(f"{exercise.slug}: {text} …"),
            )
    refresh(exercise.root)
    known = ledgers(exercise)
    if not known:
        raise UsageError(f"nothing is recorded of exercise {exercise.key}: run `make calibrate EX={exercise.key}`")
    for ledger in known:
        _print(console, exercise, ledger)
    return int(bool(drifted(exercise)))


def drifted(exercise: Exercise) -> list[str]:
    """The lines that exercise.toml is to hold instead: its thresholds that are not what the records say."""
    wanted: dict[str, float] = {}
    for ledger in ledgers(exercise):
        found = derived(exercise, ledger)
        if found is not None and ledger.figure not in exercise.required:
            wanted[ledger.figure] = min(found.threshold, wanted.get(ledger.figure, 1.0))
    return [f"{name} = {value:.3f}" for name, value in wanted.items() if exercise.thresholds.get(name) != value]


def _print(console: Console, exercise: Exercise, ledger: Ledger) -> None:
    console.print(f"{exercise.slug}, {ledger.figure} on {ledger.device}: {ledger.budget}", markup=False)
    found = derived(exercise, ledger)
    if found is None:
        console.print(f"  too few runs of the solution as it is now: {LEAST} are due, 30 are better\n")
        return
    console.print(_table(exercise, ledger, found))
    for text in conclusions(exercise, ledger, found):
        console.print(f"  {text}", markup=False)
    console.print()


def _table(exercise: Exercise, ledger: Ledger, found: Derived) -> Table:
    table = Table(box=None, padding=(0, 1))
    for heading in ("submission", "n", "mean %", "sd", "min", "max", f"at {found.threshold:.1%}", ""):
        table.add_column(heading, justify="left" if heading in ("submission", "") else "right", overflow="fold")
    rights, wrongs = fits(ledger, codes(exercise))
    for fit in sorted([*rights, *wrongs], key=lambda fit: -(fit.mean if fit.n else -1)):
        table.add_row(fit.submission, *_figures(fit), *_outcome(fit, found))
    return table


def _figures(fit: Fit) -> list[str]:
    if not fit.n:
        return ["0", "", "", "", ""]
    return [str(fit.n), *(f"{100 * value:.2f}" for value in (fit.mean, fit.sd, fit.low, fit.high))]


def _outcome(fit: Fit, found: Derived) -> tuple[str, str]:
    missing = f", {fit.missing} runs without a figure" if fit.missing else ""
    if not fit.n:
        return "", f"no figure in {fit.missing} runs"
    if fit in found.thin:
        return "", f"too few runs{missing}"
    if fit in found.rights:
        return f"fails {fit.below(found.threshold):.1e}", missing.removeprefix(", ")
    kind = "not told apart" if fit in found.alike else "nearest" if fit is found.nearest else ""
    return f"passes {fit.reaches(found.threshold):.1e}", f"{kind}{missing}".removeprefix(", ")


def conclusions(exercise: Exercise, ledger: Ledger, found: Derived) -> list[str]:
    """What follows, and what the runs do not support, in plain words."""
    rule, name = ledger.figure in exercise.required, ledger.figure
    now = exercise.thresholds.get(name)
    texts = (
        [f"{name}: {found.threshold:.1%} is a rule of the course"]
        if rule
        else [f"derived: {name} = {found.threshold:.3f}"]
    )
    if not rule and now != found.threshold:
        texts.append(f"exercise.toml says {'nothing' if now is None else f'{now:g}'}: write the line above into it")
    texts.append(f"false-fail: {_rate(found.false_fail)}")
    if found.nearest is None:
        texts.append(
            "false-pass: no measured wrong plant is told apart by accuracy; the threshold rests on right answers alone"
        )
    else:
        texts.append(f"false-pass of the nearest plant, {found.nearest.submission}: {_rate(found.false_pass or 0.0)}")
    if found.alike:
        names = ", ".join(fit.submission for fit in found.alike)
        texts.append(f"not told apart by accuracy, so other tests are to catch them: {names}")
    for fit in found.rights:
        failed = sum(value < found.threshold for value in fit.values) + fit.missing
        bound = share_bound(failed, fit.n + fit.missing)
        counted = f"counted, {fit.submission} failed {failed} of {fit.n + fit.missing} runs"
        texts.append(
            f"{counted}: by itself that bounds the rate at {bound:.1%} (95 % confidence); the rest is the fit's word"
        )
        if fit.from_normal > FAR_FROM_NORMAL:
            texts.append(
                f"{fit.submission}: the logits are not normal (Anderson-Darling {fit.from_normal:.2f}): doubt the rates"
            )
    return texts


def _rate(rate: float) -> str:
    return f"{rate:.1e}, {'within' if rate <= AIM else 'NOT within'} the aim of {AIM:g}"
