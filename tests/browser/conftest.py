"""A real browser: the chromium of the system, driven by Playwright. Nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.page.render import render
from grader.page.view import page_of
from tests.browser.reports import FILES, REPORTS, WITHHELD, drawn, hostile_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
PAGES = ("accepted", "untouched", "mixed", "withheld", "syntax error", "long")


@pytest.fixture(scope="module")  # while it runs, other tests would find its processes
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no chromium is installed: `apt install chromium`")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page for each kind of report, as `dojo report` writes them."""
    folder = tmp_path_factory.mktemp("pages")
    pictures = drawn()
    for name in PAGES:
        page = page_of(REPORTS.get(name, WITHHELD), FILES, pictures, folder="exercises/ex01_double")
        (folder / f"{name}.html").write_text(render(page), "utf-8")
    hostile = page_of(hostile_report(), FILES, instructor=True)
    (folder / "hostile.html").write_text(render(hostile), "utf-8")
    return folder
