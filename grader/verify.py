"""The contract of an exercise: its suite gives every right answer all points, and no wrong one.

The solution and every planted submission under `tests/hidden/SLUG/` are graded like a student's. A plant's folder is
its verdict (`accepted/`, `wrong_answer/` …), its file name is the bug, its line `# verdicts: a, b` admits several.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.catalog import Exercise
from grader.grade import Settings, grade, open_sandbox
from grader.result import Report, TaskResult, Verdict
from grader.sandbox import Isolation, Mode, Sandbox
from grader.stubs import drifted, stubs_of

ADMITTED = re.compile(r"^# verdicts: ([a-z_, ]+)$", re.MULTILINE)
LESSON_FILES = {"README.md", "exercise.toml", "test_public.py"}
OUTSIDE = {"__pycache__"}
TIME_SHARE = 0.5  # of the time limit; the reference is to need less


@dataclass(frozen=True)
class Case:
    """A submission whose verdict is known beforehand."""

    name: str
    expected: frozenset[Verdict]
    files: dict[str, str]


@dataclass(frozen=True)
class Finding:
    """How a case, or a rule about an exercise's files, came out."""

    name: str
    expected: str
    got: str
    ok: bool
    note: str = ""
    seconds: float = 0.0


def cases(exercise: Exercise) -> Iterator[Case]:
    """The solution, the stub, and every plant, in that order."""
    solution = {name: (exercise.solution / name).read_text("utf-8") for name in exercise.files}
    yield Case("solution", frozenset({Verdict.ACCEPTED}), solution)
    yield Case("stub", frozenset({Verdict.NOT_ATTEMPTED}), stubs_of(exercise))
    for verdict in Verdict:
        folder = exercise.hidden / verdict.value
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.name in OUTSIDE:
                continue
            # A file stands for the one file of an exercise; a folder lies over the reference's files.
            own = {each.name: each.read_text("utf-8") for each in path.glob("*.py")} if path.is_dir() else {}
            files = {**solution, **own} if path.is_dir() else {exercise.files[0]: path.read_text("utf-8")}
            admitted = ADMITTED.search("\n".join(own.values() if own else files.values()))
            words = admitted[1].split(",") if admitted else [verdict.value]
            yield Case(f"{verdict.value}/{path.stem}", frozenset(Verdict(word.strip()) for word in words), files)


def verify(exercise: Exercise, settings: Settings) -> Iterator[Finding]:
    """Checks the whole contract of one exercise, case by case."""
    yield from _files(exercise)
    with open_sandbox(exercise, settings) as sandbox:
        for case in cases(exercise):
            report = _grade(exercise, case, settings, sandbox)
            yield _finding(case, report)
            if case.name == "solution":
                yield from _reference(exercise, report)
                yield _alone(exercise, case, Settings(seed=1, suite="public"), sandbox, "solution, public tests")
        isolated = sandbox.isolation is Isolation.BUBBLEWRAP
    if isolated:
        with open_sandbox(exercise, Settings(sandbox=Mode.OFF)) as plain:
            solution = next(cases(exercise))
            yield _alone(exercise, solution, Settings(seed=1), plain, "solution, plain processes, seed 1")


def _files(exercise: Exercise) -> Iterator[Finding]:
    """Rules about what lies where."""
    stale = drifted(exercise)
    yield Finding("stub in step with solution", "the same", ", ".join(stale) or "the same", not stale)
    if exercise.number is not None:
        allowed = LESSON_FILES | set(exercise.files) | OUTSIDE
        found = {path.name for path in exercise.folder.iterdir()}
        strays, missing = sorted(found - allowed), sorted(LESSON_FILES - found)
        text = ", ".join([*(f"stray {name}" for name in strays), *(f"no {name}" for name in missing)])
        yield Finding("files of the exercise", "none missing or stray", text or "none missing or stray", not text)


def _grade(exercise: Exercise, case: Case, settings: Settings, sandbox: Sandbox) -> Report:
    with tempfile.TemporaryDirectory(prefix="dojo-verify-") as folder:
        for name, text in case.files.items():
            (Path(folder) / name).write_text(text, "utf-8")
        return grade(exercise, Path(folder), settings, sandbox=sandbox)


def _alone(exercise: Exercise, case: Case, settings: Settings, sandbox: Sandbox, name: str) -> Finding:
    report = _grade(exercise, case, settings, sandbox)
    return _finding(Case(name, case.expected, case.files), report)


def _finding(case: Case, report: Report) -> Finding:
    tests = [test for task in report.tasks for test in task.tests]
    failed = [test for test in tests if test.verdict is not Verdict.ACCEPTED]
    ok = report.verdict in case.expected
    note = ""
    if Verdict.ACCEPTED in case.expected:
        ok = ok and report.points == report.max_points
        note = "; ".join(f"{test.name}: {_cause(test.failure)}" for test in failed)
    elif case.name == "stub":
        spared = [test.name for test in tests if test.verdict is not Verdict.NOT_ATTEMPTED]
        ok = ok and not spared and report.points == 0
        note = f"not failed by it: {', '.join(spared)}" if spared else f"{len(tests)} tests"
    else:
        ok = ok and report.points < report.max_points
        note = f"{failed[0].name}{f' and {len(failed) - 1} more' if len(failed) > 1 else ''}" if failed else ""
    if not ok:
        note += f" (seed {report.provenance.seed})"
    expected = " or ".join(sorted(verdict.words for verdict in case.expected))
    return Finding(case.name, expected, report.verdict.words, ok, note, report.provenance.seconds)


def _cause(failure: object) -> str:
    expected, got = getattr(failure, "expected", ""), getattr(failure, "got", "")
    return f"expected {expected}, got {got}"


def _reference(exercise: Exercise, report: Report) -> Iterator[Finding]:
    """Each task has a hidden test, and the reference takes less than half of the time limit."""
    empty = [str(task.number) for task in report.tasks if not _has_tests(task)]
    yield Finding("each task has a hidden test", "all", f"not task {', '.join(empty)}" if empty else "all", not empty)
    slowest = max((test for task in report.tasks for test in task.tests), key=lambda test: test.seconds)
    bound = exercise.limits.test_seconds * TIME_SHARE
    got = f"{slowest.seconds:.2f} s in {slowest.name}"
    yield Finding("time of the reference", f"under {bound:g} s a test", got, slowest.seconds < bound)


def _has_tests(task: TaskResult) -> bool:
    return any(test.name != "suite" for test in task.tests)
