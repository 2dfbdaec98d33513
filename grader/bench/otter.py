"""otter-grader 7 on the same submissions: `otter run`, in a virtual environment of its own.

Its assignment has a test case of otter's exception-based kind for each test function of the hidden suite, which calls
that very function: the inputs, the expected values and the comparisons are the same, and so is their order. What
differs, because otter has no other way:

- the student's file is run once, as a cell of a notebook in the kernel that the test cases run in too; here it is
  loaded in a fresh worker for each test;
- nothing is measured or limited: the memory test makes the same call, and takes any memory for right;
- seeds are fixed, a failed test says what was expected but not why, and there are no tasks and no hints in the result.

`otter grade` would start a container for each submission besides, and do the same in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

from grader.bench.classroom import Sheet
from grader.bench.rivals import call, suite_of
from grader.catalog import Exercise
from grader.errors import JudgeError

NEEDS = ("otter-grader==7.*", "ipykernel", "pandas")  # `otter run` imports the last two, and does not ask for them
FOLDER = "otter-7"
INSTALL_SECONDS = 600.0
CASES = '''
import importlib.util, inspect, sys
from pathlib import Path

import torch
from otter.test_files import test_case

from grader.plugin import derived_seed
from grader.remote import MemoryUse

OK_FORMAT = False
name = "{slug}"
points = {points}


class Submission:
    """What the student's cell has defined, with the look of the suite's fixture."""

    def __init__(self, env):
        self._env = env

    def __getattr__(self, name):
        try:
            return self._env[name]
        except KeyError:
            raise AttributeError(name) from None

    def run(self, driver, *args, call="", timeout=None, **kwargs):
        return driver(self, *args, **kwargs)

    def measured(self):
        import contextlib

        return contextlib.nullcontext(MemoryUse())


def _case(test):
    def run(env):
        given = {{"submission": Submission(env)}}
        if "rng" in inspect.signature(test).parameters:
            given["rng"] = torch.Generator().manual_seed(derived_seed(0, "inputs", test.__name__))
        test(**given)

    return test_case(name=test.__name__, points=1)(run)


def _suite():
    spec = importlib.util.spec_from_file_location("suite", Path("{suite}").resolve())
    suite = importlib.util.module_from_spec(spec)
    sys.modules["suite"] = suite
    spec.loader.exec_module(suite)
    return suite


for _name, _test in list(vars(_suite()).items()):
    if _name.startswith("test_"):
        globals()["case_" + _name] = _case(_test)
'''


def cache_folder() -> Path:
    """Where the environment is kept for the next time: 600 MB."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "torch-dojo" / FOLDER


class Otter:
    """An environment with otter in it, and the assignments that were made of the exercises."""

    def __init__(self, environment: Path, assignments: Path) -> None:
        """Makes the environment where it is not there yet. Raises JudgeError where no registry can be reached."""
        self._python = environment / "bin" / "python"
        self._assignments = assignments
        if not (environment / "ready").exists():
            _build(environment)
        # Our torch, rather than another 5 GB, after its own packages: otter gets the versions that it asks for.
        site = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
        ours = [sysconfig.get_path("purelib"), str(Path(__file__).parents[2])]
        (site / "torch-dojo.pth").write_text("\n".join(ours) + "\n")
        self.version = self._ask("import otter; print(otter.__version__)").strip()

    def _ask(self, code: str) -> str:
        return call([str(self._python), "-c", code], Path.cwd())

    def grade(self, sheet: Sheet, folder: Path) -> None:
        """`otter run` on one sheet."""
        path = folder / sheet.exercise.files[0]
        path.write_text(sheet.text, "utf-8")
        command = [str(self._python), "-m", "otter", "run", "--no-logo", "-o", str(folder)]
        call([*command, "-a", str(self._assignment(sheet.exercise)), str(path)], folder)

    def score(self, sheet: Sheet, folder: Path) -> float:
        """The share of the test cases that a sheet passes."""
        self.grade(sheet, folder)
        rows = json.loads((folder / "results.json").read_text("utf-8"))["tests"]
        (graded,) = (row for row in rows if "max_score" in row)
        return float(graded["score"] / graded["max_score"])

    def prepare(self, exercise: Exercise) -> None:
        """Packs the assignment of an exercise as otter wants it."""
        suite = suite_of(exercise)
        tests = sum(line.startswith("def test_") for line in suite.read_text("utf-8").splitlines())
        with zipfile.ZipFile(self._assignment(exercise), "w") as archive:
            archive.writestr("otter_config.json", "{}")
            archive.write(suite, "files/hidden/suite.py")
            code = CASES.format(slug=exercise.slug, points=tests, suite="hidden/suite.py")
            archive.writestr(f"tests/{exercise.slug}.py", code)

    def _assignment(self, exercise: Exercise) -> Path:
        return self._assignments / f"{exercise.slug}.zip"


def _build(environment: Path) -> None:
    venv.create(environment, with_pip=True, clear=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        done = subprocess.run([*pip, *NEEDS], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise JudgeError(f"pip did not install otter-grader within {INSTALL_SECONDS:.0f} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise JudgeError(f"pip can't install otter-grader: {lines[-1] if lines else 'no reason given'}")
    (environment / "ready").touch()


def reach(environment: Path, assignments: Path) -> Otter | None:
    """Otter; None, with a line that says why, where it can't be had."""
    try:
        return Otter(environment, assignments)
    except (JudgeError, OSError) as error:
        print(f"otter-grader is left out: {error}", file=sys.stderr)
        return None
