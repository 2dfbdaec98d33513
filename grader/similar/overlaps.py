"""How much of each submission is found in each other one: of n, all n · (n - 1) at once.

A list of the submissions that hold a fingerprint, for each of them, is what makes a class of a thousand take seconds.
The numbers are those of copydetect's `compare_files`, which would be asked half a million times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grader.similar.prints import Printed

Whole = NDArray[np.int64]


def overlaps(prints: Sequence[Printed]) -> Whole:
    """[n, n]: how many tokens of one (row) are covered by fingerprints that another (column) has too."""
    found = np.zeros((len(prints), len(prints)), dtype=np.int64)
    if not any(each.positions for each in prints):
        return found
    kinds = _kinds(prints)
    first, owners = _owners(kinds, prints)
    for index, (each, own) in enumerate(zip(prints, kinds, strict=True)):
        starts = np.array([start for _, start in each.positions], dtype=np.int64)
        begins = _begins(len(prints), len(each.row.symbols), starts, own, first, owners)
        found[index] = _covered(begins, each.grams.k)
    return found


def _kinds(prints: Sequence[Printed]) -> list[Whole]:
    """The hashes of each, numbered from 0 over all of them."""
    hashes = np.array([hash_ for each in prints for hash_, _ in each.positions], dtype=np.int64)
    _, numbers = np.unique(hashes, return_inverse=True)
    ends = np.cumsum([len(each.positions) for each in prints])
    return list(np.split(numbers.astype(np.int64), ends[:-1]))


def _owners(kinds: Sequence[Whole], prints: Sequence[Printed]) -> tuple[Whole, Whole]:
    """Who has hash h: owners[first[h] : first[h + 1]]."""
    rows = np.concatenate([np.full(len(own), index) for index, own in enumerate(kinds)])
    held = np.unique(np.concatenate(kinds) * len(prints) + rows)  # each owner once
    counts = np.bincount(held // len(prints))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), (held % len(prints)).astype(np.int64)


def _begins(n: int, length: int, starts: Whole, own: Whole, first: Whole, owners: Whole) -> NDArray[np.bool_]:
    """[n, length]: where in one submission a fingerprint begins that each of the n has too."""
    counts = first[own + 1] - first[own]
    shared = counts > 1  # the submission itself is always an owner
    starts, counts, begin = starts[shared], counts[shared], first[own[shared]]
    steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = np.zeros((n, length), dtype=np.bool_)
    begins[owners[np.repeat(begin, counts) + steps], np.repeat(starts, counts)] = True
    return begins


def _covered(begins: NDArray[np.bool_], gram: int) -> Whole:
    """[n]: how many tokens lie in a fingerprint, which is `gram` tokens long."""
    window = np.cumsum(begins, axis=1, dtype=np.int32)
    window[:, gram:] -= window[:, :-gram].copy()
    covered: Whole = np.sum(window > 0, axis=1, dtype=np.int64)
    return covered
