"""python docs/pictures/draw.py: the README's pictures of the terminal and of the report, from real runs.

Needs the packages of requirements-dev.lock and a chromium.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from grader.report import print_report
from grader.result import Report

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TERMINAL = ("3", "ex03_training_loop", "training_loop.py", "epoch_mean_of_batch_means.py")
PAGE = ("6", "ex06_lr_scheduler", "lr_scheduler.py", "min_lr_as_a_floor.py")
SEED = "7"


def handed_in(slug: str, name: str, plant: str, folder: Path) -> Path:
    """A planted mistake as a submission."""
    shutil.copy(ROOT / "tests/hidden" / slug / "wrong_answer" / plant, folder / name)
    return folder


def dojo(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "grader", *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)


def terminal(folder: Path) -> None:
    number, slug, name, plant = TERMINAL
    source = handed_in(slug, name, plant, folder)
    dojo("grade", number, "--from", str(source), "--seed", SEED, "--report", str(folder / "report.json"))
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True, highlight=False)
    print_report(console, Report.from_json((folder / "report.json").read_text()), f"exercises/{slug}")
    svg = console.export_svg(title="make grade EX=3", unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # nothing is fetched from elsewhere
    (HERE / "terminal.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def page(folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    number, slug, name, plant = PAGE
    dojo("report", number, "--from", str(handed_in(slug, name, plant, folder)))
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1000, "height": 1500})
        shown.goto((ROOT / "reports" / slug / "report.html").as_uri())
        shown.screenshot(path=HERE / "report.png")
        browser.close()


if __name__ == "__main__":
    for draw in (terminal, page):
        with tempfile.TemporaryDirectory() as temporary:
            draw(Path(temporary))
