"""A submission in our own process, for plain pytest: no sandbox, no points, the student's own traceback."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grader.remote import MemoryUse


class LocalSubmission:
    """What `RemoteSubmission` offers, without a worker. Never used for a grade."""

    def __init__(self, folder: Path, files: list[str]) -> None:
        self._folder = folder
        self._files = files
        self._modules: dict[str, types.ModuleType] = {}
        self.last_call = ""
        self.printed = ""

    def module(self, name: str) -> types.ModuleType:
        """The student's file `name`.py, imported afresh for each test."""
        if name not in self._modules:
            path = self._folder / f"{name}.py"
            spec = importlib.util.spec_from_file_location(name, path)
            if spec is None or spec.loader is None:
                raise ImportError(f"'{path}' can't be imported")
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            self._modules[name] = module
        return self._modules[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.module(Path(self._files[0]).stem), name)

    def run(
        self, driver: Callable[..., Any], *args: Any, call: str = "", timeout: float | None = None, **kwargs: Any
    ) -> Any:
        """Calls `driver(self, …)` here."""
        self.last_call = call
        return driver(self, *args, **kwargs)

    @contextmanager
    def measured(self) -> Iterator[MemoryUse]:
        """Measures nothing: memory is measured from outside, and here is no outside."""
        yield MemoryUse()

    def finish(self) -> None:
        """Forgets the modules."""
        for name in self._modules:
            sys.modules.pop(name, None)
