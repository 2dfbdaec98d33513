"""Draws the figures of one exercise from a submission's own results, whatever the submission does.

`figure.py` of an exercise is the staff's and runs here, in the judge. The submission runs in a worker, as it does for a
test: what it returns is data, and is checked before it is drawn. No points depend on a picture.
"""

from __future__ import annotations

import contextlib
import importlib.util
import linecache
import sys
import time
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader import runner
from grader.catalog import Exercise, Limits
from grader.errors import JudgeError
from grader.figures.picture import Picture
from grader.grading import Settings, open_sandbox
from grader.remote import RemoteFunction, RemoteSubmission
from grader.result import Failed, Failure, Verdict
from grader.sandbox import Sandbox
from grader.text import clean_line

if TYPE_CHECKING:
    import torch

FIGURE = "figure.py"
TOTAL_SECONDS = 30.0  # for all calls of a figure together; a `figure.py` that trains may set its own as FIGURE_SECONDS


class TimedSubmission(RemoteSubmission):
    """A submission whose calls end with the time of the whole figure, whatever time a single one has."""

    def __init__(self, sandbox: Sandbox, files: Mapping[str, str], limits: Limits, seed: int, seconds: float) -> None:
        super().__init__(sandbox, files, limits, seed)
        self._until = time.monotonic() + seconds

    def ask(self, request: dict[str, Any], call: str, timeout: float | None = None) -> Any:
        """One request and its reply, within the limit of a call and what is left of the total."""
        limit = self._limits.test_seconds if timeout is None else timeout
        return super().ask(request, call, max(0.01, min(limit, self._until - time.monotonic())))


class NoSubmission(RemoteSubmission):
    """Stands in for a submission that lacks a file: every call fails."""

    def __init__(self, missing: str) -> None:
        self._missing = missing

    def __getattr__(self, name: str) -> RemoteFunction:
        if name.startswith("_"):
            raise AttributeError(name)
        return RemoteFunction(self, name)

    def ask(self, request: dict[str, Any], call: str, timeout: float | None = None) -> Any:  # noqa: ARG002
        """Fails."""
        failure = Failure(f"the file '{self._missing}'", f"'{self._missing}' can't be read", call)
        raise Failed(Verdict.RUN_TIME_ERROR, failure)

    def finish(self) -> None:
        """Nothing was begun."""


def draw(
    exercise: Exercise, files: Mapping[str, str], settings: Settings, sandbox: Sandbox | None = None
) -> list[Picture]:
    """The pictures of `exercise` for a submission's `files` (name → text), in `sandbox` or in one of its own.

    With one `settings.seed` they are always the same. Raises UsageError or JudgeError where no sandbox can be had, and
    nothing for what a submission does; a figure that can't be drawn is a picture that says so.
    """
    path = exercise.folder / FIGURE
    if not path.is_file():
        return []
    with contextlib.ExitStack() as stack:
        missing = next((name for name in exercise.files if name not in files), None)
        if sandbox is None and missing is None:
            # It imports torch in a process of its own while we import it here.
            sandbox = stack.enter_context(open_sandbox(exercise, settings))
        runner.load()
        from grader.figures.style import styled

        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of a letter that the font lacks, say
        stack.enter_context(styled())
        try:
            module = load(path)
        except Exception as error:  # noqa: BLE001 - a fault in a picture is no reason to lose the report around it
            return [_undrawn(exercise, error)]
        if missing is not None or sandbox is None:
            return _drawn(exercise, module, NoSubmission(missing or ""), settings)
        return _in_worker(exercise, module, files, sandbox, settings)


def _in_worker(
    exercise: Exercise, module: types.ModuleType, files: Mapping[str, str], sandbox: Sandbox, settings: Settings
) -> list[Picture]:
    from grader.plugin import derived_seed

    sandbox.wait_ready()
    seconds = float(getattr(module, "FIGURE_SECONDS", TOTAL_SECONDS))
    seed = derived_seed(settings.seed or 0, "figure's worker", exercise.slug)
    submission = TimedSubmission(sandbox, files, exercise.limits, seed, seconds)
    try:
        return _drawn(exercise, module, submission, settings)
    finally:
        with contextlib.suppress(Failed):  # an answer too many: the values were checked, and no points depend on them
            submission.finish()


def _drawn(
    exercise: Exercise, module: types.ModuleType, submission: RemoteSubmission, settings: Settings
) -> list[Picture]:
    try:
        made = module.figure(submission, _rng(exercise, settings))
        return [made] if isinstance(made, Picture) else list(made)
    except Exception as error:  # noqa: BLE001 - as above
        return [_undrawn(exercise, error)]


def _rng(exercise: Exercise, settings: Settings) -> torch.Generator:
    import torch

    from grader.plugin import derived_seed

    return torch.Generator().manual_seed(derived_seed(settings.seed or 0, "figure", exercise.slug))


def load(path: Path) -> types.ModuleType:
    """An exercise's `figure.py`, read anew. Raises JudgeError where it is no module with a `figure`."""
    linecache.checkcache(str(path))  # the source of its drivers is read from there
    spec = importlib.util.spec_from_file_location(f"dojo_figure_{path.parent.name}", path)
    if spec is None or spec.loader is None:
        raise JudgeError(f"'{path}' can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for the module of their annotations
    spec.loader.exec_module(module)
    if not callable(getattr(module, "figure", None)):
        raise JudgeError(f"'{path}' has no function 'figure(submission, rng)'")
    return module


def _undrawn(exercise: Exercise, error: Exception) -> Picture:
    """In the place of a figure that could not be drawn. The fault is ours, and so are the words."""
    from grader.figures.style import new_figure
    from grader.figures.svg import to_svg

    title = f"{exercise.title}: no figure"
    what = clean_line(f"{type(error).__name__}: {error}", 200)
    caption = f"This figure could not be drawn: a fault of the grader's, which costs no points ({what})."
    figure = new_figure(40)
    figure.text(0.02, 0.5, "This figure could not be drawn.", va="center")
    return Picture(title, to_svg(figure, f"figure-{exercise.key}", title, caption), caption, caption)
