"""Jupyter: whether this environment has it, and a notebook opened in it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from grader.errors import UsageError

SERVERS = ("jupyterlab", "notebook")  # the first that is there; each is a module that starts with `python -m`
PAIRS = "jupytext"


def require(key: str, opened: bool) -> None:
    """Raises UsageError, with what to install, where a notebook can't be made or, with `opened`, shown."""
    missing = [] if _has(PAIRS) else [PAIRS]
    missing += [] if not opened or any(map(_has, SERVERS)) else [SERVERS[0]]
    if missing:
        raise UsageError(
            f"a notebook needs {' and '.join(missing)}: `make lesson EX={key}` installs that, and so does "
            f"`pip install {' '.join(missing)}`; `make read EX={key}` shows the lesson here"
        )


def command(notebook: Path, root: Path) -> list[str]:
    """What starts the server of this environment, whose kernel has torch and the grader; others have neither."""
    server = next(filter(_has, SERVERS))
    # The root is the course, for a notebook shows pictures that lie beside the lesson.
    words = [sys.executable, "-m", server, str(notebook), f"--ServerApp.root_dir={root}"]
    # As root (in a container) it refuses to start otherwise. It listens on this machine only, and asks for a token.
    return [*words, "--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else words


def open_in_jupyter(notebook: Path, root: Path) -> None:
    """Becomes the server, so that Ctrl-C and the exit code are its own."""
    sys.stdout.flush()
    words = command(notebook, root)
    # As in the Makefile: idle OpenMP threads sleep, for spinning ones slow two busy processes 30 times.
    os.execve(words[0], words, {"OMP_WAIT_POLICY": "PASSIVE", **os.environ})


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
