"""The instructor's pages in a real browser: sorted, filtered, followed; names of students are text there too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.__main__ import main
from grader.errors import UsageError
from grader.gradebook.book import Gradebook, Student
from grader.gradebook.decisions import Kind, decide
from grader.result import Verdict
from grader.settings.policy import Policy
from grader.site.write import MARKER, write_site
from tests.browser.reports import SCRIPT
from tests.browser.test_browser import OPEN_ALL, STANDARDS, WIDTHS, shown
from tests.grader.cohort_of import cohort, result

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SEED, STUDENTS, EXERCISES = 5, 40, 6
HOSTILE = f"zed {SCRIPT}\"'><b>"


def fill(book: Gradebook) -> None:
    groups = ("north", "south")
    people = [Student(f"student{n:04}", f"Person {n}", "", "", "", "", groups[n % 2]) for n in range(STUDENTS)]
    book.enrol(
        [*people, Student(HOSTILE, SCRIPT, "", "", "", "", SCRIPT), Student("absent", "", "", "", "", "", "north")]
    )
    for each in cohort(SEED, STUDENTS, EXERCISES, 1):
        book.record(each)
    book.record(result(HOSTILE, "ex01_simulated", 5, 5))
    book.record(result("student0001", "ex02_simulated", 0, 5, submission="s9", verdict=Verdict.JUDGE_ERROR))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with Gradebook.open(folder / "book.sqlite") as book:
        fill(book)
        decide(book, "student0002", "ex01_simulated", Kind.OVERRIDE, "a misprint in the task", "dean", 5)
        assert write_site(book, Policy(), folder / "class", "Spring") == STUDENTS + 3
    return folder / "class"


@pytest.fixture
def index(browser: Browser, site: Path) -> Iterator[Page]:
    with shown(browser, site / "index.html", viewport={"width": 1440, "height": 900}) as page:
        yield page


def students(page: Page) -> list[str]:
    return page.eval_on_selector_all("#table tbody tr:not([hidden]) th a", "all => all.map(each => each.textContent)")


def shares(page: Page, place: int) -> list[float]:
    script = f"all => all.map(each => Number(each.cells[{place}].dataset.value))"
    return page.eval_on_selector_all("#table tbody tr:not([hidden])", script)


def test_the_table_has_everybody_and_sorts_by_each_column(index: Page) -> None:
    assert len(students(index)) == STUDENTS + 2
    assert index.inner_text("#count") == f"{STUDENTS + 2} of {STUDENTS + 2} students"
    head = index.get_by_role("button", name="Points")
    for order, step in (("descending", -1), ("ascending", 1)):
        head.click()
        assert index.get_by_role("columnheader", name="Points").get_attribute("aria-sort") == order
        found = shares(index, 1)
        assert found == sorted(found, reverse=step < 0)
        assert len(set(found)) > 5
    index.get_by_role("button", name="3", exact=True).press("Enter")
    found = shares(index, 4)
    assert found == sorted(found, reverse=True)
    assert index.locator("[aria-sort]").count() == 1
    index.get_by_role("button", name="Student").click()
    assert students(index) == sorted(students(index))


def test_filters_narrow_the_table_and_say_how_far(index: Page) -> None:
    index.get_by_label("Find").fill("PERSON 7")
    assert students(index) == ["student0007"]
    index.get_by_label("Find").fill("")
    index.get_by_label("Section").select_option("north")
    north = students(index)
    assert len(north) == STUDENTS // 2 + 1
    index.get_by_label("Show").select_option("missing")
    assert students(index) == ["absent"]
    index.get_by_label("Section").select_option("")
    assert sorted(students(index)) == sorted(["absent", HOSTILE])
    index.get_by_label("Exercise").select_option("1")
    assert students(index) == ["absent"]  # the hostile one has handed in that exercise alone
    index.get_by_label("Show").select_option("full")
    index.get_by_label("Exercise").select_option("1")
    assert HOSTILE in students(index)
    index.get_by_label("Exercise").select_option("")
    index.get_by_label("Show").select_option("ours")
    assert "student0001" in students(index)
    index.get_by_label("Show").select_option("need")
    assert "absent" in students(index)
    assert 0 < len(students(index)) < STUDENTS


def test_a_cell_leads_to_the_report_behind_it(browser: Browser, site: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    page.get_by_role("row", name="student0002").locator("td").nth(1).locator("a").click()
    assert page.url.endswith(".html#ex01_simulated")
    text = page.inner_text("#ex01_simulated")
    assert "overridden 5 of 5 points" in " ".join(text.split())
    assert "by hand: a misprint in the task" in text
    assert page.locator("#ex01_simulated .drill").count() == 5
    page.get_by_role("link", name="The class").click()
    assert page.url.endswith("index.html")
    context.close()


def test_it_is_whole_without_its_script(browser: Browser, site: Path) -> None:
    with shown(browser, site / "index.html", java_script_enabled=False) as page:
        assert page.locator("#table tbody tr").count() == STUDENTS + 2
        assert not page.locator(".controls").is_visible()


def test_figures_of_the_class_are_numbers_too(index: Page) -> None:
    bars = index.locator(".histogram").first.locator("tr")
    counts = bars.locator(".count").all_text_contents()
    assert sum(map(int, counts)) == STUDENTS + 2
    heights = index.eval_on_selector_all(
        ".histogram:first-child .bar", "all => all.map(each => each.getBoundingClientRect().height)"
    )
    tallest = max(map(int, counts))
    for count, height in zip(map(int, counts), heights, strict=True):
        assert height == pytest.approx(max(1, max(heights) * count / tallest), abs=1)
    assert "Idea" in index.inner_text(".hard >> nth=0")
    assert "no: grade it again" in index.inner_text("#faults >> xpath=..")


def test_an_audit_of_accessibility_finds_nothing_at_any_width(browser: Browser, site: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for name in ("index.html", "students/3.html"):
        with shown(browser, site / name) as page:
            page.evaluate(OPEN_ALL)
            for theme, width in (("light", 1440), ("dark", 360)):
                page.emulate_media(color_scheme=theme)
                page.set_viewport_size({"width": width, "height": 800})
                found = Axe().run(page, options=STANDARDS)
                assert found.response["passes"], "the audit ran"
                assert found.response["violations"] == [], found.generate_report()
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.scrollingElement.scrollWidth") <= width


# --- the folder


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with Gradebook.open(tmp_path / "book.sqlite") as book:
        book.enrol([Student("ada")])
        book.record(result("ada"))
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine/thesis.txt").write_text("mine")
        with pytest.raises(UsageError, match="holds something else"):
            write_site(book, Policy(), tmp_path / "mine", "T")
        assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
        for _ in range(2):
            assert write_site(book, Policy(), tmp_path / "out", "T") == 2
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MARKER, "index.html", "students"]
        assert (tmp_path / "out").stat().st_mode & 0o077 == 0


def test_the_command_says_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book:
        book.enrol([Student("ada")])
        book.record(result("ada"))
    options = ["--gradebook", str(tmp_path / "gradebook.sqlite")]
    assert main(["gradebook", "pages", "--out", str(tmp_path / "pages"), *options]) == 0
    assert "2 pages, for staff alone" in capsys.readouterr().out


PAIR = {"exercise": "ex01_simulated", "share_left": 0.9, "share_right": 1.0, "like_solution": False, "anchor": "p1-1"}


def similar(folder: Path, *pairs: tuple[str, str]) -> Path:
    """What `dojo similar` leaves."""
    page = folder / "similar.html"
    page.write_text("<!doctype html><title>Pairs</title><article id=p1-1>both files</article>")
    body = {"pairs": [{**PAIR, "left": left, "right": right} for left, right in pairs]}
    (folder / "similar.json").write_text(json.dumps(body))
    return page


def test_pairs_that_are_alike_lead_to_both_students_and_to_both_files(browser: Browser, tmp_path: Path) -> None:
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book:
        book.enrol([Student("ada"), Student(HOSTILE), Student("eve")])
        write_site(book, Policy(), tmp_path / "out", "T", similar(tmp_path, ("ada", HOSTILE), ("ada", "gone")))
    index = tmp_path / "out/index.html"
    with shown(browser, index) as page:
        page.get_by_text("2 pairs of submissions are alike").click()
        ada = page.get_by_role("link", name="ada").first.get_attribute("href")
    assert ada
    with shown(browser, index.parent / ada) as page:
        rows = page.locator("section[aria-labelledby=alike] tbody tr")
        assert rows.count() == 2
        assert HOSTILE in rows.first.inner_text()
        assert "90 %" in rows.first.inner_text()
        both = rows.first.get_by_role("link", name="both files").get_attribute("href")
    assert both == "../similar.html#p1-1"
    with shown(browser, index.parent / "similar.html") as page:
        assert page.inner_text("#p1-1") == "both files"
    eve = next(path for path in (tmp_path / "out/students").iterdir() if "<h1>eve<" in path.read_text())
    assert "Alike" not in eve.read_text()


@pytest.mark.parametrize("content", ["", "[]", '{"pairs": [{"left": 3}]}', '{"pairs": [7]}'])
def test_pairs_that_can_not_be_read_are_not_left_out_in_silence(tmp_path: Path, content: str) -> None:
    page = similar(tmp_path, ("ada", "bob"))
    (tmp_path / "similar.json").write_text(content)
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book, pytest.raises(UsageError, match="run it again"):
        write_site(book, Policy(), tmp_path / "out", "T", page)
    (tmp_path / "similar.json").unlink()
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book, pytest.raises(UsageError, match="run `dojo similar`"):
        write_site(book, Policy(), tmp_path / "out", "T", page)
    assert not (tmp_path / "out").exists()
