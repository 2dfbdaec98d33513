"""python docs/pictures/draw.py [terminal page staff]: the pictures in the documents.

The terminal and the report are from real runs, the instructor's pages are of a simulated class of 1,000.

Needs the packages of requirements-dev.lock and a chromium.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from grader.gradebook.book import Gradebook, Student
from grader.report import print_report
from grader.result import Report
from grader.settings.policy import Policy
from grader.site.write import write_site

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))  # the simulated class is one of the tests

from tests.grader.cohort_of import cohort  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

TERMINAL = ("3", "ex03_training_loop", "training_loop.py", "epoch_mean_of_batch_means.py")
PAGE = ("6", "ex06_lr_scheduler", "lr_scheduler.py", "min_lr_as_a_floor.py")
SEED = "7"
STUDENTS, EXERCISES = 1000, 18


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
    number, slug, name, plant = PAGE
    dojo("report", number, "--from", str(handed_in(slug, name, plant, folder)))
    with looking(1000, 1500) as shown:
        shown.goto((ROOT / "reports" / slug / "report.html").as_uri())
        shown.screenshot(path=HERE / "report.png")


def staff(folder: Path) -> None:
    with Gradebook.open(folder / "book.sqlite") as book:
        book.enrol([Student(f"student{n:04}", section=("north", "south")[n % 2]) for n in range(STUDENTS)])
        for result in cohort(int(SEED), STUDENTS, EXERCISES, 1):
            book.record(result)
        write_site(book, Policy(), folder / "class", f"A simulated class of {STUDENTS:,}")
    with looking(1280, 900) as shown:
        shown.goto((folder / "class/index.html").as_uri())
        shown.screenshot(path=HERE / "class.png")
        shown.get_by_role("button", name="Points").click()
        shown.locator("#find").fill("student01")
        shown.evaluate("document.querySelector('#students').scrollIntoView()")
        shown.screenshot(path=HERE / "class-table.png")


@contextmanager
def looking(width: int, height: int) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": width, "height": height})
        browser.close()


if __name__ == "__main__":
    for draw in (terminal, page, staff):
        if len(sys.argv) > 1 and draw.__name__ not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            draw(Path(temporary))
