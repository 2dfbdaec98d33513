"""A figure as SVG: a drawing and nothing else, the same each time, in colours that a page can set."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from grader.figures import style
from grader.figures.heat import heat_map, short
from grader.figures.svg import to_svg

HOSTILE = "</text></svg><script>alert(1)</script> $\\frac{1}$ & <b>"


def drawn(label: str = "yours") -> Figure:
    figure = style.new_figure(200)
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 10, 100], marker="o", color=style.GOT, label=label)
    axes.set_title(label)
    axes.set_yscale("log")
    style.plain_log(axes.yaxis)
    style.grid(axes)
    axes.legend()
    return figure


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter() if element.tag.endswith("}text")]


def test_the_same_figure_is_the_same_svg():
    with style.styled():
        one, other = (to_svg(drawn(), "a", "Title", "Words") for _ in range(2))
    assert one == other


def test_text_stays_text_whatever_it_says():
    with style.styled():
        svg = to_svg(drawn(HOSTILE), "a", HOSTILE, HOSTILE)
    assert HOSTILE in texts(svg)
    assert "<script" not in svg
    assert [e.tag for e in parsed(svg).iter() if "script" in e.tag] == []


def test_nothing_but_a_drawing_is_kept():
    with style.styled():
        svg = to_svg(drawn(), "a", "Title", "Words")
    tags = {element.tag.rpartition("}")[2] for element in parsed(svg).iter()}
    assert tags <= {"svg", "g", "defs", "clipPath", "path", "rect", "use", "text", "title", "desc"}
    assert "metadata" not in svg
    assert "<!" not in svg
    assert "<?" not in svg
    assert not re.search(r"\bon\w+=|xlink", svg)
    assert set(re.findall(r"https?://[^\"]*", svg)) == {"http://www.w3.org/2000/svg"}


def test_ids_and_references_carry_the_prefix():
    with style.styled():
        svg = to_svg(drawn(), "ex09-b", "Title", "Words")
    ids = [element.get("id") for element in parsed(svg).iter() if element.get("id")]
    referred = re.findall(r"(?:href=\"|url\()#([^\")]+)", svg)
    assert len(ids) == len(set(ids))
    assert all(each == "ex09-b" or each.startswith("ex09-b-") for each in ids)
    assert referred
    assert set(referred) <= set(ids)


def test_it_has_a_name_and_words_for_who_cannot_see_it():
    with style.styled():
        root = parsed(to_svg(drawn(), "a", "The title", "The words"))
    by_id = {element.get("id"): element.text for element in root.iter()}
    assert root.get("role") == "img"
    assert by_id[root.get("aria-labelledby")] == "The title"
    assert by_id[root.get("aria-describedby")] == "The words"


def test_colours_of_text_and_data_are_left_to_the_page():
    with style.styled():
        svg = to_svg(drawn(), "a", "Title", "Words")
    assert "var(--figure-ink, currentColor)" in svg
    assert f"var(--figure-vermillion, {style.VERMILLION})" in svg
    assert not any(marker in svg for marker in (style.INK, style.MUTED, style.GRID, style.PAPER))
    assert "#ffffff" not in svg  # no background of its own


def test_logarithmic_ticks_are_plain_numbers():
    with style.styled():
        svg = to_svg(drawn(), "a", "Title", "Words")
    assert {"1", "10", "100"} <= set(texts(svg))
    assert "mathdefault" not in svg


def test_a_prefix_that_could_be_markup_is_refused():
    with style.styled(), pytest.raises(ValueError, match="prefix"):
        to_svg(drawn(), 'a"><script>', "Title", "Words")


def test_the_settings_of_matplotlib_are_as_before():
    before = dict(mpl.rcParams)
    with style.styled():
        assert mpl.rcParams["svg.fonttype"] == "none"
    assert dict(mpl.rcParams) == before


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_every_colour_stands_out_against_the_page(theme: dict[str, str]):
    """The ratios of WCAG 2.2: 7 for text (AAA), 3 for what carries meaning. Grid lines carry none."""
    assert set(theme) == {variable for variable, _ in style.VARIABLES.values()}
    paper = theme["--figure-paper"]
    for name, colour in theme.items():
        least = {"--figure-ink": 7.0, "--figure-muted": 7.0, "--figure-grid": 1.0, "--figure-paper": 1.0}.get(name, 3.0)
        assert contrast(colour, paper) >= least, name


def test_each_number_stands_out_against_its_cell():
    with style.styled():
        figure = style.new_figure(200)
        axes = figure.subplots()
        heat_map(axes, [[0.0, 0.25, 0.5, 0.75, 1.0]])
    cells = [mpl.colormaps["cividis"](value)[:3] for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for text, cell in zip(axes.texts, cells, strict=True):
        assert contrast(text.get_color(), "#" + "".join(f"{round(part * 255):02x}" for part in cell)) >= 4.5


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (25, "25"), (1.5, "1.50"), (-12.34, "-12.3"), (123.4, "123"), (0.0004, "4e-4"), (123456, "1e5")],
)
def test_a_number_in_a_cell_is_short(value: float, written: str):
    assert short(value) == written
    assert len(written) <= 5
