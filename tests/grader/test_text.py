"""Text from a submission is safe to show: it moves no cursor, reorders nothing, commands nobody, and ends."""

from __future__ import annotations

import pytest

from grader.text import clean, clean_line


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;ZXZpbA==\x07", ""),
        ("\x1bPq#0\x1b\\end", "q#0end"),
        ("\x1b]never ended", ""),
        ("tail\x1b", "tail"),
        ("\x1bcreset", "reset"),
    ],
)
def test_escape_sequences_go(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


@pytest.mark.parametrize(
    "sign",
    [
        "\0",
        "\b",
        "\a",
        "\r",
        "\x0b",
        "\x0c",
        "\x7f",
        "\x85",
        "\x9b",
        "\u2028",
        "\u202e",
        "\u2066",
        "\u200f",
        "\u061c",
        "\ud800",
    ],
    ids=ascii,
)
def test_control_signs_bidi_marks_and_surrogates_become_a_replacement(sign: str) -> None:
    assert clean(f"a{sign}b") == "a\N{REPLACEMENT CHARACTER}b"
    clean(f"a{sign}b").encode()


@pytest.mark.parametrize(
    "text", ["two\nlines\tand a tab", "größer als 3 × 4 = 漢字 🙂", "a: b", "x[::2], x[::-1]", "{'a': 1}", "# note"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert clean(text) == text


def test_windows_line_ends_become_plain_ones() -> None:
    assert clean("a\r\nb") == "a\nb"


@pytest.mark.parametrize(
    "command",
    [
        "::error::boo",
        "  ::error file=a.py::boo",
        "fine\n::add-mask::x",
        "\x1b[0m::error::boo",
        "x" * 70 + " ::error::boo",  # wrapped at 80 columns, it starts a line
        "##[error]boo",
        ":\x1b[0m:error::boo",
    ],
)
def test_a_runners_commands_are_disarmed_wherever_a_line_may_break(command: str) -> None:
    shown = clean(command)
    assert "::error" not in shown
    assert "::add-mask" not in shown
    assert "##[" not in shown


def test_long_text_is_cut_and_says_so() -> None:
    assert clean("x" * 10, 10) == "x" * 10
    assert clean("x" * 11, 10) == "x" * 10 + "…"
    assert len(clean("\x1b[0m" * 100_000 + "y" * 5000)) == 2001


def test_a_line_is_one_line() -> None:
    assert clean_line("  a\n\tb\r\nc   d ") == "a b c d"
    assert clean_line("\x1b[1m\n") == ""
    assert len(clean_line("word " * 1000)) <= 301
