"""How the tests are shared out to the processes of pytest-xdist (`make tests` starts one for each core)."""

from __future__ import annotations

import os
import signal

import pytest

# These end judges with SIGKILL, and look for what such a judge leaves: no one else's is to lie about meanwhile.
TOGETHER = {"test_faults": "killed judges", "test_sandbox": "killed judges"}
# Begun last, these would keep one process busy while the others have nothing left to do.
LONG = (
    "test_notebooks",
    "test_watch",
    "test_station",
    "test_boundary",
    "test_faults",
    "test_sandbox",
    "test_affected",
    "test_figures_late",
    "test_browser",
)


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would every process that a test starts to interrupt it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: half of the time a test waits for a terminal, a limit or another process."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A file stays together, so that its warm sandboxes are started once."""
    if config.pluginmanager.has_plugin("xdist"):
        items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
        for item in items:
            item.add_marker(pytest.mark.xdist_group(TOGETHER.get(item.path.stem, item.path.stem)))
