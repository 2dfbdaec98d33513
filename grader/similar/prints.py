"""Fingerprints of a submission, less the code that everybody was given."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.similar.tokens import Row, row_of
from grader.stubs import stubs_of

if TYPE_CHECKING:
    from copydetect import CodeFingerprint

GRAM = 12  # tokens in a row that are alike by more than chance; docs/similar.md has the figures
# Every gram is kept. copydetect would keep the least of several, by Python's `hash`, which differs from run to run.
WINDOW = 1
BLOCKS = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Printed:
    """A text with its tokens and fingerprints. Hashes hold within one process only."""

    text: str
    row: Row
    grams: CodeFingerprint

    @property
    def tokens(self) -> int:
        """How many tokens are the student's own: those that some fingerprint covers."""
        return int(self.grams.token_coverage)

    @cached_property
    def positions(self) -> list[tuple[int, int]]:
        """Each hash with where it stands, in the order of the text."""
        found = ((int(start), hash_) for hash_, starts in self.grams.hash_idx.items() for start in starts)
        return [(hash_, start) for start, hash_ in sorted(found)]


def printed(text: str, given: frozenset[int] = frozenset(), gram: int = GRAM) -> Printed:
    """Raises UsageError where copydetect is not installed.

    What was given is taken out here: copydetect's own `boilerplate` also takes out what a file says twice.
    """
    try:
        from copydetect import CodeFingerprint
        from copydetect.utils import get_token_coverage
    except ImportError:
        raise UsageError(
            "copydetect is missing, which finds what is alike: pip install 'torch-dojo[similar]'"
        ) from None
    row = row_of(text)
    grams = CodeFingerprint("submission.py", gram, WINDOW, filter=False, fp=io.StringIO(row.symbols))
    grams.hashes -= given
    grams.hash_idx = {hash_: starts for hash_, starts in grams.hash_idx.items() if hash_ not in given}
    grams.token_coverage = get_token_coverage(grams.hash_idx, gram, len(row.symbols))
    return Printed(text, row, grams)


def given_to(exercise: Exercise, gram: int = GRAM) -> frozenset[int]:
    """The fingerprints of what every student has: the stub, the public tests, the code of the lesson."""
    return frozenset().union(*(printed(text, gram=gram).grams.hashes for text in _handed_out(exercise)))


def _handed_out(exercise: Exercise) -> Iterable[str]:
    try:
        yield from stubs_of(exercise).values()
    except OSError:  # no solutions here: the stubs as they lie in the exercise's folder
        yield from (text for name in exercise.files if (text := _read(exercise, name)))
    yield _read(exercise, exercise.public_suite.name)
    yield from BLOCKS.findall(_read(exercise, "README.md"))


def _read(exercise: Exercise, name: str) -> str:
    path = exercise.folder / name
    return path.read_text("utf-8") if path.is_file() else ""
