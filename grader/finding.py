"""One thing that `dojo doctor` has found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`remedy` is the command that mends it; `vital` things make `dojo doctor` end with 1."""

    name: str
    found: str
    ok: bool
    remedy: str = ""
    vital: bool = True
