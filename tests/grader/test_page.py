"""The page of a report: what it says, what it must not say, and what a submission can't make of it."""

from __future__ import annotations

import contextlib
import itertools
import re
import webbrowser
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.archive import last_report
from grader.catalog import Exercise
from grader.figures.picture import Picture
from grader.figures.style import VARIABLES
from grader.page import command, making
from grader.page.advice import advice
from grader.page.command import make_report, page_path
from grader.page.render import render
from grader.page.source import MAX_LINES, MAX_WIDTH, caret_parts, source_files
from grader.page.view import page_of
from grader.result import Failure, Place, Report, Verdict
from grader.session import Choices
from tests.browser.reports import (
    CAUGHT,
    CRASHED,
    FILES,
    MARKUP,
    PASS,
    REPORTS,
    SCRIPT,
    SEED,
    UNTOUCHED,
    hostile_report,
    outcome,
    report_of,
    task_of,
)

V = Verdict
CSS = (Path(making.__file__).parent / "templates" / "page.css").read_text("utf-8")
PICTURE = Picture("A title <b>", "<svg id='figure-x'></svg>", "A caption <i>", "In words <u>")


class Reader(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside != "style":
            self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def of(self, tag: str, kind: str) -> list[dict[str, str | None]]:
        return [given for each, given in self.elements if each == tag and kind in (given.get("class") or "").split()]


def page(report: Report, instructor: bool = False, **settings: object) -> Reader:
    return Reader(render(page_of(report, FILES, folder="exercises/ex01_double", instructor=instructor, **settings)))


@pytest.mark.parametrize("name", REPORTS)
def test_a_student_sees_no_seed_no_test_code_and_no_measurement(name: str) -> None:
    report = REPORTS[name]
    student, instructor = (render(page_of(report, FILES, instructor=each)) for each in (False, True))
    for secret in ("CANARY", str(SEED), "counted on 1000 images"):
        assert secret not in student
    assert str(SEED) in instructor
    assert "counted on 1000 images" in instructor
    assert ("CANARY" in instructor) is ("CANARY" in report.to_json())


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_runs_and_loads_nothing(name: str) -> None:
    read = page(REPORTS[name], pictures=[PICTURE])
    assert not read.tags() & {"script", "iframe", "object", "embed", "form", "base", "img"}
    policy = next(given["content"] for tag, given in read.elements if "http-equiv" in given)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'"
    references = [value for _, given in read.elements for key, value in given.items() if key in ("href", "src")]
    assert all(value == "data:," or (value and value.startswith("#")) for value in references)
    assert not re.search(r"url\(|@import", CSS)


@pytest.mark.parametrize("name", REPORTS)
def test_each_link_has_its_target_and_no_id_is_there_twice(name: str) -> None:
    read = page(REPORTS[name])
    ids = [given["id"] for _, given in read.elements if "id" in given]
    assert len(ids) == len(set(ids))
    links = {value for _, given in read.elements for key, value in given.items() if key == "href"} - {"data:,"}
    labels = {value for _, given in read.elements for key, value in given.items() if key == "aria-labelledby"}
    assert {link.removeprefix("#") for link in links if link} | labels <= set(ids)


@pytest.mark.parametrize("name", REPORTS)
def test_headings_come_in_order(name: str) -> None:
    levels = [
        int(tag[1])
        for tag in (tag for tag, _ in page(REPORTS[name], pictures=[PICTURE]).elements)
        if re.fullmatch("h[1-6]", tag)
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("instructor", [False, True], ids=["student", "instructor"])
def test_markup_of_a_submission_is_text_wherever_it_stands(instructor: bool) -> None:
    files = {"double.py": MARKUP.replace("\0", "") + "\nx = 1\n", MARKUP: "y"}
    html = render(page_of(hostile_report(), files, undrawn=MARKUP, folder=MARKUP, instructor=instructor))
    read = Reader(html)
    assert not read.tags() & {"script", "img", "iframe"}
    assert [given for tag, given in read.elements if tag == "b"] == [{}], "the points, and nothing else"
    assert not [key for _, given in read.elements for key in given if key.startswith("on")]
    assert read.text.count(SCRIPT) >= 10
    assert "{{ 7 * 7 }}" in read.text
    assert "49" not in read.text
    assert not {"\x1b", "\x00", "\u202e"} & set(html)
    html.encode()


def test_only_a_picture_is_markup_and_its_words_are_text() -> None:
    html = render(page_of(REPORTS["wrong"], FILES, [PICTURE]))
    assert PICTURE.svg in html
    for words in ("A title &lt;b&gt;", "A caption &lt;i&gt;", "In words &lt;u&gt;"):
        assert words in html


def test_failed_tests_come_first_and_are_open_and_the_passed_ones_are_folded() -> None:
    read = page(report_of(task_of(1, PASS, CAUGHT, PASS)))
    assert read.text.index("Doubling doubles wrong answer") < read.text.index("2 tests pass")
    assert read.text.index("2 tests pass") < read.text.index("Doubling keeps the shape (2 tests)")
    assert "open" in read.of("details", "test")[0]
    assert "open" not in read.of("details", "passed")[0]
    order = ["called", "double(float32[3, 4])", "expected", "3 at [0, 1]", "got", "30, off by 27", "hint", "What is"]
    places = [read.text.index(word, read.text.index("called")) for word in order]
    assert places == sorted(places)


def test_of_many_failures_three_are_open_and_an_instructor_sees_all() -> None:
    report = report_of(task_of(1, *[CAUGHT] * 5))
    assert ["open" in given for given in page(report).of("details", "test")] == [True] * 3 + [False] * 2
    assert ["open" in given for given in page(report, instructor=True).of("details", "test")] == [True] * 5


def test_one_cause_behind_many_tests_is_told_once() -> None:
    report = report_of(task_of(1, CRASHED, CRASHED), task_of(2, CRASHED))
    text = page(report).text
    assert text.count("IndexError: 7 at") == 1
    assert text.count("1 more test fails for a reason told above") == 2
    assert "0 of 2 pass" in text
    assert page(report, instructor=True).text.count("IndexError: 7 at") == 3


def test_hints_are_inside_each_other() -> None:
    html = render(page_of(report_of(task_of(1, CAUGHT)), {}))
    inner = html[html.index("Hint 1 of 3") :]
    assert inner.index("Hint 2 of 3") < inner.index("Hint 3 of 3") < inner.index("</details>")


def test_an_untouched_task_says_so_and_shows_no_exception() -> None:
    text = page(REPORTS["untouched"]).text
    assert "Not attempted yet." in text
    assert "NotImplementedError" not in text


def test_a_problem_is_told_once_above_the_tasks() -> None:
    read = page(REPORTS["syntax error"])
    assert read.text.count("a syntax error in line 2: bad") == 2, "above the tasks, and at its line"
    assert "Test by test" not in read.text
    assert read.text.count("not run") == 2


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (REPORTS["accepted"], "Nothing is left to do here: every test passes."),
        (REPORTS["untouched"], "Read exercises/x/README.md, then write task 1, Twice."),
        (REPORTS["wrong"], "Go on with task 1, Twice. 1 of its 2 tests fails: “Doubling doubles”."),
        (
            report_of(task_of(1, PASS), task_of(2, CAUGHT)),
            "Go on with task 2, Twice. Its test fails: “Doubling doubles”.",
        ),
        (
            report_of(task_of(1, CAUGHT, CAUGHT)),
            "Go on with task 1, Twice. 2 of its 2 tests fail; the first is “Doubling doubles”.",
        ),
        (report_of(task_of(1, PASS), task_of(2, UNTOUCHED)), "Write task 2, Twice."),
        (REPORTS["missing"], "The file is expected in exercises/x/."),
        (REPORTS["syntax error"], "Mend this first: nothing else could be run."),
        (
            REPORTS["judge error"],
            "The grader failed; no points are lost by it. Run it again, and tell your instructor if it stays.",
        ),
    ],
)
def test_it_says_what_to_do_next(report: Report, sentence: str) -> None:
    assert advice(report, "exercises/x").sentence == sentence


def test_notices_say_what_a_grade_is_worth() -> None:
    assert "Run without a sandbox (bubblewrap is not installed)" in page(REPORTS["unsandboxed"]).text
    assert "These are the public tests only" in page(REPORTS["public"]).text
    assert "sandbox (" not in page(REPORTS["accepted"]).text


def test_the_source_is_marked_where_it_fails_and_where_a_wrong_function_begins() -> None:
    report = report_of(task_of(1, CAUGHT, CAUGHT), task_of(2, CRASHED, PASS))
    (file,) = source_files(FILES, report)
    assert [(line.number, [note.text for note in line.notes]) for line in file.marked] == [
        (7, ["2 tests of task 1 fail"]),
        (9, ["IndexError: 7 (1 test of task 2)"]),
    ]
    assert "".join(text for _, text in file.lines[6].pieces) == "def double(x: Tensor) -> Tensor:"


def test_lines_are_counted_as_python_counts_them() -> None:
    text = 'a = 1\r\n"""two\rlines\x0c and\u2028 no third"""\r\nraise ValueError\n'
    where = Failure("a value", "ValueError", place=Place("a.py", 4, "raise ValueError"))
    (file,) = source_files({"a.py": text}, report_of(task_of(1, outcome(V.RUN_TIME_ERROR, where))))
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its line is what matters
        exec(compile(text, "a.py", "exec"))
    assert caught.traceback[-1].lineno + 1 == file.marked[0].number
    assert "".join(piece for _, piece in file.marked[0].pieces) == "raise ValueError"
    assert "\u2028" not in "".join(piece for line in file.lines for _, piece in line.pieces)


def test_code_is_shown_as_it_was_written() -> None:
    text = "y = x[::step] ##[1]\n\n\tz = {'<': 2 >> 1}"
    (file,) = source_files({"a.py": text}, REPORTS["accepted"])
    assert "\n".join("".join(piece for _, piece in line.pieces) for line in file.lines) == text


def test_a_file_without_end_is_cut() -> None:
    (file,) = source_files({"a.py": "x\n" * (MAX_LINES + 7) + "y" * 9}, REPORTS["accepted"])
    assert (len(file.lines), file.left_out) == (MAX_LINES, 8)
    (file,) = source_files({"a.py": "z" * 900_000}, REPORTS["accepted"])
    assert len(file.lines[0].pieces[0][1]) == MAX_WIDTH


@pytest.mark.parametrize(
    ("text", "column", "parts"),
    [
        ("\tx = = 1", 6, ("x = ", "=", " 1")),
        ("    return x[7]", 0, ("return x[7]", "", "")),
        ("x = (", 6, ("x = (", " ", "")),
        ("    x", 1, ("x", "", "")),
    ],
)
def test_the_caret_points_at_its_sign(text: str, column: int, parts: tuple[str, str, str]) -> None:
    assert caret_parts(Place("a.py", 1, text, column)) == parts


def themes() -> list[dict[str, str]]:
    """The colours of the light theme, and of the dark one."""
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    light, dark = (dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", block)) for block in blocks[:2])
    return [light, dark]


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_marks_stand_out_in_both_themes(theme: int) -> None:
    colours = themes()[theme]
    texts = (
        "ink",
        "muted",
        "link",
        "passed",
        "failed",
        "ours",
        "hint",
        "string",
        "keyword",
        "name",
        "figure-ink",
        "figure-muted",
    )
    for behind in ("paper", "card", "faint", "wash"):
        assert {
            name: contrast(colours[f"--{name}"], colours[f"--{behind}"])
            for name in texts
            if contrast(colours[f"--{name}"], colours[f"--{behind}"]) < 4.5
        } == {}
    marks = [name for name, _ in VARIABLES.values() if name not in ("--figure-grid", "--figure-paper")]
    assert {name: colours[name] for name in marks if contrast(colours[name], colours["--figure-paper"]) < 3} == {}
    assert {name for name, _ in VARIABLES.values()} <= set(colours), "a colour of the figures is not set"


# `dojo report`


def choices(source: Path | None = None, instructor: bool = False) -> Choices:
    options = {"sandbox": "auto", "device": "cpu", "seed": None, "suite": "auto", "report": None}
    audience = "instructor" if instructor else "student"
    return Choices.parse(SimpleNamespace(source=None if source is None else str(source), audience=audience, **options))


def test_a_report_is_written_told_and_kept(
    toy: Exercise, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.figures.draw.draw", lambda *_: [PICTURE])
    stub = toy.folder / "double.py"
    stub.write_text(f"def double(x):\n    print({SCRIPT!r}, flush=True)\n    return x.sum(5)\n")
    assert make_report(toy, choices(), False) == 1
    path = toy.root / "reports" / toy.slug / "report.html"
    read = Reader(path.read_text("utf-8"))
    assert "IndexError" in read.text
    assert f"printed{SCRIPT}" in read.text
    assert "double.py, line 3" in read.text
    assert "A caption <i>" in read.text
    kept = last_report(toy)
    assert kept
    assert kept.provenance.seed is not None
    assert str(kept.provenance.seed) not in path.read_text("utf-8")
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "✗ run time error: 0 of 3 points"
    assert out[1].endswith(f"reports/{toy.slug}/report.html")


def test_a_fault_in_drawing_is_a_line_and_loses_nothing(toy: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: object) -> list[Picture]:
        raise ZeroDivisionError("<script>")

    monkeypatch.setattr("grader.figures.draw.draw", draw)
    made = making.make(toy, toy.solution, choices().settings)
    assert made.report.verdict is V.ACCEPTED
    read = Reader(made.html())
    assert "The figures could not be drawn; no points depend on them (ZeroDivisionError: <script>)." in read.text


def test_a_file_saved_while_it_is_graded_is_not_shown_as_what_was_graded(
    toy: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "open_sandbox", lambda *_: contextlib.nullcontext(object()))
    monkeypatch.setattr(making, "grade", lambda *_: REPORTS["wrong"])  # of another text
    made = making.make(toy, toy.solution, choices().settings)
    assert made.files == {}
    assert "saved again while it was graded" in Reader(made.html()).text


@pytest.mark.parametrize("found", [True, False, webbrowser.Error("none")])
def test_the_page_is_opened_where_there_is_a_browser(
    toy: Exercise, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, found: bool | Exception
) -> None:
    asked = []

    def opened(url: str) -> bool:
        asked.append(url)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(webbrowser, "open", opened)
    broken = toy.root / "broken.py"
    broken.write_text("def double(:\n")
    assert make_report(toy, choices(broken), True) == 1
    path = toy.root / "reports" / toy.slug / "report.html"
    assert asked == [path.as_uri()]
    assert 'def</span> <span class="name">double</span>(:' in path.read_text("utf-8"), "the file that can't be read"
    said = capsys.readouterr().err
    assert said == ("" if found is True else f"dojo: no browser was found here: open '{path}' in one yourself\n")


def test_a_page_that_cannot_be_written_is_told_and_the_earlier_one_stays(
    toy: Exercise, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    broken = toy.root / "broken.py"
    broken.write_text("def double(:\n")
    assert make_report(toy, choices(broken), False) == 1
    path = toy.root / "reports" / toy.slug / "report.html"
    earlier = path.read_text()
    monkeypatch.setattr(command, "write_atomically", full)
    assert make_report(toy, choices(broken), False) == 3
    assert path.read_text() == earlier
    assert "could not be written" in capsys.readouterr().err


def test_a_failed_judge_never_replaces_an_earlier_page(toy: Exercise) -> None:
    path = page_path(toy, REPORTS["judge error"])
    assert path.name == "report.html"
    path.parent.mkdir(parents=True)
    path.touch()
    assert page_path(toy, REPORTS["judge error"]).name == "report.judge_error.html"
    assert page_path(toy, REPORTS["wrong"]) == path
