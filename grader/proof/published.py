"""The tables of docs/thresholds.md, drawn from the records: which threshold holds where, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.catalog import Catalog, Exercise
from grader.margins import NARROW
from grader.proof.ledger import derived, ledgers
from grader.proof.records import RERUNS, TOLERANCES, read_record
from grader.proof.thresholds import Derived
from grader.result import write_atomically

PAGE = Path("docs", "thresholds.md")
HEADS = (
    *("exercise", "threshold", "of", "rests on", "reference: n, mean ± sd (min)"),
    *("false-fail", "nearest wrong plant", "false-pass"),
)
THRESHOLDS, TOLERANCE, COUNTS = "thresholds", "tolerances", "reruns"


def refresh(root: Path) -> None:
    """Draws the tables of the page anew. A course without the page gets none."""
    path = root / PAGE
    if path.is_file() and (text := path.read_text("utf-8")) != (drawn := page(root, text)):
        write_atomically(path, drawn)


def page(root: Path, text: str) -> str:
    """The page with its tables as the records are now."""
    for name, draw in ((THRESHOLDS, thresholds), (COUNTS, reruns), (TOLERANCE, tolerances)):
        head, end = f"<!-- {name}: drawn from docs/results -->\n", f"<!-- end of {name} -->"
        before, start, rest = text.partition(head)
        _, finish, after = rest.partition(end)
        if start and finish:
            text = f"{before}{head}{draw(root)}\n{end}{after}"
    return text


def thresholds(root: Path) -> str:
    """A row for each published threshold, on each device that it was measured on."""
    rows = [row for exercise in Catalog(root, as_published=True).exercises for row in _thresholds_of(exercise)]
    return _table(HEADS, rows)


def _thresholds_of(exercise: Exercise) -> Iterator[tuple[str, ...]]:
    known = ledgers(exercise)
    for name, value in exercise.thresholds.items():
        basis = "rule of the course" if name in exercise.required else "measurement"
        found = [(ledger.device, derived(exercise, ledger)) for ledger in known if ledger.figure == name]
        if not any(each for _, each in found):
            yield exercise.key, f"{value:.1%}", name, basis, "not measured yet", "", "", ""
        for device, each in found:
            if each is not None:
                yield exercise.key, f"{value:.1%}", f"{name} ({device})", basis, *_rates(each)


def _rates(found: Derived) -> tuple[str, ...]:
    fit = next((fit for fit in found.rights if fit.submission == "solution"), found.rights[0])
    reference = f"{fit.n}, {100 * fit.mean:.2f} ± {100 * fit.sd:.2f} % ({100 * fit.low:.2f})"
    nearest, passes = found.nearest, found.false_pass
    plant = nearest.submission.rpartition("/")[2] if nearest else "none told apart"
    return reference, f"{found.false_fail:.0e}", plant, "" if passes is None else f"{passes:.0e}"


def reruns(root: Path) -> str:
    """A row for each exercise and device."""
    rows = []
    for slug, devices in read_record(root, RERUNS).items():
        for device, entry in devices.items():
            runs = ", ".join(f"{name} {each['quick']} + {each['training']}" for name, each in entry["runs"].items())
            rows.append((slug, device, str(entry["tests"]), runs, str(len(entry["failures"])), entry["about"]["date"]))
    return _table(("exercise", "device", "tests", "runs, quick + training", "failures", "date"), rows)


def tolerances(root: Path) -> str:
    """For each exercise, device and dtype: how many comparisons, and the widest margin among them."""
    rows = []
    for slug, devices in read_record(root, TOLERANCES).items():
        for device, entry in devices.items():
            dtypes = sorted({dtype for each in entry["tests"].values() for dtype in each})
            for dtype in dtypes:
                named = [(each[dtype], test) for test, each in entry["tests"].items() if dtype in each]
                row, test = max(named, key=lambda pair: pair[0]["margin"])
                n = sum(each["comparisons"] for each, _ in named)
                worst = f"{row['margin']:.3g}" + (" (narrow)" if row["margin"] > NARROW else "")
                rows.append((slug, dtype, device, f"{n:,}", worst, f"`{test}`"))
    return _table(("exercise", "dtype", "device", "comparisons", "widest margin", "in"), rows)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return "Nothing is recorded yet."
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
