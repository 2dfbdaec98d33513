"""What a person types for a command: `make hint EX=3`, or `dojo hint 3` where `dojo` is on the path."""

from __future__ import annotations

import os
import shutil


def typed(command: str, exercise: str = "", **options: str) -> str:
    """The words of make and of dojo are the same; only how the rest is given differs."""
    if "MAKELEVEL" in os.environ or not shutil.which("dojo"):
        given = [f"EX={exercise}"] if exercise else []
        given += [f"{name.upper()}={value or 1}" for name, value in options.items()]
        return " ".join(["make", command, *given])
    given = [exercise] if exercise else []
    given += [f"--{name} {value}".rstrip() for name, value in options.items()]
    return " ".join(["dojo", command, *given])
