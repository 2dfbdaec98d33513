"""The exercises: found by their folders, described by their `exercise.toml`."""

from __future__ import annotations

import difflib
import itertools
import math
import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from grader.errors import JudgeError, UsageError
from grader.reading import Reading, readings
from grader.settings.course import CourseSettings
from grader.settings.reading import Outline, read_file, read_settings
from grader.settings.rules import Rules

FOLDER = re.compile(r"ex(\d{2,})_([a-z0-9_]+)")
FINAL = "final_project"
DEVICES = ("any", "cpu", "cuda")
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one worker may use. A test's seconds are of wall time, a process's of CPU time."""

    test_seconds: float = 10.0
    cpu_seconds: float = 60.0
    memory_mb: int = 2048
    scratch_mb: int = 256
    output_mb: int = 16
    processes: int = 16
    open_files: int = 512
    reply_mb: int = 512


@dataclass(frozen=True)
class Task:
    """One idea of an exercise, with its points."""

    number: int
    title: str
    points: float
    hints: list[str]
    bonus: bool = False  # its points count, and are no part of the maximum

    @property
    def label(self) -> str:
        return f"{self.title} (bonus)" if self.bonus else self.title


@dataclass(frozen=True)
class Exercise:
    """One exercise. `number` is None for the final project."""

    root: Path
    slug: str
    number: int | None
    title: str
    summary: str
    files: list[str]
    preload: list[str]  # modules that the warm parent imports
    tasks: list[Task]
    limits: Limits = field(default_factory=Limits)
    thresholds: dict[str, float] = field(default_factory=dict)
    warm: list[str] = field(default_factory=list)  # and those that it imports where nobody waits for it: in a watch
    required: list[str] = field(default_factory=list)  # thresholds that are a rule of the course, and not derived
    device: str = "any"  # "cpu" or "cuda" where it can't be judged on another one
    exclusive: bool = False  # timed: nothing else is graded beside it
    rules: Rules = field(default_factory=Rules)  # what the course decides for it

    @property
    def key(self) -> str:
        """What a person types: "3", or "final"."""
        return "final" if self.number is None else str(self.number)

    @property
    def max_points(self) -> float:
        """Without those of bonus tasks."""
        return sum(task.points for task in self.tasks if not task.bonus)

    @property
    def bonus_points(self) -> float:
        return sum(task.points for task in self.tasks if task.bonus)

    @property
    def required_device(self) -> str:
        """The device without which a result is less well founded; empty where each will do."""
        return "" if self.device == "any" else self.device

    @property
    def folder(self) -> Path:
        """What the student works in."""
        return self.root / self.slug if self.number is None else self.root / "exercises" / self.slug

    @property
    def solution(self) -> Path:
        return self.folder if self.number is None else self.root / "solutions" / self.slug

    @property
    def hidden(self) -> Path:
        return self.root / "tests" / "hidden" / self.slug

    @property
    def hidden_suite(self) -> Path | None:
        suites = sorted(self.hidden.glob("test_*.py"))
        return suites[0] if suites else None

    @property
    def public_suite(self) -> Path:
        return self.folder / "test_public.py"


class Catalog:
    """All exercises below a course's root folder, under the settings of the course, or as they are published."""

    def __init__(self, root: Path, as_published: bool = False) -> None:
        self.root = root
        self.readings = readings(root)
        folders = [path.parent for path in (root / "exercises").glob("*/exercise.toml")]
        folders += [root / FINAL] if (root / FINAL / "exercise.toml").is_file() else []
        found = [read_exercise(root, folder) for folder in folders]
        self._outlines = [Outline(each.slug, len(each.tasks), each.thresholds) for each in found]
        self.settings = CourseSettings() if as_published else read_settings(root, self._outlines)
        exercises = [under(each, self.settings.rules.get(each.slug, Rules())) for each in found]
        self.exercises = sorted(exercises, key=lambda each: (each.number is None, each.number or 0))
        for one, other in itertools.pairwise(self.exercises):
            if one.number == other.number:
                raise JudgeError(f"'{one.slug}' and '{other.slug}' have the same number")

    def settings_in(self, path: Path) -> CourseSettings:
        """What another file like `course.toml` says. Raises UsageError."""
        return read_file(path, self._outlines)

    def find(self, text: str) -> Exercise:
        """The exercise that a person means by "3", "03", "ex03", "reshape", a slug, or "final". Raises UsageError."""
        wanted = text.strip().lower()
        for exercise in self.exercises:
            if wanted in _names(exercise):
                return exercise
        if reading := self.reading(text):
            raise UsageError(reading.not_graded)
        numbers = ", ".join(exercise.key for exercise in self.exercises)
        names = [name for exercise in self.exercises for name in _names(exercise) if not name.isdigit()]
        near = difflib.get_close_matches(wanted, names, 1)
        also = f"; did you mean '{near[0]}'?" if near else "."
        raise UsageError(f"there is no exercise '{text}'{also} The exercises are {numbers}, and 'all'.")

    def reading(self, text: str) -> Reading | None:
        """The lesson without an exercise that a person means by "0", "lesson00", "basics" or a slug."""
        wanted = text.strip().lower()
        return next((each for each in self.readings if wanted in each.names), None)


def _names(exercise: Exercise) -> set[str]:
    if exercise.number is None:
        return {"final", FINAL}
    short = FOLDER.fullmatch(exercise.slug)
    number = exercise.number
    return {str(number), f"{number:02}", f"ex{number}", f"ex{number:02}", exercise.slug, short[2] if short else ""}


def find_root(start: Path) -> Path:
    """The course's root: the nearest folder from `start` upwards with `exercises/`, or the one this package lies in."""
    candidates = [start, *start.parents, Path(__file__).resolve().parent.parent]
    for folder in candidates:
        if (folder / "exercises").is_dir() and any((folder / "exercises").glob("*/exercise.toml")):
            return folder
    remedy = "go to the folder that holds 'exercises', or make one: `dojo init`"
    raise UsageError(f"there is no course in '{start}' or above it: {remedy}")


def under(exercise: Exercise, rules: Rules) -> Exercise:
    """The exercise as a course has it."""
    tasks = [replace(task, bonus=task.number in rules.bonus) for task in exercise.tasks]
    return replace(exercise, tasks=tasks, thresholds=exercise.thresholds | dict(rules.thresholds), rules=rules)


def read_exercise(root: Path, folder: Path) -> Exercise:
    """The exercise in `folder`, as it is published. Raises JudgeError, naming the file and what is wrong in it."""
    path = folder / "exercise.toml"
    match = FOLDER.fullmatch(folder.name)
    if match is None and folder.name != FINAL:
        raise JudgeError(f"'{folder}' is not named like 'ex03_training_loop'")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        defaults: dict[str, Any] = {"preload": ["torch"], "warm": [], "limits": {}, "thresholds": {}, "required": []}
        defaults |= {"device": "any", "exclusive": False}
        _refuse_unknown(table, {"title", "summary", "files", "tasks", *defaults})
        table = defaults | table
        rows = _of(list, table, "tasks")
        if not rows:
            raise ValueError("an exercise has at least one task")
        thresholds = {name: _number(table["thresholds"], name) for name in _of(dict, table, "thresholds")}
        return Exercise(
            root=root,
            slug=folder.name,
            number=int(match[1]) if match else None,
            title=_of(str, table, "title"),
            summary=_of(str, table, "summary"),
            files=_names_of_files(table),
            preload=_texts(table, "preload"),
            warm=_texts(table, "warm"),
            tasks=[_task(row, number) for number, row in enumerate(rows, start=1)],
            limits=_limits(_of(dict, table, "limits")),
            thresholds=thresholds,
            required=_known(_texts(table, "required"), thresholds),
            device=_device(table),
            exclusive=_of(bool, table, "exclusive"),
        )
    except KeyError as error:
        raise JudgeError(f"'{path}' lacks {error}") from None
    except (OSError, ValueError, TypeError) as error:  # tomllib's error is a ValueError
        raise JudgeError(f"'{path}': {error}") from None


def _refuse_unknown(table: object, known: set[str]) -> None:
    if not isinstance(table, dict):
        raise TypeError(f"a table is due where there is {table!r}")
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise ValueError(f"unknown key '{key}'" + (f", did you mean '{near[0]}'?" if near else ""))


def _of(kind: type[T], table: dict[str, Any], key: str) -> T:
    value = table[key]
    if not isinstance(value, kind):
        raise TypeError(f"'{key}' is to be a {kind.__name__}, not {value!r}")
    return value


def _texts(table: dict[str, Any], key: str) -> list[str]:
    values = table[key]
    if not isinstance(values, list) or any(not isinstance(value, str) for value in values):
        raise TypeError(f"'{key}' is to be a list of texts, not {values!r}")
    return values


def _known(names: list[str], thresholds: dict[str, float]) -> list[str]:
    for name in names:
        if name not in thresholds:
            raise ValueError(f"'required' names '{name}', which is not among the thresholds")
    return names


def _device(table: dict[str, Any]) -> str:
    value = _of(str, table, "device")
    if value not in DEVICES:
        near = difflib.get_close_matches(value, DEVICES, 1)
        also = f", did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"'device' is to be {', '.join(DEVICES[:-1])} or {DEVICES[-1]}, not '{value}'{also}")
    return value


def _number(table: dict[str, Any], key: str) -> float:
    value = table[key]
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise TypeError(f"'{key}' is to be a positive number, not {value!r}")
    return value


def _limits(table: dict[str, Any]) -> Limits:
    _refuse_unknown(table, {each.name for each in fields(Limits)})
    return Limits(**{key: _number(table, key) for key in table})  # type: ignore[arg-type]


def _task(row: dict[str, Any], number: int) -> Task:
    _refuse_unknown(row, {"number", "title", "points", "hints"})
    if row["number"] != number:
        raise ValueError(f"task {row['number']} stands where task {number} is due")
    if not row["hints"]:
        raise ValueError(f"task {number} has no hint")
    return Task(number, _of(str, row, "title"), _number(row, "points"), _texts(row, "hints"))


def _names_of_files(table: dict[str, Any]) -> list[str]:
    files = _texts(table, "files")
    if not files or any(Path(name).name != name or not name.endswith(".py") for name in files):
        raise ValueError("'files' is to be a list of plain names of Python files")
    return files
