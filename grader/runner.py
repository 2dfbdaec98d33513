"""Runs pytest on a suite, in this process: as quiet as a library, and unable to end the judge."""

from __future__ import annotations

import contextlib
import gc
import linecache
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import JudgeError

if TYPE_CHECKING:
    from grader.recorder import Recorder

HEEDED_BY_PYTEST = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")


def load() -> None:
    """Imports what every suite needs and freezes it, so that a fork copies little; takes as long as torch does."""
    # A worker's threads and ours share two cores: idle ones are to sleep, not to spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    gc.disable()  # an import makes much and drops little
    import pytest  # noqa: F401
    import safetensors.torch  # noqa: F401
    import torch

    from grader import plugin  # noqa: F401

    gc.freeze()
    gc.enable()
    torch.set_num_threads(1)


def run(suite: Path, root: Path, recorder: Recorder, *plugins: object) -> None:
    """Runs the suite's tests, or what `plugins` make of them; outcomes and faults are in `recorder` afterwards."""
    import pytest

    from grader import checks, plugin

    options = [
        *("-c", os.devnull, "--rootdir", str(root), "--noconftest", "--import-mode=importlib"),
        *("--assert=plain", "--capture=no", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:faulthandler"),
        *("-p", "no:logging"),
    ]

    class Named:
        """Registers the recorder under its name before the fixtures ask for it."""

        @staticmethod
        def pytest_configure(config: pytest.Config) -> None:
            config.pluginmanager.register(recorder, "dojo-recorder")
            # Nobody reads pytest's own account of a failed test, for which it parses the suite once for each frame.
            config.option.tbstyle = "native"

    token = checks.grading_device.set(recorder.run.device)
    try:
        with contextlib.redirect_stdout(None), _kept_alive(), _own_pytest():
            code = pytest.main([*options, str(suite)], plugins=[plugin, Named(), *plugins])
    finally:
        checks.grading_device.reset(token)
        _forget(suite)
    if recorder.interrupted:
        raise KeyboardInterrupt
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not recorder.faults:
        recorder.faults.append(f"pytest ended with {pytest.ExitCode(code).name}")


@contextlib.contextmanager
def _own_pytest() -> Iterator[None]:
    """The run heeds no option or plugin of whoever started it; what this process starts afterwards does again."""
    theirs = {name: os.environ.pop(name, None) for name in HEEDED_BY_PYTEST}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        for name, value in theirs.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _kept_alive() -> Iterator[None]:
    """A suite that leaves through `os._exit` would end the judge with an exit code of its choice, such as 0."""
    leave, judge = os._exit, os.getpid()

    def refuse(code: int) -> None:
        if os.getpid() != judge:
            leave(code)
        raise JudgeError("the suite called os._exit")

    setattr(os, "_exit", refuse)  # noqa: B010 - its type says that it never returns
    try:
        yield
    finally:
        setattr(os, "_exit", leave)  # noqa: B010


def _forget(suite: Path) -> None:
    """Another run in this process reads the suite anew: it may have changed, or be another course's."""
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == str(suite):
            del sys.modules[name]
    linecache.checkcache(str(suite))
