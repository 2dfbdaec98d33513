"""The attacks as data, and how one written against `double(x)` becomes one on a real exercise.

An attack is a module `FAMILY/NAME.py` with a function `double(x)`; its docstring says what it tries, its second line
which verdicts are right. An adapter, made from the exercise's stub, gives it the exercise's names. It is graded against
a copy of the course, with canaries wherever a submission must not look, and with a part of the suite, drawn by name.
"""

from __future__ import annotations

import ast
import io
import os
import random
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from rich.console import Console

from grader.catalog import Exercise
from grader.grading import Settings, grade
from grader.parent import Isolation
from grader.report import print_report
from grader.result import Report, TestResult, Verdict
from grader.sandbox import Sandbox

HERE = Path(__file__).resolve().parent
SEED = 0x5EED_0F_C0FFEE
CANARY = re.compile("CANARY-[A-Z]+")
# What a report or a terminal must never hold: control characters, and commands to a CI runner.
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]|^\s*::[A-Za-z]|##\[", re.MULTILINE)
MEMORY_MB, SCRATCH_MB = 512, 64
# Of a test; short where a time-out is what is due, and 30 times that is more than any suite asks for in one call.
SECONDS, SHORT_SECONDS = 30.0, 2.0
# What separate processes alone do not keep: these would find or change what is there, or fill the machine's memory.
NEEDS_BUBBLEWRAP = {
    *("becomes_root_in_a_name_space", "carries_from_test_to_test", "fills_the_disk", "fills_the_disk_with_empty_files"),
    *("forged_fault_of_ours", "kills_everything", "memory_in_temporary_files", "memory_of_system_v"),
    *("outlives_its_worker", "reaches_for_the_network", "replays_the_first_answer", "searches_other_processes"),
    *("searches_the_disk", "searches_its_environment", "traces_its_parent", "writes_to_the_packages"),
}
# The processes of a sandbox between two tests: bubblewrap's two, the warm parent, and the next worker with its
# supervisor, which bubblewrap's name spaces double.
AT_REST = {Isolation.BUBBLEWRAP: 5, Isolation.PROCESS: 3}


class Part(Enum):
    """How much of a suite an attack is run against."""

    ONE_TEST = "one test of one task"
    EACH_TASK = "one test of each task"
    WHOLE = "all tests"


@dataclass(frozen=True)
class Attack:
    """A submission that attacks the grader."""

    family: str
    name: str
    source: str

    @property
    def verdicts(self) -> set[Verdict]:
        """The verdicts that its second line names."""
        line = self.source.splitlines()[1]
        assert line.startswith("# verdicts: "), self.name
        return {Verdict(word.strip()) for word in line.removeprefix("# verdicts: ").split(",")}

    @property
    def needs_whole_suite(self) -> bool:
        """Whether it earns what single tests are worth, and only all tests of a task tell it from a right answer."""
        return "\n# suite: whole" in self.source

    def limited(self, exercise: Exercise) -> Exercise:
        """`exercise` with limits under which the attack's end is soon reached."""
        seconds = SHORT_SECONDS if Verdict.TIME_LIMIT in self.verdicts else SECONDS
        scratch = 400 if self.name == "memory_in_temporary_files" else SCRATCH_MB
        limits = replace(exercise.limits, test_seconds=seconds, memory_mb=MEMORY_MB, scratch_mb=scratch)
        return replace(exercise, limits=limits)


ATTACKS = [Attack(path.parent.name, path.stem, path.read_text("utf-8")) for path in sorted(HERE.glob("*/*.py"))]
FAMILIES = sorted({attack.family for attack in ATTACKS})

# --- an attack on a real exercise

ADAPTER = '''

def _first(values):
    """The first tensor among the arguments, at any depth."""
    for value in values:
        if type(value).__name__ in ("Tensor", "Parameter"):
            return value
        inner = value.values() if type(value) is dict else value if type(value) in (list, tuple) else ()
        if (found := _first(inner)) is not None:
            return found


def _attack(*args, **kwargs):
    found = _first((args, kwargs))
    return double(torch.ones(3, 4) if found is None else found)


'''


def adapter(stub: str) -> str:
    """Code that gives a module with `double(x)` the public functions and classes of a stub."""
    lines = ["\n\nimport torch\n"]
    tree = ast.parse(stub)
    lines += [ast.unparse(node) + "\n" for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines.append(ADAPTER)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            lines.append(f"def {node.name}(*args, **kwargs):\n    return _attack(*args, **kwargs)\n\n\n")
        elif isinstance(node, ast.ClassDef):
            lines.append(f"class {node.name}({', '.join(map(ast.unparse, node.bases))}):\n")
            lines.append("    def __init__(self, *args, **kwargs):\n        super().__init__()\n\n")
            methods = [each.name for each in node.body if isinstance(each, ast.FunctionDef) and each.name[0] != "_"]
            lines += [
                f"    def {name}(self, *args, **kw):\n        return _attack(*args, **kw)\n\n" for name in methods
            ]
            lines.append("\n")
    return "".join(lines)


def _task(test: ast.FunctionDef) -> int:
    marks = " ".join(map(ast.unparse, test.decorator_list))
    found = re.search(r"pytest\.mark\.task\((\d+)\)", marks)
    assert found, test.name
    return int(found[1])


def drawn(suite: str, tasks: Sequence[int], lot: str, part: Part) -> tuple[str, list[int]]:
    """A part of a suite, of these tasks, drawn by `lot`, with canaries; and which tasks it has."""
    tree = ast.parse(suite)
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    chance = random.Random(lot)
    numbers = [chance.choice(tasks)] if part is Part.ONE_TEST else list(tasks)
    kept = [chance.choice([test for test in tests if _task(test) == number]) for number in numbers]
    kept = [test for test in tests if _task(test) in numbers] if part is Part.WHOLE else kept
    for test in kept:
        place = numbers.index(_task(test)) + 1
        others = [each for each in test.decorator_list if "mark.task" not in ast.unparse(each)]
        test.decorator_list = [ast.parse(f"pytest.mark.task({place})", mode="eval").body, *others]
        test.body.insert(1, ast.parse('expected_by_the_judge = "CANARY-EXPECTED"').body[0])
    tree.body = [node for node in tree.body if node not in tests or node in kept]
    tree.body.append(ast.parse('LABELS = ["CANARY-LABELS"]').body[0])
    return ast.unparse(tree) + "\n# CANARY-SUITE\n", numbers


def guarded(exercise: Exercise, root: Path, lot: str, part: Part, titles: Sequence[str] = ()) -> Exercise:
    """A copy of `exercise` below `root`, with a canary in all that is not for students, and with a part of its suite:
    of all tasks, or of those with these titles.
    """
    copied = replace(exercise, root=root)
    for folder, source in ((copied.folder, exercise.folder), (copied.solution, exercise.solution)):
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copied.solution.glob("*.py"):
        path.write_text(path.read_text("utf-8") + '\n\nCANARY = "CANARY-SOLUTION"\n', "utf-8")
    assert exercise.hidden_suite is not None
    tasks = [task.number for task in exercise.tasks if task.title in titles or not titles]
    suite, numbers = drawn(exercise.hidden_suite.read_text("utf-8"), tasks, lot, part)
    hidden = copied.hidden / exercise.hidden_suite.name
    for path, text in {
        hidden: suite,
        copied.hidden / "labels.json": '["CANARY-LABEL"]',
        root / "reports" / exercise.slug / "report.json": '{"seed": "CANARY-REPORT"}',
        root / "seeds.txt": f"CANARY-SEED {SEED}",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    with (copied.folder / "exercise.toml").open("a") as file:
        file.write("\n# CANARY-SETTINGS\n")
    kept = [replace(exercise.tasks[number - 1], number=place) for place, number in enumerate(numbers, start=1)]
    return replace(copied, tasks=kept)


def hand_in(exercise: Exercise, source: str, folder: Path, sandbox: Sandbox) -> Report:
    """The report on a submission of one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / exercise.files[0]).write_text(source, "utf-8")
    return grade(exercise, folder, Settings(seed=SEED), sandbox=sandbox)


# --- what an attack may have got


def results_of(report: Report) -> list[TestResult]:
    return [test for task in report.tasks for test in task.tests]


def rendered(report: Report) -> str:
    """What the student reads on a terminal."""
    out = io.StringIO()
    print_report(Console(file=out, width=80, force_terminal=False), report, f"exercises/{report.exercise}")
    return out.getvalue()


def leaks(report: Report) -> Iterator[str]:
    """Canaries and seeds in what a student or a submission reads, what a spy found, what a terminal obeys."""
    shown, student = rendered(report), report.for_student().to_json()
    for where, text in (("the terminal", shown), ("the report", student)):
        yield from (f"{found} in {where}" for found in CANARY.findall(text))
        if str(SEED) in text:
            yield f"the seed in {where}"
    for test in results_of(report):
        if CANARY.search(test.printed) or "LEAK" in test.printed:
            yield f"a spy's find in {test.name}: {test.printed[:200]!r}"
    for found in OBEYED.finditer(shown):
        yield f"{found[0]!r} on the terminal"
    if max(map(len, shown.splitlines())) > 80:
        yield "a line of over 80 columns"


def below(root: int) -> set[int]:
    """The processes below `root`, the dead ones left out."""
    parents: dict[int, int] = {}
    for name in _process_names():
        try:
            state, parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[int(name)] = int(parent)
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


def _process_names() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]


def living(sandbox: Sandbox) -> int:
    """How many processes there are below the judge, or of the sandbox wherever they hang."""
    return len(below(os.getpid()) | marked(sandbox))


def marked(sandbox: Sandbox) -> set[int]:
    """Without a name space: processes that carry the sandbox's folder in their environment, wherever they hang."""
    if sandbox.folder is None:
        return set()
    mark, found = str(sandbox.folder).encode(), set()
    for name in _process_names():
        try:
            if mark in Path(f"/proc/{name}/environ").read_bytes():
                found.add(int(name))
        except OSError:
            continue
    return found


def strays(sandbox: Sandbox, temporary: Path) -> Iterator[str]:
    """Processes and files that an attack left."""
    deadline = time.monotonic() + 20.0  # for what is just ending, on a busy machine
    while (now := living(sandbox)) != AT_REST[sandbox.isolation] and time.monotonic() < deadline:
        time.sleep(0.02)
    if now != AT_REST[sandbox.isolation]:
        yield f"{now} processes where {AT_REST[sandbox.isolation]} are due"
    yield from (f"the file {path}" for path in temporary.glob("*") if path != sandbox.folder)
    for folder in ("/tmp", "/dev/shm", "."):
        for name in ("dojo-was-here", "dojo-note", "held"):
            if Path(folder, name).exists():
                yield f"the file {folder}/{name}"


# --- files that Python or pytest load by themselves

SIDECAR = "import os, pathlib; pathlib.Path(__file__ + '.ran').touch(); os._exit(0)\n"
LOADED = ("conftest", "sitecustomize", "usercustomize", "__init__", "__main__", "helper")
SHADOWS = ("torch", "pytest", "json", "struct", "socket", "safetensors", "grader", "numpy", "ast", "test_double")


def put_beside(folder: Path, module: str) -> None:
    """Files that would run, or change the run, if anything but the exercise's own file were taken."""
    (folder / "__pycache__").mkdir(parents=True, exist_ok=True)
    for name in (*LOADED, *SHADOWS):
        (folder / f"{name}.py").write_text(SIDECAR)
    (folder / "__pycache__" / f"{module}.{sys.implementation.cache_tag}.pyc").write_bytes(b"forged")
    (folder / f"{module}.pyc").write_bytes(b"forged")
    (folder / "evil.pth").write_text(f"import os; os._exit(0)\n{folder}\n")
    for name in ("pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"):
        (folder / name).write_text(
            "[pytest]\naddopts = --collect-only\n[tool.pytest.ini_options]\naddopts = '-k none'\n"
        )
    (folder / "exercise.toml").write_text("points = 9999\n")
