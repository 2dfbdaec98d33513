"""What a watch shows: it fits any screen, says what there is to say, and keeps what matters most."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from grader.catalog import Exercise, Task
from grader.live.board import Row
from grader.live.layout import Block, fit
from grader.live.layout import cut as cut_lines
from grader.live.screen import STATE, Painter
from grader.live.view import Entry, View
from grader.result import Failure, Place, TestResult, Verdict

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
TASKS = [
    Task(
        1, "train_step: one optimisation step", 4, ["Say what each of the three reads and writes.", "Whose gradients?"]
    ),
    Task(2, "train_epoch: one pass over the data", 3, ["Every batch once."]),
    Task(3, "evaluate: loss and accuracy, without a trace", 4, ["Two switches."]),
]
EXERCISE = Exercise(
    Path("course"), "ex03_training_loop", 3, "The training loop", "", ["training_loop.py"], ["torch"], TASKS
)
FAILURE = Failure(
    expected="0.75",
    got="0.5, off by 0.25",
    call="train_epoch(model, loader, loss_fn, optimizer)",
    hint="What must a batch of 2 weigh beside a batch of 64?",
    place=Place("training_loop.py", 33, "    return total / len(losses)", 12),
)
RESULT = TestResult(
    "test_a_smaller_last_batch", "A smaller last batch counts by its size", 2, Verdict.WRONG_ANSWER, 0.1, FAILURE
)
VIEW = View(
    exercise=EXERCISE,
    rows=[
        Row(TASKS[0], Verdict.ACCEPTED, 0, 18, False),
        Row(TASKS[1], Verdict.WRONG_ANSWER, 3, 10, False),
        Row(TASKS[2], Verdict.NOT_ATTEMPTED, 0, 20, False),
    ],
    points=4,
    max_points=11,
    state="verdict in 0.42 s",
    file="exercises/ex03_training_loop/training_loop.py",
    how="hidden tests, cpu, bubblewrap",
    failure=RESULT,
    more=2,
)


def drawn(view: View, width: int = 80, height: int = 24) -> list[str]:
    return Painter(colour=False).screen(view, width, height)


def test_the_whole_screen() -> None:
    lines = [line.rstrip() for line in drawn(VIEW, 80, 20)]
    assert lines == [
        " ex03 The training loop   hidden tests, cpu, bubblewrap          4 of 11 points",
        " ✓ 1  train_step: one optimisation step                                   4 / 4",
        " ✗ 2  train_epoch: one pass over the data                  3 of 10 fail   0 / 3",
        " · 3  evaluate: loss and accuracy, without a trace                        0 / 4",
        "─" * 80,
        "",
        " ✗ A smaller last batch counts by its size                 task 2, wrong answer",
        "   called    train_epoch(model, loader, loss_fn, optimizer)",
        "   expected  0.75",
        "   got       0.5, off by 0.25",
        "   at        training_loop.py, line 33",
        "                 return total / len(losses)",
        "                        ^",
        "   hint      What must a batch of 2 weigh beside a batch of 64?",
        "",
        "   2 more of this task fail",
        "",
        "",
        "─" * 80,
        " h hint  n next  l list  a all  r reset  ? help  q quit       verdict in 0.42 s",
    ]


# --- it fits, whatever there is to show and however small the screen

words = st.text(max_size=300)
long_words = st.text(min_size=1, max_size=40).map(lambda text: text * 40)
texts = st.one_of(words, long_words, st.just("\t\x1b[31m界" * 80), st.just("line\n" * 60))
places = st.builds(Place, words, st.integers(1, 10**6), texts, st.integers(0, 600))
failures = st.builds(Failure, texts, texts, texts, texts, st.none() | places)
verdicts = st.sampled_from(list(Verdict))
results = st.builds(
    TestResult, words, texts, st.integers(1, 9), verdicts, st.just(0.1), st.none() | failures, printed=texts
)
rows = st.builds(
    Row,
    st.builds(Task, st.integers(1, 99), words, st.sampled_from([1, 2.5, 1000]), st.just(["hint"])),
    st.none() | verdicts,
    st.integers(0, 200),
    st.integers(0, 200),
    st.booleans(),
)
entries = st.builds(Entry, words, words, st.none() | st.just(3), st.just(7), st.booleans())
views = st.builds(
    View,
    exercise=st.builds(lambda title: replace(EXERCISE, title=title), words),
    rows=st.lists(rows, max_size=20),
    points=st.just(1.5),
    max_points=st.just(1000),
    state=words,
    file=words,
    how=words,
    problem=st.none() | failures,
    failure=st.none() | results,
    stale=st.booleans(),
    more=st.integers(0, 300),
    elsewhere=st.integers(0, 300),
    todo=st.none() | rows,
    hints=st.lists(texts, max_size=5),
    hints_left=st.integers(0, 9),
    solved=st.booleans(),
    next=words,
    training=texts,
    notice=texts,
    remarks=st.lists(texts, max_size=3),
    help=st.booleans(),
    entries=st.lists(entries, max_size=40),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(view=views, width=st.integers(40, 220), height=st.integers(10, 70))
def test_any_report_fits_any_screen(view: View, width: int, height: int) -> None:
    lines = drawn(view, width, height)
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    assert not any(re.search(r"[\x00-\x1f\x7f-\x9f]", line) for line in lines)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(view=views, width=st.integers(10, 40), height=st.integers(3, 10))
def test_a_screen_too_small_to_read_still_gets_one(view: View, width: int, height: int) -> None:
    lines = drawn(view, width, height)
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(view=views)
def test_a_pipe_gets_plain_lines(view: View) -> None:
    for line in Painter(colour=False).verdict(view, 80):
        assert cell_len(line) <= 80
        assert "\x1b" not in line


@pytest.mark.parametrize(("width", "height"), [(40, 10), (40, 12), (80, 10), (80, 16), (80, 24), (200, 50)])
def test_the_failure_and_the_state_are_always_there(width: int, height: int) -> None:
    shown = "\n".join(drawn(VIEW, width, height))
    for needed in ("A smaller last batch", "0.75", "0.5, off by 0.25", "verdict in 0.42 s", "4 of 11 points", "✗"):
        assert needed in shown


def test_a_long_value_is_cut_with_an_ellipsis_and_starves_no_other() -> None:
    failure = replace(FAILURE, got="1.5, " * 500, expected="2.5, " * 500)
    shown = drawn(replace(VIEW, failure=replace(RESULT, failure=failure)), 80, 24)
    text = "\n".join(shown)
    assert len(shown) == 24
    assert text.count(" …") == 2
    assert min(text.count("1.5"), text.count("2.5")) > 20
    assert "What must a batch of 2 weigh" in text
    assert "^" in text


def test_the_last_hint_stays_when_there_is_no_room_for_all() -> None:
    hints = [f"hint number {number} " * 8 for number in range(1, 6)]
    shown = "\n".join(drawn(replace(VIEW, hints=hints), 80, 18))
    assert "hint number 5" in shown
    assert "hint number 1" not in shown


def test_the_current_exercise_is_in_the_part_of_a_long_list_that_fits() -> None:
    entries = [Entry(str(number), f"Exercise {number}", None, 10, number == 30) for number in range(1, 41)]
    for height in (10, 12, 24):
        assert "› ·    30  Exercise 30" in "\n".join(drawn(replace(VIEW, entries=entries), 60, height))


def test_the_keys_stay_where_they_are_while_the_state_changes() -> None:
    states = ["watching", "running 3 of 81", "training 4 s", "verdict in 12.42 s"]
    assert all(len(state) <= STATE for state in states)
    feet = {drawn(replace(VIEW, state=state))[-1].partition("q quit")[0] for state in states}
    assert len(feet) == 1


def test_all_points_are_told_with_the_way_on() -> None:
    view = replace(VIEW, failure=None, more=0, solved=True, next="4, Early stopping")
    shown = "\n".join(drawn(view))
    assert "All 11 points. Well done!" in shown
    assert "n goes on to the next one: 4, Early stopping" in shown


def test_colours_are_the_terminals_and_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = "\n".join(Painter().screen(VIEW, 80, 24))
    assert "\x1b[1;31m" in coloured  # the failure, bold and red
    monkeypatch.setenv("NO_COLOR", "1")
    bare = "\n".join(Painter().screen(VIEW, 80, 24))
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", bare)
    assert ESCAPES.sub("", bare) == ESCAPES.sub("", coloured)


# --- the parts


def line(text: str) -> list[object]:
    from rich.segment import Segment

    return [Segment(text)]


def test_gaps_go_before_texts_are_cut_and_the_least_part_goes_first() -> None:
    def told(height: int) -> list[str]:
        parts = [(["a1", "a2", "a3"], 90, 2), ([""], 0, 1), (["b1", "b2", "b3"], 50, 2), (["c"], 10, 1)]
        blocks = [Block([line(text) for text in texts], weight, least) for texts, weight, least in parts]
        return ["".join(segment.text for segment in each) for each in fit(blocks, height, 20)]

    assert told(8) == ["a1", "a2", "a3", "", "b1", "b2", "b3", "c"]
    assert told(7) == ["a1", "a2", "a3", "b1", "b2", "b3", "c"]
    assert told(6) == ["a1", "a2", "a3", "b1", "b2 …", "c"]
    assert told(5) == ["a1", "a2 …", "b1", "b2 …", "c"]
    assert told(4) == ["a1", "a2 …", "b1", "b2 …"]
    assert told(2) == ["a1", "a2 …"]
    assert told(1) == ["a1 …"]
    assert told(0) == []


def test_a_cut_line_with_its_ellipsis_is_no_longer_than_the_screen() -> None:
    lines = [line("x" * 10), line("y")]
    assert "".join(segment.text for segment in cut_lines(lines, 1, 10)[0]) == "x" * 8 + " …"
