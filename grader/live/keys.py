"""Single key strokes out of what a terminal sends. Arrow keys, pasted text and replies of the terminal are none."""

from __future__ import annotations

from enum import Enum, auto

ESCAPE = "escape"
ESC = 0x1B
PASTE_BEGINS, PASTE_ENDS = b"200~", b"\x1b[201~"
LONGEST = 64  # bytes of a sequence that says something to us


class _State(Enum):
    GROUND = auto()
    ESCAPED = auto()  # after ESC
    CONTROL = auto()  # ESC [ …, up to a letter or ~
    SHIFTED = auto()  # ESC O, and one more
    TEXT = auto()  # ESC ], P, X, ^ or _: a text, up to BEL or ESC \
    TEXT_ESCAPED = auto()
    PASTED = auto()  # between the marks of a bracketed paste


class Keys:
    """Decodes a stream of bytes that may be cut anywhere."""

    def __init__(self) -> None:
        self._state = _State.GROUND
        self._seen = bytearray()  # of the sequence under way

    @property
    def waits(self) -> bool:
        """Whether a sequence has begun: what comes next, or that nothing does, decides what it is."""
        return self._state is _State.ESCAPED

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete, in lower case."""
        return [key for byte in data for key in self._take(byte)]

    def rest(self) -> list[str]:
        """Nothing followed for a while: an ESC that stands alone was the key itself."""
        alone = self._state is _State.ESCAPED
        if alone:
            self._state = _State.GROUND
        return [ESCAPE] if alone else []

    def _take(self, byte: int) -> list[str]:
        match self._state:
            case _State.GROUND if byte == ESC:
                self._state = _State.ESCAPED
            case _State.GROUND:
                return [chr(byte).lower()] if 0x20 < byte < 0x7F else []
            case _State.ESCAPED:
                return self._escaped(byte)
            case _State.CONTROL:
                self._control(byte)
            case _State.SHIFTED:
                self._state = _State.GROUND
            case _State.TEXT | _State.TEXT_ESCAPED:
                self._text(byte)
            case _State.PASTED:
                self._seen = self._seen[-len(PASTE_ENDS) + 1 :] + bytes([byte])
                if self._seen == PASTE_ENDS:
                    self._state = _State.GROUND
        return []

    def _escaped(self, byte: int) -> list[str]:
        self._seen.clear()
        if byte == ESC:  # two in a row: the first one was the key
            return [ESCAPE]
        kinds = {ord("["): _State.CONTROL, ord("O"): _State.SHIFTED}
        kinds |= dict.fromkeys(b"]PX^_", _State.TEXT)
        self._state = kinds.get(byte, _State.GROUND)  # else Alt with a key, which means nothing here
        return []

    def _control(self, byte: int) -> None:
        if byte == ESC:
            self._state = _State.ESCAPED
            return
        self._seen.append(byte)
        if 0x40 <= byte <= 0x7E or len(self._seen) > LONGEST:
            pasted = self._seen == PASTE_BEGINS
            self._state = _State.PASTED if pasted else _State.GROUND
            self._seen.clear()

    def _text(self, byte: int) -> None:
        ends = byte == 0x07 or (self._state is _State.TEXT_ESCAPED and byte == ord("\\"))
        self._state = _State.GROUND if ends else (_State.TEXT_ESCAPED if byte == ESC else _State.TEXT)
