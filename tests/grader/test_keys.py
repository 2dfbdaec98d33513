"""Key strokes: letters are commands, arrow keys, pasted text and a terminal's replies are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.live.keys import Keys

NO_COMMANDS = {
    "arrow up": b"\x1b[A",
    "arrow down, application mode": b"\x1bOB",
    "shift and an arrow": b"\x1b[1;2C",
    "page up": b"\x1b[5~",
    "F1": b"\x1bOP",
    "F5": b"\x1b[15~",
    "delete": b"\x1b[3~",
    "Alt-q": b"\x1bq",
    "mouse": b"\x1b[<0;10;20M",
    "place of the cursor": b"\x1b[24;80R",
    "kind of terminal": b"\x1b[?62;c",
    "colour of the background": b"\x1b]11;rgb:0000/0000/0000\x1b\\",
    "colour, ended by a bell": b"\x1b]11;rgb:0000/0000/0000\x07",
    "device control": b"\x1bP>|tmux 3.3a\x1b\\",
    "pasted": b"\x1b[200~rrq\nn\x1b[201~",
    "pasted with an escape in it": b"\x1b[200~r\x1b[Ar\x1b[201~",
    "enter, tab, backspace, Ctrl-L": b"\r\n\t\x7f\x0c",
    "letters of other alphabets": "äжñ".encode(),
}


@pytest.mark.parametrize("data", NO_COMMANDS.values(), ids=NO_COMMANDS.keys())
def test_what_is_no_command(data: bytes) -> None:
    keys = Keys()
    assert keys.feed(data) == []
    assert keys.feed(b"h") == ["h"]  # and what follows is read as it is meant


@pytest.mark.parametrize("data", NO_COMMANDS.values(), ids=NO_COMMANDS.keys())
def test_the_same_cut_anywhere(data: bytes) -> None:
    for place in range(len(data)):
        keys = Keys()
        assert keys.feed(data[:place]) + keys.feed(data[place:]) + keys.feed(b"h") == ["h"]


def test_letters_in_either_case() -> None:
    assert Keys().feed(b"hnQ?") == ["h", "n", "q", "?"]


def test_an_escape_alone_is_the_key() -> None:
    keys = Keys()
    assert keys.feed(b"\x1b") == []
    assert keys.waits
    assert keys.rest() == ["escape"]
    assert not keys.waits
    assert keys.rest() == []
    assert keys.feed(b"[Aq") == ["[", "a", "q"]


def test_two_escapes_are_one_key_and_perhaps_another() -> None:
    keys = Keys()
    assert keys.feed(b"\x1b\x1b") + keys.rest() == ["escape", "escape"]


@settings(max_examples=200, derandomize=True)
@given(st.lists(st.binary(max_size=30), max_size=10))
def test_any_bytes_are_taken(parts: list[bytes]) -> None:
    keys = Keys()
    for part in parts:
        assert all(key == "escape" or len(key) == 1 for key in keys.feed(part) + keys.rest())
