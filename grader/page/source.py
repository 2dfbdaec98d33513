"""The submission's own text, line by line: coloured a little, and marked where a test failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, String, Token

from grader.result import Place, Report, TaskResult, TestResult, Verdict
from grader.text import ESCAPES, UNSAFE, clean_line

MAX_COLOURED = 200_000  # characters; a lexer is not made for more, and a submission may have a megabyte
MAX_LINES = 4000
MAX_WIDTH = 1000
KINDS = ((Comment, "comment"), (String, "string"), (Keyword, "keyword"), (Name.Function, "name"), (Name.Class, "name"))
CALLED = re.compile(r"\b([A-Za-z_]\w*)\(")


@dataclass(frozen=True)
class Note:
    """What failed at a line. `exact`: an exception passed here; otherwise a function whose result is wrong begins."""

    text: str
    exact: bool


@dataclass(frozen=True)
class Line:
    """A line of the file in pieces (kind, text), with what failed there."""

    number: int
    pieces: list[tuple[str, str]]
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class SourceFile:
    """One file of the submission; `left_out` lines of a very long one are not shown."""

    name: str
    lines: list[Line]
    left_out: int = 0

    @property
    def marked(self) -> list[Line]:
        return [line for line in self.lines if line.notes]


def source_files(files: Mapping[str, str], report: Report) -> list[SourceFile]:
    """The files of a submission, marked by what `report` says of them."""
    return [_file(name, text, _notes(name, text, report)) for name, text in files.items()]


def visible(text: str) -> str:
    """`text` without control characters, and otherwise as it was written: a page is no runner's log."""
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def caret_parts(place: Place) -> tuple[str, str, str]:
    """The place's line without its indentation: before the sign that is meant, the sign, and after it."""
    text = visible(place.text).replace("\n", " ").rstrip()
    start = len(text) - len(text.lstrip())
    column = place.column - 1
    if column < start:
        return text[start:], "", ""
    return text[start:column], text[column : column + 1] or " ", text[column + 1 :]


def _file(name: str, text: str, notes: Mapping[int, list[Note]]) -> SourceFile:
    lines = _pieces(visible(text).rstrip("\n"))
    shown = [Line(number, line, notes.get(number, [])) for number, line in enumerate(lines[:MAX_LINES], start=1)]
    return SourceFile(name, shown, len(lines) - len(shown))


def _pieces(text: str) -> list[list[tuple[str, str]]]:
    """The lines of `text`, each in pieces of one kind."""
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    tokens = lexer.get_tokens(text) if len(text) <= MAX_COLOURED else [(Token.Text, text)]
    lines: list[list[tuple[str, str]]] = [[]]
    for token, value in tokens:
        kind = next((name for parent, name in KINDS if token in parent), "")
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append((kind, part[:MAX_WIDTH]))
    return lines


def _notes(name: str, text: str, report: Report) -> dict[int, list[Note]]:
    """What to write under which line, one cause once, however many tests met it."""
    if report.problem and report.problem.place and report.problem.place.file == name:
        return {report.problem.place.line: [Note(clean_line(report.problem.got), exact=True)]}
    counts: Counter[tuple[int, str, bool, int]] = Counter()
    for task, test in _failed(report.tasks):
        if test.failure and test.failure.place and test.failure.place.file == name:
            counts[test.failure.place.line, clean_line(test.failure.got), True, task.number] += 1
        elif test.failure and (line := _definition(text, test.failure.call)):
            counts[line, "", False, task.number] += 1
    notes: dict[int, list[Note]] = {}
    for (line, what, exact, task_number), number in counts.items():
        tests = f"{number} {'test' if number == 1 else 'tests'} of task {task_number}"
        words = f"{what} ({tests})" if exact else f"{tests} {'fails' if number == 1 else 'fail'}"
        notes.setdefault(line, []).append(Note(words, exact))
    return notes


def _failed(tasks: Iterable[TaskResult]) -> Iterable[tuple[TaskResult, TestResult]]:
    passed = (Verdict.ACCEPTED, Verdict.NOT_ATTEMPTED, Verdict.JUDGE_ERROR)
    return ((task, test) for task in tasks for test in task.tests if test.verdict not in passed)


def _definition(text: str, call: str) -> int | None:
    """The line in which the function or class begins that `call` names first."""
    for name in CALLED.findall(call):
        found = re.search(rf"^(?:async +def|def|class) +{name}\b", visible(text), re.MULTILINE)
        if found:
            return visible(text).count("\n", 0, found.start()) + 1
    return None
