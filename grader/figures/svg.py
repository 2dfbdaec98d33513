"""A matplotlib figure as one SVG element that is safe to put into a page.

matplotlib's SVG is parsed, and only elements and attributes that a drawing needs are kept: no scripts, no style sheets,
no references that leave the picture, no metadata, no dates. Ids are made unique by a prefix, marker colours become CSS.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree

from matplotlib.figure import Figure

from grader.figures.picture import Picture
from grader.figures.style import VARIABLES

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
KEPT = {"svg", "g", "defs", "clipPath", "path", "rect", "circle", "use", "text", "tspan", "image", "title", "desc"}
ATTRIBUTES = {
    *("id", "d", "x", "y", "width", "height", "viewBox", "transform", "style", "clip-path", "points"),
    *("cx", "cy", "r", "href", "version", "preserveAspectRatio", "opacity"),
}
PREFIX = re.compile(r"[a-z][a-z0-9-]*")
COLOUR = re.compile(r"#[0-9a-f]{6}\b")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
FONT = re.compile(r"font(?:-family)?\s*:[^;]*'[^;]*(?:;|$)\s*")
FAMILIES = "'DejaVu Sans', Verdana, system-ui, sans-serif"


def to_picture(figure: Figure, prefix: str, *, title: str, caption: str, description: str) -> Picture:
    """`figure` with its words. `description` replaces the picture: what is seen in it, with numbers."""
    return Picture(title, to_svg(figure, prefix, title, description), caption, description)


def to_svg(figure: Figure, prefix: str, title: str, description: str) -> str:
    """`figure` as an <svg> element with a text alternative. `prefix` tells its ids from those of other pictures."""
    if not PREFIX.fullmatch(prefix):
        raise ValueError(f"a prefix of small letters, digits and hyphens is due, not '{prefix}'")
    root = ElementTree.fromstring(_drawn(figure))
    _cleaned(root, prefix)
    _name(root, prefix, title, description)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.tail = None
        element.text = element.text if element.tag in ("text", "tspan", "title", "desc") else None
    root.set("xmlns", SVG)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _drawn(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _cleaned(element: ElementTree.Element, prefix: str) -> None:
    """Drops what a drawing does not need, and rewrites the rest in place."""
    for child in list(element):
        if _local(child.tag) not in KEPT:
            element.remove(child)
        else:
            _cleaned(child, prefix)
    attributes = {_local(name): value for name, value in element.attrib.items()}
    element.attrib.clear()
    for name, value in attributes.items():
        if name in ATTRIBUTES and (value := _value(name, value, prefix)):
            element.set(name, value)


def _value(name: str, value: str, prefix: str) -> str:
    """The value of an attribute; nothing for one that is not wanted."""
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        if value.startswith("data:image/png;base64,"):
            return value
        return f"#{prefix}-{value[1:]}" if value.startswith("#") else ""
    value = REFERENCE.sub(rf"url(#{prefix}-\1)", value)
    if name == "style":
        return COLOUR.sub(_colour, FONT.sub(_sized, value)).strip()
    return value


def _colour(found: re.Match[str]) -> str:
    if found[0] not in VARIABLES:
        return found[0]
    variable, otherwise = VARIABLES[found[0]]
    return f"var({variable}, {otherwise})"


def _sized(found: re.Match[str]) -> str:
    """Of a font its size and weight are kept; its family is set once, at the root."""
    size = re.search(r"[\d.]+px", found[0])
    weight = re.search(r"\b(?:bold|[1-9]00)\b", found[0])
    parts = [f"font-size: {size[0]};" if size else "", f"font-weight: {weight[0]};" if weight else ""]
    return " ".join(part for part in [*parts, ""] if part)


def _name(root: ElementTree.Element, prefix: str, title: str, description: str) -> None:
    """What a screen reader says, and a size that fits its place."""
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{prefix}-{tag}"})
        element.text = text
        root.insert(place, element)
    width, height = root.get("viewBox", "0 0 0 0").split()[2:]
    root.attrib.update(
        {
            "id": prefix,
            "role": "img",
            "aria-labelledby": f"{prefix}-title",
            "aria-describedby": f"{prefix}-desc",
            "width": width,
            "height": height,
            "style": f"max-width: 100%; height: auto; font-family: {FAMILIES}",
        }
    )
