"""The page of alike submissions in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("copydetect", reason="the extra `similar` is not installed")

from grader.catalog import Catalog
from grader.proof.plants import cases
from grader.similar.disguise import Disguise, disguised
from grader.similar.gather import work_of
from grader.similar.pairs import find_similar
from grader.similar.render import render
from tests.browser.test_browser import OPEN_ALL, STANDARDS, THEMES, WIDTHS, shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
SEED = 5
HOSTILE = "x = '</code><script>document.title = 1</script><img src=//example.org/a onerror=alert(1)>'\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers that are too short; and pairs, one with a hostile text and name, one of the solution."""
    found = []
    for key in ("1", "3"):
        exercise = Catalog(ROOT).find(key)
        name = exercise.files[0]
        first, second, *_ = [each.files[name] for each in cases(exercise) if each.name.startswith("accepted/")]
        solution = (exercise.solution / name).read_text("utf-8")
        handed = {
            "ada": first,
            "bob": disguised(first, Disguise.REWRITTEN, SEED),
            "<b>cem</b> & co": second + HOSTILE,
            "dan": second + "y" * 3000 + "\n",
            "eve": solution,
            "fay": disguised(solution, Disguise.PLAIN, SEED),
        }
        works = [work_of(student, {name: text}) for student, text in handed.items()]
        found.append(find_similar(exercise, works))
    path = tmp_path_factory.mktemp("similar") / "similar.html"
    path.write_text(render(found), "utf-8")
    return path


def test_no_width_scrolls_the_page_sideways(browser: Browser, path: Path) -> None:
    with shown(browser, path) as page:
        page.evaluate(OPEN_ALL)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_an_audit_of_accessibility_finds_nothing(browser: Browser, path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with shown(browser, path) as page:
        page.evaluate(OPEN_ALL)
        for theme, width in (("light", 1440), ("dark", 360)):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 800})
            found = Axe().run(page, options=STANDARDS)
            assert found.response["passes"], "the audit ran"
            assert found.response["violations"] == [], found.generate_report()


def test_both_files_stand_side_by_side_and_below_each_other_on_a_phone(browser: Browser, path: Path) -> None:
    with shown(browser, path) as page:
        for width, beside in ((1440, True), (360, False)):
            page.set_viewport_size({"width": width, "height": 800})
            left, right = (page.locator(".pair").first.locator(".side").nth(n).bounding_box() for n in (0, 1))
            assert left
            assert right
            assert (left["y"] == right["y"]) is beside
            assert (left["x"] == right["x"]) is not beside


def test_marks_are_seen_in_both_themes(browser: Browser, path: Path) -> None:
    seen = set()
    for theme in THEMES:
        with shown(browser, path, color_scheme=theme) as page:
            colour = "(each) => getComputedStyle(each).backgroundColor"
            mark = page.locator("mark").first.evaluate(colour)
            assert mark != page.locator(".code").first.evaluate(colour)
            seen.add(mark)
    assert len(seen) == 2


def test_a_keyboard_goes_from_a_passage_to_the_same_in_the_other_file(browser: Browser, path: Path) -> None:
    with shown(browser, path) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "pairs"
        jump = page.locator(".pair").first.locator(".side").first.get_by_role("link").first
        assert jump.get_attribute("aria-label") == "Alike passage 1 begins: to the same in the other file"
        jump.focus()
        page.keyboard.press("Enter")
        target = page.locator(":target")
        assert target.count() == 1
        assert target.evaluate("each => each.closest('.side').previousElementSibling.className") == "side"


def test_a_file_reads_as_it_was_written(browser: Browser, path: Path) -> None:
    with shown(browser, path) as page:
        title = page.title()
        sides = page.locator(".side", has_text="<b>cem</b> & co")
        assert sides.count() == 1
        lines = sides.locator(".line").all_text_contents()
        assert HOSTILE.rstrip("\n") in [line.strip() for line in lines]
        assert page.title() == title
