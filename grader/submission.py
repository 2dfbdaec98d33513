"""Takes the files that an exercise names out of a submission: regular, UTF-8, up to 1 MB. Runs nothing."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from grader.catalog import Exercise
from grader.errors import UsageError
from grader.result import Failure, Place, Verdict

MAX_BYTES = 1_000_000
PARSE_SECONDS = 10.0
COURSE_FILES = {"figure.py", "test_public.py"}  # beside the student's own
# Parsing is done in a process of its own: a hostile source can exhaust a parser's stack or memory.
PARSER = """
import ast, json, sys, warnings
warnings.simplefilter("ignore")
source = sys.stdin.buffer.read()
try:
    try:
        ast.parse(source, sys.argv[1])
    except SyntaxError:
        ast.parse(source.decode("utf-8-sig"), sys.argv[1])  # of text, Python counts columns in characters
        raise
except SyntaxError as error:
    print(json.dumps([error.msg, error.lineno or 0, error.offset or 0, error.text or ""]))
except (ValueError, RecursionError, MemoryError) as error:
    print(json.dumps([str(error) or "the code is nested too deeply", 0, 0, ""]))
else:
    print("null")
"""


@dataclass(frozen=True)
class Submission:
    """The files of a submission as text, or what is wrong with them."""

    files: dict[str, str]
    sha256: str
    problem: Failure | None = None
    problem_verdict: Verdict = Verdict.RUN_TIME_ERROR


class _Unusable(Exception):
    def __init__(self, failure: Failure, verdict: Verdict = Verdict.RUN_TIME_ERROR) -> None:
        super().__init__(failure.got)
        self.failure = failure
        self.verdict = verdict


def locate(exercise: Exercise, source: str | None) -> Path:
    """The folder or file to grade: the student's own, `solutions`, or below a path that a person gave."""
    if source is None or source == "exercises":
        return exercise.folder
    if source == "solutions":
        return exercise.solution
    try:
        path = Path(source).expanduser()
        found = path.exists()
    except (OSError, RuntimeError):  # a name that is too long; a home of nobody
        found = False
    if not found:
        raise UsageError(f"there is nothing at '{source}': FROM is to be 'solutions' or a path to a submission")
    nested = [path / exercise.slug, path / "exercises" / exercise.slug]
    return next((folder for folder in nested if folder.is_dir()), path)


def read_submission(exercise: Exercise, path: Path) -> Submission:
    """The exercise's files from the folder `path` (or from the one file `path`). Raises UsageError if unreadable."""
    files: dict[str, bytes] = {}
    try:
        for name in exercise.files:
            single = len(exercise.files) == 1 and not path.is_dir()
            files[name] = _read(path if single else path / name, name)
        for name, content in files.items():
            _parse(name, content)
    except _Unusable as unusable:
        return Submission({}, _digest(files), unusable.failure, unusable.verdict)
    return Submission({name: content.decode("utf-8-sig") for name, content in files.items()}, _digest(files))


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _read(path: Path, name: str) -> bytes:
    try:
        status = path.lstat()
    except FileNotFoundError:
        found = {each.name for each in path.parent.glob("*.py")} if path.parent.is_dir() else set()
        beside = sorted(found - COURSE_FILES)
        got = f"no such file in '{path.parent}'" + (f", which holds {', '.join(beside[:5])}" if beside else "")
        hint = "the name of the file is fixed by the exercise"
        raise _Unusable(Failure(f"the file '{name}'", got, hint=hint), Verdict.NOT_ATTEMPTED) from None
    except OSError as error:
        raise UsageError(f"'{path}' can't be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a link or a special file"
        raise _Unusable(Failure(f"'{name}' as a regular file", kind, hint="hand in the file itself"))
    if status.st_size > MAX_BYTES:
        raise _Unusable(Failure(f"'{name}' of at most {MAX_BYTES:,} bytes", f"{status.st_size:,} bytes"))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"'{path}' can't be read: {error.strerror}; mend its permissions and grade again") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = f"a byte that is not UTF-8 (0x{content[error.start]:02x}) in line {line}"
        raise _Unusable(Failure(f"'{name}' as UTF-8 text", got, hint="save the file with the encoding UTF-8")) from None
    if "\0" in text:
        raise _Unusable(
            Failure(f"'{name}' as Python source", "binary data", hint="hand in the source, not a build of it")
        )
    return content


def _parse(name: str, content: bytes) -> None:
    command = [sys.executable, "-I", "-S", "-B", "-c", PARSER, name]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=PARSE_SECONDS, check=False)
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        answer = ["Python's parser gives up on it", 0, 0, ""]
    if answer is None:
        return
    message, line, column, text = answer
    start = max(0, column - 400)
    place = Place(name, line, text.rstrip("\n")[start : start + 500], column - start) if line else None
    where = f" in line {line}" if line else ""
    failure = Failure(f"'{name}' as valid Python", f"a syntax error{where}: {message}", place=place)
    raise _Unusable(failure)
