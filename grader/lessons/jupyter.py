"""Jupyter: whether this environment has it, and a notebook opened in it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from grader.errors import UsageError

# The first that is there, started with `python -m`. The address is what it prints, and what it opens in a browser where
# there is one: with the name of a file alone, JupyterLab would print its own front page.
SERVERS = {"jupyterlab": "--LabApp.default_url=/lab/tree/{}", "notebook": "{}"}
PAIRS = "jupytext"


def require(key: str, opened: bool) -> None:
    """Raises UsageError, with what to install, where a notebook can't be made or, with `opened`, shown."""
    missing = [] if _has(PAIRS) else [PAIRS]
    missing += [] if not opened or any(map(_has, SERVERS)) else ["jupyterlab"]
    if missing:
        raise UsageError(
            f"a notebook needs {' and '.join(missing)}: `make lesson EX={key}` installs that, and so does "
            f"`pip install {' '.join(missing)}`; `make read EX={key}` shows the lesson here"
        )


def command(notebook: Path, root: Path) -> list[str]:
    """What starts the server of this environment, whose kernel has torch and the grader; others have neither."""
    server = next(filter(_has, SERVERS))
    # The root is the course, for a notebook shows pictures that lie beside the lesson.
    place = SERVERS[server].format(notebook.relative_to(root).as_posix())
    words = [sys.executable, "-m", server, place, f"--ServerApp.root_dir={root}"]
    # As root (in a container) it refuses to start otherwise. It listens on this machine only, and asks for a token.
    return [*words, "--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else words


def open_in_jupyter(notebook: Path, root: Path) -> None:
    """Becomes the server, so that Ctrl-C and the exit code are its own."""
    os.chdir(root)  # names of files are seen from here
    sys.stdout.flush()
    words = command(notebook, root)
    # As in the Makefile: idle OpenMP threads sleep, for spinning ones slow two busy processes 30 times.
    os.execve(words[0], words, {"OMP_WAIT_POLICY": "PASSIVE", **os.environ})


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
