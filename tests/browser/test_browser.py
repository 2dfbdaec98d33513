"""The page in a real browser: nothing runs, nothing is loaded, and everybody can read it, on paper too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from grader.notebook import Graded
from grader.page.render import render
from grader.page.view import page_of
from tests.browser.conftest import PAGES
from tests.browser.reports import FILES, REPORTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (360, 768, 1440)
THEMES = ("light", "dark")
OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"
STANDARDS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@contextmanager
def shown(browser: Browser, path: Path, **settings: Any) -> Iterator[Page]:
    """The page, which is to ask for nothing, complain of nothing and run nothing."""
    context = browser.new_context(**settings)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert said == []


@pytest.mark.parametrize("name", ["mixed", "long"])
def test_no_width_scrolls_the_page_sideways(browser: Browser, folder: Path, name: str) -> None:
    with shown(browser, folder / f"{name}.html") as page:
        page.evaluate(OPEN_ALL)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width


@pytest.mark.parametrize("name", PAGES)
def test_an_audit_of_accessibility_finds_nothing(browser: Browser, folder: Path, name: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with shown(browser, folder / f"{name}.html") as page:
        page.evaluate(OPEN_ALL)
        for theme, width in (("light", 1440), ("dark", 360)):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 800})
            found = Axe().run(page, options=STANDARDS)
            assert found.response["passes"], "the audit ran"
            assert found.response["violations"] == [], found.generate_report()


def test_words_of_hidden_tests_that_are_kept_back_are_nowhere_on_the_page(browser: Browser, folder: Path) -> None:
    with shown(browser, folder / "withheld.html") as page:
        page.evaluate(OPEN_ALL)
        text, source = page.inner_text("body"), page.content()
        assert "The course shows them from 2026-03-01 23:59+00:00 on." in text
        assert page.locator("#task-5").count() == 1
        for word in ("Doubling doubles", "3 at [0, 1]", "off by 27", "What is twice?", "IndexError", "CANARY"):
            assert word not in source
    with shown(browser, folder / "mixed.html") as page:
        page.evaluate(OPEN_ALL)
        assert "Doubling doubles" in page.inner_text("body")


def test_the_themes_differ_and_paper_is_white(browser: Browser, folder: Path) -> None:
    seen = []
    for theme in THEMES:
        with shown(browser, folder / "mixed.html", color_scheme=theme) as page:
            seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            page.emulate_media(media="print", color_scheme=theme)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 35, 40)"
    assert seen == ["rgb(251, 250, 247)", "rgb(20, 23, 26)"]


def test_figures_have_a_size_and_take_the_colours_of_the_theme(browser: Browser, folder: Path) -> None:
    colours = []
    for theme in THEMES:
        with shown(browser, folder / "mixed.html", color_scheme=theme) as page:
            figures = page.get_by_role("img")
            assert figures.count() == 2
            box = figures.first.bounding_box()
            assert box
            assert box["width"] > 300
            assert box["height"] > 100
            first = "getComputedStyle([...document.querySelectorAll('figure path')].find(path => "
            colours.append(page.evaluate(f"{first}path.style.stroke.includes('--figure-blue'))).stroke"))
    assert colours == ["rgb(0, 114, 178)", "rgb(77, 163, 224)"]


def test_a_keyboard_is_enough(browser: Browser, folder: Path) -> None:
    with shown(browser, folder / "mixed.html") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "report"
        first, second = page.get_by_text("Hint 2.1."), page.get_by_text("Hint 2.2.")
        assert not first.last.is_visible()
        page.locator("#task-2 .hints > summary").first.focus()
        page.keyboard.press("Enter")
        assert first.last.is_visible()
        assert not second.is_visible(), "one hint at a time"
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert second.is_visible()


def test_the_keyboard_reaches_what_scrolls_and_its_focus_is_seen(browser: Browser, folder: Path) -> None:
    with shown(browser, folder / "syntax error.html") as page:
        reached = set()
        for _ in range(30):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.className"))
            if page.evaluate("document.activeElement !== document.body"):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert {"code", "at"} <= reached


def test_the_line_of_a_failure_is_a_click_away(browser: Browser, folder: Path) -> None:
    from playwright.sync_api import expect

    with shown(browser, folder / "mixed.html", viewport={"width": 360, "height": 700}) as page:
        line = page.locator("#L1-9")
        expect(line).not_to_be_in_viewport()
        assert "IndexError: 7 (2 tests of task 4)" in page.locator(".note.exact").inner_text()
        page.get_by_role("link", name="double.py, line 9").click()
        expect(line).to_be_in_viewport()
        assert page.url.endswith("#L1-9")
        assert line.inner_text() == "    return x[7]"


@pytest.mark.parametrize("name", ["mixed", "hostile"])
def test_markup_of_a_submission_stays_text(browser: Browser, folder: Path, name: str) -> None:
    with shown(browser, folder / f"{name}.html") as page:
        page.evaluate(OPEN_ALL)
        assert page.locator("script").count() == 0
        assert page.title().startswith("Doubling: ")
        assert "<script>document.title = 'taken'; alert(1)</script>" in page.locator(".printed").first.inner_text()
        assert page.locator("img, main b, iframe").count() == 0


def test_the_policy_keeps_a_script_from_running(browser: Browser, folder: Path, tmp_path: Path) -> None:
    """Should one ever come through: the browser itself refuses it, and every request too."""
    text = (folder / "accepted.html").read_text("utf-8")
    foreign = "<script>document.title = 'taken'</script><img src='http://127.0.0.1:9/x.png' onerror='document.title=1'>"
    (tmp_path / "page.html").write_text(text.replace("</body>", f"{foreign}</body>"), "utf-8")
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title().startswith("Doubling: ")
    assert len([text for text in refused if "Content Security Policy" in text]) >= 2
    page.close()


def test_it_prints_with_every_failure_told(browser: Browser, folder: Path) -> None:
    with shown(browser, folder / "mixed.html") as page:
        folded = page.locator("#task-5 .test:not([open]) .failure")
        assert folded.count() == 2
        page.emulate_media(media="print")
        boxes = [each.bounding_box() for each in folded.all()]
        assert all(box and box["height"] > 20 for box in boxes)
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_in_a_notebook_it_stays_in_its_frame(browser: Browser) -> None:
    html = render(page_of(REPORTS["mixed"], FILES), inline=True)
    cell = Graded(REPORTS["mixed"], html, "")._repr_html_()
    page = browser.new_page()
    page.set_content(f"<!doctype html><body style='color: rgb(1, 2, 3)'><h1>Mine</h1>{cell}</body>")
    frame = page.frame_locator("iframe")
    assert frame.locator("h1").inner_text() == "Doubling"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    frame.get_by_role("link", name="Task 2 below").click()
    assert frame.locator("#task-2").is_visible()
    assert page.url == "about:blank"
    assert [each.url for each in page.frames] == ["about:blank", "about:srcdoc#task-2"]
    page.close()
