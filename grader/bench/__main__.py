"""python -m grader.bench [--rounds 7] [--only cold,warm] [--save docs/results/bench.json]"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from grader.bench import cohort, cold, container, growth, soak, training, warm, workers
from grader.bench.figures import Aim, Figure
from grader.catalog import Catalog, find_root
from grader.errors import DojoError, UsageError
from grader.machine import machine
from grader.result import write_atomically

SAVES = 12
PARTS = ("cold", "memory", "worker", "isolation", "warm", "training")
SOAK = "soak"
CONTAINER = "container"
LONG = ("cohort", "growth", SOAK, CONTAINER)  # only where they are asked for: each takes more than ten minutes


def main() -> int:
    """Measures, prints, and saves where asked to. 1 if an aim is missed, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="cold runs of each kind (default: 7)")
    parser.add_argument("--saves", type=int, default=SAVES, help=f"saves of each exercise (default: {SAVES})")
    parser.add_argument("--soak-saves", type=int, default=1000, help="of the part 'soak' (default: 1000)")
    parser.add_argument("--seeds", type=int, default=1, help="of the final project's training (default: 1)")
    parser.add_argument("--data-dir", help="where the final project finds its data (default: as it does itself)")
    parser.add_argument("--exercises", default="", help="of the part 'container', such as 3,final (default: all)")
    cohort_options(parser.add_argument_group("of the parts 'cohort' and 'growth'"))
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join((*PARTS, *LONG))}")
    parser.add_argument("--save", type=Path, help="a JSON file to keep the figures in")
    options = parser.parse_args()
    try:
        return _bench(options)
    except DojoError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code


def cohort_options(group: argparse._ArgumentGroup) -> None:
    """How large the classes are."""
    usual = cohort.Plan()
    group.add_argument("--submissions", type=int, default=usual.submissions, help="a class (default: %(default)s)")
    group.add_argument("--large", type=int, default=2000, help="a large one (default: %(default)s)")
    group.add_argument("--sample", type=int, default=usual.sample, help="of each rival, twice a round (%(default)s)")
    group.add_argument("--class-rounds", type=int, default=usual.rounds, help="runs over the class (%(default)s)")
    group.add_argument("--otter", type=Path, default=usual.otter, help="an environment with otter (%(default)s)")


def class_plan(options: argparse.Namespace) -> cohort.Plan:
    return cohort.Plan(options.submissions, options.sample, options.class_rounds, options.otter)


def _bench(options: argparse.Namespace) -> int:
    chosen = options.only.split(",")
    if strange := sorted(set(chosen) - {*PARTS, *LONG}):
        raise UsageError(f"'{strange[0]}' is not one of {', '.join((*PARTS, *LONG))}")
    root = find_root(Path.cwd())
    catalog = Catalog(root)
    quick = [each for each in catalog.exercises if each.number is not None and each.number <= 6]
    third = catalog.find("3")
    parts: dict[str, Callable[[], tuple[list[Figure], list[Aim]]]] = {
        "cold": lambda: cold.cold(root, options.rounds),
        "memory": lambda: cold.memory(root, 3),
        "worker": lambda: workers.fresh(third, 5 * options.rounds),
        "isolation": lambda: workers.isolation(third, options.rounds),
        "warm": lambda: warm.warm(root, quick, options.saves),
        "cohort": lambda: cohort.cohort(root, class_plan(options)),
        "growth": lambda: growth.growth(root, options.submissions, options.large),
    }
    figures: list[Figure] = []
    aims: list[Aim] = []
    load = os.getloadavg()[0]
    print(f"{'':52} {'n':>3} {'min':>8} {'median':>8} {'p95':>8} {'max':>8}")
    for name in (name for name in parts if name in chosen):
        rows, due = parts[name]()
        for row in rows:
            numbers = " ".join(f"{value:8.3f}" for value in (row.minimum, row.median, row.p95, row.maximum))
            print(f"{row.name:52} {row.n:>3} {numbers} {row.unit}", flush=True)
        figures += rows
        aims += due
    budgets = training.training(root, options.seeds, options.data_dir) if "training" in chosen else []
    print()
    for aim in aims:
        mark = "✓" if aim.met else "✗"
        print(f"{mark} {aim.name:52} {aim.value:8.3f} {aim.unit:2} (aim: at most {aim.most:.3g})")
    for each in budgets:
        mark = "✓" if each.ours > each.plain else "✗"
        print(f"{mark} {each.seconds:5.0f} CPU s, seed {each.seed}: {each.ours:.2%}, a plain network {each.plain:.2%}")
    looks: list[soak.Look] = []
    for look in soak.soak(root, catalog.find("2"), options.soak_saves) if SOAK in chosen else ():
        size = f"{look.megabytes:7.0f} MB in {look.processes} processes"
        print(f"after {look.saves:5} saves: {size}, of it {look.lasting:5.0f} MB in lasting ones", flush=True)
        looks.append(look)
    fits: list[container.Fit] = []
    named = [catalog.find(each) for each in options.exercises.split(",") if each] or catalog.exercises
    for fit in container.measure(named) if CONTAINER in chosen else ():
        points = "no results" if fit.points is None else f"{fit.points:g} of {fit.max_points:g} points"
        mark = "✓" if fit.fits else "✗"
        print(f"{mark} {fit.exercise:28} {points:16} {fit.seconds:5.0f} s {fit.peak_mb:5.0f} MB", flush=True)
        fits.append(fit)
    about = machine("cpu")
    print(f"\n{about}, load {load:.1f} at the start")
    if options.save:
        body = {
            "machine": about,
            "load": load,
            "figures": [asdict(row) for row in figures],
            "aims": [{**asdict(aim), "met": aim.met} for aim in aims],
            "training": [asdict(each) for each in budgets],
            "soak": [asdict(look) for look in looks],
            "container": [{**asdict(fit), "fits": fit.fits} for fit in fits],
        }
        write_atomically(options.save, json.dumps(body, indent=2) + "\n")
    missed = any(not aim.met for aim in aims) or any(each.ours <= each.plain for each in budgets)
    missed |= bool(looks) and not soak.flat(looks)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
