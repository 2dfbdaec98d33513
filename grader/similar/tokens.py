"""A file as a row of symbols, one for each token, and where each token stands.

What costs nothing to change is left out: comments, docstrings, blank space, a comma before a closing bracket, the text
of a string, and names of one's own. What a change of names can't reach stays: keywords, operators, numbers, and the
attributes that belong to somebody else's library (`.zero_grad`, `.square`).

copydetect has a filter of its own. It is not used, for it counts a keyword as many times as it has letters, gives every
attribute the same symbol, and its places in a text that begins with blank lines are wrong by as many characters.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text

NAME = "V"
STRING = "S"
CLOSING = frozenset(")]}")
KEPT = (Keyword, Operator, Punctuation, Number, Name.Builtin.Pseudo)
Piece = tuple[int, "type[object] | object", str]


@dataclass(frozen=True)
class Row:
    """The symbols of a text, and for each where its token begins and ends in the text."""

    symbols: str
    places: list[tuple[int, int]]


def row_of(text: str) -> Row:
    """The tokens of Python source. Nothing is parsed or run, so that any text has some."""
    pieces = [each for each in _pieces(text) if not _unseen(each[1], each[2])]
    symbols: list[str] = []
    places: list[tuple[int, int]] = []
    for index, (start, kind, value) in enumerate(pieces):
        following = pieces[index + 1][2] if index + 1 < len(pieces) else ""
        if value == "," and following in CLOSING:
            continue
        symbol = _symbol(kind, value, [each[2] for each in pieces[max(0, index - 2) : index]])
        if symbol == STRING and symbols and symbols[-1] == STRING:
            places[-1] = (places[-1][0], start + len(value))  # quotes, prefix and text are one string
            continue
        symbols.append(symbol)
        places.append((start, start + len(value)))
    return Row("".join(symbols), places)


def _pieces(text: str) -> Iterator[tuple[int, object, str]]:
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    yield from lexer.get_tokens_unprocessed(text)


def _unseen(kind: object, value: str) -> bool:
    return kind in Comment or kind in Text or kind in String.Doc or not value.strip()


def _symbol(kind: object, value: str, before: list[str]) -> str:
    if kind in String:
        return STRING
    foreign = before[-1:] == ["."] and before != ["self", "."]
    if any(kind in each for each in KEPT) or foreign:
        return chr(0x10000 + zlib.crc32(value.encode("utf-8", "replace")) % 0xF0000)
    return NAME
