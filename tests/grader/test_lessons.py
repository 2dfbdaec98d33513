"""Every lesson has the idea, the formula, a picture, the sources, and a worked example that proves what it says.

That the examples run is seen in `tests/test_exercises.py`, which executes what `examples` finds.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from grader.catalog import Catalog, Exercise
from grader.proof.rules import examples

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = Catalog(ROOT).exercises
READINGS = Catalog(ROOT).readings
FOLDERS = [*(each.folder for each in EXERCISES), *(each.folder for each in READINGS)]
PICTURES = [path for folder in FOLDERS for path in sorted(folder.glob("*.svg"))]
each_picture = pytest.mark.parametrize("path", PICTURES, ids=lambda path: f"{path.parent.name}/{path.name}")
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.slug)

SVG = "{http://www.w3.org/2000/svg}"
MAX_BYTES = 20_000
SHORTEST = 100  # characters of a text alternative that says what is to be seen
SMALLEST = 11  # pixels of an index below a letter, where a unit is a pixel; the text itself has 14
SHAPES = {
    *("circle", "defs", "desc", "g", "line", "marker", "path", "pattern", "polyline", "rect", "style", "svg", "text"),
    *("title", "tspan"),
}


def lesson(exercise: Exercise) -> str:
    return (exercise.folder / "README.md").read_text("utf-8")


def section(exercise: Exercise, heading: str) -> str:
    """What stands below a heading, up to the next one of its level."""
    found = re.search(rf"^## {heading}[^\n]*\n(.*?)(?=^## |\Z)", lesson(exercise), re.MULTILINE | re.DOTALL)
    assert found, f"no section '{heading}'"
    return found[1]


@each_exercise
def test_the_idea_comes_with_a_formula(exercise: Exercise) -> None:
    assert len(section(exercise, "The idea").split()) > 100
    explained = re.search(
        r"^## The idea.*?(?=^## (The rules|What is graded))", lesson(exercise), re.MULTILINE | re.DOTALL
    )
    assert explained, "the idea comes before the rules"
    displayed = re.findall(r"^ {4,}\S.*$|\$\$.*?\$\$", explained[0], re.MULTILINE | re.DOTALL)
    assert [line for line in displayed if re.search(r"[=←→]", line)], "no formula is displayed"


@each_exercise
def test_the_sources_can_be_followed(exercise: Exercise) -> None:
    entries = re.split(r"^- ", section(exercise, "Sources"), flags=re.MULTILINE)[1:]
    assert len(entries) >= 3
    assert sum("](https://" in entry for entry in entries) >= 2
    assert all("](http://" not in entry for entry in entries)


@each_exercise
def test_the_worked_example_asserts_what_it_says(exercise: Exercise) -> None:
    checks = [node for block in examples(exercise) for node in ast.walk(ast.parse(block))]
    assert any(isinstance(node, ast.Assert) for node in checks), "an example without an assert proves nothing"


@each_picture
def test_the_picture_is_shown_with_its_text_alternative(path: Path) -> None:
    text = (path.parent / "README.md").read_text("utf-8")
    (alternative,) = re.findall(rf"!\[([^\]]*)\]\({re.escape(path.name)}\)", text)
    assert len(alternative) >= SHORTEST
    root = ElementTree.parse(path).getroot()
    assert root.get("role") == "img"
    named = str(root.get("aria-labelledby")).split()
    told = {element.get("id"): element.text for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert [bool(told.get(name)) for name in named] == [True, True]


@each_picture
def test_the_picture_holds_no_script_and_asks_for_nothing_outside(path: Path) -> None:
    assert path.stat().st_size < MAX_BYTES
    assert not re.search(r"<!DOCTYPE|<!ENTITY|<\?|@import|javascript:", path.read_text("utf-8"))
    for element in ElementTree.parse(path).getroot().iter():
        assert element.tag.removeprefix(SVG) in SHAPES, element.tag
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on"), name
            assert not name.endswith("href"), name
            assert re.fullmatch(r"url\(#\w+\)", value) or "url(" not in value, value


@each_picture
def test_the_picture_is_legible_in_both_themes(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    (style,) = (str(element.text) for element in root.iter(f"{SVG}style"))
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    # Each class that has a colour has one in the other theme too, and nothing brings a colour of its own.
    assert coloured(light) == coloured(dark) != set()
    used = {name for element in root.iter() for name in str(element.get("class", "")).split()}
    defined = set(re.findall(r"\.([a-z-]+)(?=[ ,{])", style))
    assert used <= defined
    assert not [element for element in root.iter() if {"fill", "stroke", "style"} & set(element.attrib)]
    sizes = [
        int(size)
        for size in re.findall(r"(?:font: |font-size: |font-size=\")(\d+)", ElementTree.tostring(root, "unicode"))
    ]
    assert min(sizes) >= SMALLEST
    assert [element.text for element in root.iter(f"{SVG}text")], "text is to be text"


@each_exercise
def test_each_lesson_has_its_picture(exercise: Exercise) -> None:
    assert exercise.folder / "picture.svg" in PICTURES


def coloured(rules: str) -> set[str]:
    """The selectors of the rules that set a colour."""
    return {selector.strip() for selector, body in re.findall(r"([\w.-]+) \{([^{}]*)\}", rules) if "#" in body}


@each_exercise
def test_what_the_lesson_says_of_thresholds_is_what_is_graded(exercise: Exercise) -> None:
    for key, value in exercise.thresholds.items():
        row = re.search(rf"^\|.*`{key}`.*\|\s*([\d.]+) %\s*\|$", lesson(exercise), re.MULTILINE)
        assert row is None or float(row[1]) == pytest.approx(100 * value)
        assert row or exercise.number is None or f"{100 * value:g} %" in lesson(exercise)
    assert "THRESHOLD" not in lesson(exercise)
