"""Makes text from a submission safe to show: no control characters, no workflow commands, no floods."""

from __future__ import annotations

import re

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?", re.DOTALL)
# Control characters, surrogates, and the marks that reorder text on the screen.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str, length: int = 2000) -> str:
    """`text` without terminal escapes and control characters, cut to `length` characters."""
    plain = UNSAFE.sub("\N{REPLACEMENT CHARACTER}", ESCAPES.sub("", text).replace("\r\n", "\n"))
    # At the start of a line these are commands to GitHub's runner, and a narrow terminal may start a line anywhere.
    plain = re.sub(r"::(?=[A-Za-z])|##(?=\[)", lambda found: " ".join(found[0]), plain)
    return plain if len(plain) <= length else f"{plain[:length]}…"


def clean_line(text: str, length: int = 300) -> str:
    """The same in one line."""
    return " ".join(clean(text, length).split())
