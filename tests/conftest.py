"""How the tests are shared out to the processes of pytest-xdist (`make tests` starts one for each core)."""

from __future__ import annotations

import pytest

# These end judges with SIGKILL, and look for what such a judge leaves: no one else's is to lie about meanwhile.
TOGETHER = {"test_faults": "killed judges", "test_sandbox": "killed judges"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A file stays together, so that its warm sandboxes are started once."""
    if config.pluginmanager.has_plugin("xdist"):
        for item in items:
            item.add_marker(pytest.mark.xdist_group(TOGETHER.get(item.path.stem, item.path.stem)))
