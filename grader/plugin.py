"""The pytest plugin: the fixtures that a suite may ask for.

Under `dojo grade` a `Recorder` is registered with the run's settings, and `submission` is a fresh worker. Under plain
pytest there is none, and `submission` is the module itself: quick, traceable, and worth no points.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.catalog import Exercise, find_root, read_exercise
from grader.recorder import SUBMISSION, Recorder
from grader.result import Measured

if TYPE_CHECKING:
    import torch

    from grader.local import LocalSubmission
    from grader.remote import RemoteSubmission


def derived_seed(*parts: object) -> int:
    """A seed of 63 bits from the run's seed and a purpose; knowing one tells nothing of another."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--task", type=int, metavar="N", help="only the tests of this task of an exercise")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if (wanted := config.getoption("task")) is None:
        return
    others = [item for item in items if wanted not in [mark.args[0] for mark in item.iter_markers("task")]]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "task(number): the task of the exercise whose points this test decides")
    config.addinivalue_line("markers", "training: this test trains a network; it runs after the quick ones")


def _recorder(request: pytest.FixtureRequest) -> Recorder | None:
    plugin = request.config.pluginmanager.get_plugin("dojo-recorder")
    return plugin if isinstance(plugin, Recorder) else None


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> Iterator[RemoteSubmission | LocalSubmission]:
    """The student's module, in a fresh worker."""
    yield from _serve(request, request.node)


@pytest.fixture(scope="module")
def shared_submission(request: pytest.FixtureRequest) -> Iterator[RemoteSubmission | LocalSubmission]:
    """The same, in one worker for all tests of the module: for what is too slow to do twice, such as a training."""
    yield from _serve(request, request.node)


def _serve(request: pytest.FixtureRequest, node: pytest.Item) -> Iterator[RemoteSubmission | LocalSubmission]:
    recorder = _recorder(request)
    one: RemoteSubmission | LocalSubmission
    if recorder is None:
        from grader.local import LocalSubmission

        one = LocalSubmission(Path(str(request.path)).parent, _exercise(request).files)
    else:
        from grader.remote import RemoteSubmission

        run = recorder.run
        seed = derived_seed(run.seed, "worker", node.name)
        one = RemoteSubmission(run.sandbox, recorder.files, run.exercise.limits, seed)
    node.stash[SUBMISSION] = one
    yield one
    if recorder is None or not recorder.interrupted:
        one.finish()


def _exercise(request: pytest.FixtureRequest) -> Exercise:
    recorder = _recorder(request)
    if recorder is not None:
        return recorder.run.exercise
    folder = Path(str(request.path)).parent
    return read_exercise(find_root(folder), folder)


@pytest.fixture
def exercise(request: pytest.FixtureRequest) -> Exercise:
    """The exercise's description, with its published thresholds and limits."""
    return _exercise(request)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> torch.Generator:
    """A generator on the CPU, seeded from the run's secret seed and the test's name."""
    import torch

    recorder = _recorder(request)
    seed = recorder.run.seed if recorder else 0
    return torch.Generator().manual_seed(derived_seed(seed, "inputs", request.node.name))


@pytest.fixture(scope="session")
def secret_seed(request: pytest.FixtureRequest) -> Callable[[str], int]:
    """Gives a seed for a purpose, from the run's secret seed: for what several tests of a suite share."""
    recorder = _recorder(request)
    seed = recorder.run.seed if recorder else 0
    return lambda purpose: derived_seed(seed, "shared", purpose)


@pytest.fixture(scope="session")
def remark(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Puts a line into the report, such as which data set was used."""
    recorder = _recorder(request)
    return recorder.remarks.append if recorder else print


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`measure("generated_cpu", 0.73, of=2000, budget="…")`: keeps a figure with the run, before it is judged.

    The name is the threshold that it is held against; `of` is the number of images that it was counted on, and `budget`
    says all that decides its level beside the submission. No student sees it: thresholds are derived from such figures.
    """
    recorder = _recorder(request)

    def keep(name: str, value: float, *, of: int = 0, budget: str = "") -> None:
        if not name.isidentifier() or not 0 <= value <= 1:
            raise ValueError(f"a name and a share in [0, 1] are due, not '{name}' and {value}")
        if recorder and recorder.files is recorder.run.files:  # not while the reference is asked
            recorder.measured.append(Measured(name, float(value), of, budget, request.node.name))

    return keep


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """Where the worker computes: "cpu" or "cuda"."""
    recorder = _recorder(request)
    return recorder.run.device if recorder else "cpu"
