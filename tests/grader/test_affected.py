"""A test that is called unaffected would end the same way. `python -m tests.grader.test_affected 1 2 3` runs the proof.

The proof: the solution is graded, then each plant as a whole with the same seed. Every test that the change from the
solution to the plant is said to leave alone has the solution's verdict on the plant too. So has it on a graft: the
solution with one of the plant's definitions, which is more like what a student changes between two saves.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from grader import runner
from grader.catalog import Catalog, Exercise
from grader.grading import Settings, open_sandbox
from grader.live.affected import affected, changed_names
from grader.mentions import names_of_driver
from grader.proof.plants import Case, cases
from grader.recorder import Recorder, Run
from grader.result import TestResult, Verdict
from grader.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
SEED = 20250711
NOTHING: frozenset[str] = frozenset()
ANY = None

HEADER = '''"""A submission."""

import torch
from contextlib import contextmanager
from torch import Tensor, nn

RATE = 0.1
'''
BASE = f'''{HEADER}

def first(x: Tensor) -> Tensor:
    """Doc."""
    # why
    return x + RATE


def second(x: Tensor) -> Tensor:
    return first(x) * 2


def third(x, rate=0.5):
    return x * rate


class Layer(nn.Module):
    """Doc."""

    def forward(self, x):
        return third(x)
'''
NAMES = {"RATE", "first", "second", "third", "Layer"}


def names(before: str, after: str) -> frozenset[str] | None:
    return changed_names({"main.py": before}, {"main.py": after})


def edited(old: str, new: str, text: str = BASE) -> str:
    assert old in text
    return text.replace(old, new)


# ---------------------------------------------------------------------------------------------------------------------
# The rules, one by one
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    # why\n", ""),
        ("x + RATE", "(x +  RATE)  # that much"),
        ("\n\n\ndef second", "\n\n\n\n\n# more\ndef second"),
        ('"""A submission."""', '"""Another text."""'),
        ('    """Doc."""\n    # why', '    """Longer."""'),
        ('    """Doc."""\n\n    def forward', "    def forward"),
    ],
)
def test_comments_layout_and_docstrings_mean_nothing(old: str, new: str):
    assert names(BASE, edited(old, new)) == NOTHING


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("return first(x) * 2", "return first(x) * 3", {"second"}),
        ("return x + RATE", "return x - RATE", {"first", "second"}),
        ("return x * rate", "return x / rate", {"third", "Layer"}),
        ("return third(x)", "return -third(x)", {"Layer"}),
        ("RATE = 0.1", "RATE = 0.2", {"RATE", "first", "second"}),
        ("rate=0.5", "rate=0.25", {"third", "Layer"}),
        ("rate=0.5", "rate: float = 0.25", {"third", "Layer"}),
        ("def second(x: Tensor) -> Tensor:", "def second(x):", {"second"}),
        ("def second", "def helper(x):\n    return x\n\n\ndef second", {"helper"}),
        ("def second", "def helper(x: Tensor) -> Tensor:\n    return x\n\n\ndef second", {"helper"}),
        ("def second", "def len(x):\n    return third(x)\n\n\ndef second", {"len"}),
        ("def second", "class Extra:\n    def run(self):\n        return 1\n\n\ndef second", {"Extra"}),
        ("def second", "LIMIT = 3\n\n\ndef second", {"LIMIT"}),
        ("    def forward", "    def extra(self):\n        return 1\n\n    def forward", {"Layer"}),
        ("def forward(self, x)", "def forward(self, x, y=None)", {"Layer"}),
    ],
)
def test_a_changed_definition_changes_its_name_and_all_that_refer_to_it(old: str, new: str, expected: set[str]):
    assert names(BASE, edited(old, new)) == expected
    assert names(edited(old, new), BASE) == expected


@pytest.mark.parametrize(
    "reference",
    [
        "def user():\n    return third\n",
        "def user(x):\n    return x.third\n",
        'def user(x):\n    return getattr(x, "third")\n',
        "def user(third):\n    return third\n",
        "def user(x):\n    def inner():\n        return third(x)\n    return inner\n",
        "class user:\n    def a(self):\n        return [third(y) for y in self.b]\n",
        "class user:\n    a = third\n",
        "def user(x: third): ...\n",
        "def user() -> third: ...\n",
        "def user(*, x=third): ...\n",
    ],
)
def test_every_kind_of_reference_counts(reference: str):
    text = f"{BASE}\n\n{reference}"
    assert names(text, edited("return x * rate", "return x / rate", text)) == {"third", "Layer", "user"}


def test_a_derived_class_follows_its_base_and_the_script_alone_what_it_runs():
    text = f'{BASE}\n\nclass Deep(Layer):\n    pass\n\n\nif __name__ == "__main__":\n    print(second(1))\n'
    assert names(text, edited("return third(x)", "return x", text)) == {"Layer", "Deep"}
    assert names(text, edited("first(x) * 2", "first(x)", text)) == {"second", "__main__"}
    assert names(text, edited("print(second(1))", "print(second(2))", text)) == {"__main__"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import torch\n", "import torch\nimport math\n"),
        ("from torch import Tensor, nn", "from torch import Tensor\nfrom torch import nn"),
        ("RATE = 0.1", "RATE = float('0.1')"),
        ("RATE = 0.1", "RATE = 0.1\nRATE = 0.2"),
        ("RATE = 0.1", "RATE = 0.1\ntorch.manual_seed(0)"),
        ("RATE = 0.1", "RATE = 0.1\nif RATE:\n    HALF = 2"),
        ("RATE = 0.1", "RATE = 0.1\nfor RATE in range(3):\n    pass"),
        ("RATE = 0.1", "RATE = 0.1\n__all__ = ['first']"),
        ("RATE = 0.1", "RATE = 0.1\nfrom math import *"),
        ("RATE = 0.1", "RATE: float = 0.1"),
        ("def second", "def first(x):\n    return x\n\n\ndef second"),
        ("def second", "def __getattr__(name):\n    return 1\n\n\ndef second"),
        ("return first(x) * 2", "return first(x) *"),
        ("return first(x) * 2", "return 1 is 1"),  # Python warns, which is printed
        ("return first(x) * 2", "nonlocal y"),  # parsed, and refused all the same
        ("def second", "@first\ndef second"),
        ("def second(x: Tensor)", "def second(x: Tensors)"),
        ("def second(x: Tensor)", "def second(x: third)"),  # defined further down
        ("rate=0.5", "rate=second(0.5)"),
        ("rate=0.5", "rate=nn.Rate"),
        ("class Layer(nn.Module)", "class Layer(nn.Modul)"),
        ("    def forward", "    first = unknown\n\n    def forward"),
        ("    def forward", "    @unknown\n    def forward"),
    ],
)
def test_what_an_import_runs_may_change_anything(old: str, new: str):
    assert names(BASE, edited(old, new)) is ANY


def test_the_order_of_what_stands_in_both_counts():
    one, two = "def one():\n    return 1\n", "def two():\n    return 2\n"
    assert names(f"{one}{two}", f"{two}{one}") is ANY


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("@dataclass\nclass A:\n    a: int = 1\n", "= 1", "= 1\n    b: int"),  # a field without a default
        ("@dataclass\nclass A:\n    a: int = 1\n", "A:", "A:\n    def f(self): ..."),
        ("class A:\n    x = 1\n    def f(self): ...\n", "x = 1", "__slots__ = ('f',)"),
        ("class A: ...\nclass B(A): ...\n", "A: ...", "A:\n    def f(self): ..."),
        ("class A(Exception): ...\nclass B(A): ...\n", "(Exception)", "(ValueError)"),
        ("LR = [1]\ndef f(x=LR[0]): ...\n", "[1]", "[]"),
        ("class A: ...\ndef f(x: A | None): ...\n", "class A:", "def A():"),
        ("def f(): ...\ndef f(): return 1\n", "...", "return 2"),
        ("def f(): ...\nf = 1\n", "...", "return 2"),
        ("def f(): ...\ndel f\n", "...", "return 2"),
        ("def f(): ...\nX = 1\n", "X = 1", "class A(f): ..."),
        ("X = 1\n", "X = 1", "class A(X): ..."),
        ("class A: ...\nX = 1\n", "X = 1", "class B(object, A): ..."),
        ("X = 1\n", "X = 1", "@cache\n@property\ndef f(x): ..."),
        ("X = 1\n", "X = 1", "@dataclass\ndef f(x): ..."),
        ("def f(x): ...\nX = 1\n", "X = 1", "@f.setter\ndef g(x): ..."),
    ],
)
def test_a_definition_that_might_fail_may_change_anything(text: str, old: str, new: str):
    text = f"from dataclasses import dataclass\nfrom functools import cache\n\n{text}"
    assert names(text, edited(old, new, text)) is ANY


@pytest.mark.parametrize(
    "statement",
    [
        "TABLE = [second]",
        "TABLE = {'a': second(1)}",
        "print(second)",
        "@second\ndef user(x): ...",
        "def user(x=second(1)): ...",
        "class user(metaclass=second): ...",
        "class user:\n    x = second(1)",
        "class user:\n    class inner:\n        @second\n        def x(self): ...",
        "class user(second(1)): ...",
    ],
)
def test_what_an_import_runs_can_be_changed_by_what_it_refers_to(statement: str):
    text = f"{BASE}\n\n{statement}\n"
    assert names(text, edited("return first(x) * 2", "return first(x)", text)) is ANY


@pytest.mark.parametrize(
    "body",
    [
        "eval('third')(x)",
        "exec('third(1)')",
        "globals()['thi' + 'rd'](x)",
        "locals()",
        "vars(x)",
        "x.__dict__",
        "getattr(x, '__globals__')",
        "dir(x)",
        "getattr(x, y)",
        "(getattr)(*x)",
        "setattr(x, y, 1)",
        "setattr(torch, 'add', x)",
        "sys.modules['main']",
        "x.__globals__",
        "x.__class__.__init__",
        "__import__('main')",
        "open(__file__)",
        "open('main.py')",
        "type.__subclasses__(x)",
    ],
)
def test_names_that_are_not_spelt_out_may_be_any(body: str):
    text = f"{BASE}\n\ndef user(x):\n    import sys\n    return {body}\n"
    assert names(text, edited("x * rate", "x / rate", text)) is ANY
    assert names(text, edited("    # why\n", "", text)) in (NOTHING, ANY)


@pytest.mark.parametrize(
    "body",
    [
        "import importlib",
        "import inspect",
        "import main",
        "from main import third",
        "from sys import modules",
        "torch.add = x",
        "nn.Module.forward = x",
        "Layer.count += 1",
        "del Layer.forward",
        "for first.x in x: ...",
        "x.__class__ = Layer",
        "self = x",
    ],
)
def test_what_changes_or_reads_others_may_change_anything(body: str):
    text = f"{BASE}\n\ndef user(x):\n    {body}\n"
    assert names(text, edited("x * rate", "x / rate", text)) is ANY


@pytest.mark.parametrize(
    "body",
    [
        "vars(self)",
        "self.__dict__",
        "getattr(self, x)",
        "setattr(self, x, 1)",
        "getattr(x, 'lr')",
        "setattr(x, 'lr', 1)",
        "self.__class__.__name__",
        "x.eval()",
        "torch.compile(x)",
        "sys.maxsize",
        "[]\n        del x",
    ],
)
def test_an_object_may_look_at_itself(body: str):
    text = f"{BASE}\n\nclass User:\n    def look(self, x):\n        import sys\n        return {body}\n"
    assert names(text, edited("x * rate", "x / rate", text)) == {"third", "Layer"}


def test_docstrings_count_for_who_reads_them():
    text = f"{BASE}\n\ndef user():\n    return first.__doc__\n"
    change = edited('    """Doc."""\n    # why', '    """Longer."""', text)
    assert names(text, change) == {"first", "second", "user"}
    assert names(text, edited("    # why\n", "", text)) == NOTHING


def test_an_encoding_is_more_than_a_comment():
    text = 'WORD = "é"\n'
    assert names(f"# coding: utf-8\n{text}", f"# coding: latin-1\n{text}") == {"WORD"}


@pytest.mark.parametrize(
    "broken", ["def f(:", "\0", "\ud800", "X = 0x" + "f" * 9000, "(" * 300, "x = " + "-" * 50000 + "1"]
)
def test_a_text_that_is_no_source_is_equal_to_itself_alone(broken: str):
    assert names(broken, broken) == NOTHING
    assert names(BASE, broken) is ANY
    assert names(broken, BASE) is ANY
    assert names(broken, broken + "\n") is ANY


def test_several_files_are_one():
    files = {"main.py": BASE, "other.py": HEADER}
    assert changed_names(files, {**files, "other.py": f"{HEADER}# more\n"}) == NOTHING
    assert changed_names(files, {**files, "other.py": f"{HEADER}MORE = 1\n"}) is ANY
    assert changed_names(files, {**files, "main.py": edited("x * rate", "x / rate")}) is ANY
    assert changed_names(files, {"main.py": BASE}) is ANY


def test_tests_run_again_by_what_they_touched():
    touched = {"one": frozenset({"first"}), "two": frozenset({"second"}), "three": frozenset({"third"}), "all": None}

    def again(after: str, failed: set[str]) -> set[str]:
        return affected({"main.py": BASE}, {"main.py": after}, touched, failed)

    assert again(BASE, {"all"}) == set()
    assert again(f"{BASE}# more\n", {"all", "of another suite"}) == {"all"}
    assert again(edited("return first(x) * 2", "return x"), set()) == {"two", "all"}
    assert again(edited("return first(x) * 2", "return x"), {"three"}) == {"two", "three", "all"}
    assert again(edited("import torch\n", ""), set()) == set(touched)


# ---------------------------------------------------------------------------------------------------------------------
# Random sources: what runs is compared with what is foretold
# ---------------------------------------------------------------------------------------------------------------------

COUNT = 5
PREAMBLE = "from functools import cache\nfrom contextlib import contextmanager\n"
# {n} is the name that is defined, {m} another one, {k} a number.
PIECES = (
    "def {n}(x):\n    return x * {k} + 1",
    "def {n}(x):\n    return {m}(x) + {k}",
    "def {n}(x):\n    return {m}(x) + {m}",
    "def {n}(x, y={k}):\n    return x - y",
    "def {n}(x, y={m}):\n    return y(x) if callable(y) else y + x",
    "def {n}(x: {m}):\n    return x + {k}",
    "def {n}(x, y={m}({k})):\n    return x - y",
    "def {n}(x):\n    global {m}\n    {m} = lambda x: {k}\n    return {m}(x)",
    "def {n}(x):\n    return globals()['{m}'](x)",
    "def {n}(x):\n    {m}.extra = {k}\n    return {m}.extra",
    "def {n}(x):\n    return getattr({m}, 'extra', {k})",
    "def {n}(x):\n    return len([x]) + {k}",
    "@cache\ndef {n}(x):\n    return {m}(x)",
    "@{m}\ndef {n}(x):\n    return x",
    "class {n}:\n    def __new__(cls, x):\n        return x + {k}",
    "class {n}:\n    def __new__(cls, x):\n        return {m}(x)",
    "class {n}:\n    a = {k}\n    def __new__(cls, x):\n        return cls.a",
    "class {n}({m}):\n    a = {k}",
    "class {n}({m}):\n    def extra(self):\n        return {k}",
    "class {n}:\n    def __init_subclass__(cls):\n        cls.a = {k}\n    def __new__(cls, x):\n        return cls.a",
    "{n} = {k}",
    "{n} = {m}",
    "{n} = [{k}]",
    "{m}.extra = {k}",
    "def len(x):\n    return {k}",
    "if __name__ == '__main__':\n    {n} = {k}",
    "if {k}:\n    def {n}(x):\n        return {m}(x)",
    "callable({m}) and {m}({k})",
)


@dataclass(frozen=True)
class Piece:
    """One statement of a random source. It refers to functions of lower numbers alone: nothing recurs for ever."""

    pattern: int
    name: int
    other: int
    number: int

    def __str__(self) -> str:
        other = f"f{self.other % self.name}" if self.name else "abs"
        return PIECES[self.pattern].format(n=f"f{self.name}", m=other, k=self.number)


PIECE = st.builds(Piece, *(st.integers(0, top) for top in (len(PIECES) - 1, COUNT - 1, COUNT - 1, 3)))


@st.composite
def edits(draw: st.DrawFn) -> tuple[list[Piece], list[Piece]]:
    """A list of statements, and the same with some of them changed, left out, put in or moved."""
    before = [
        draw(
            st.builds(
                Piece, st.integers(0, len(PIECES) - 1), st.just(name), st.integers(0, COUNT - 1), st.integers(0, 3)
            )
        )
        for name in range(COUNT)
    ]
    after = list(before)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(after) - 1)) if after else 0
        match draw(st.sampled_from(["number", "piece", "out", "in", "move"])):
            case "number" if after:
                old = after[place]
                after[place] = Piece(old.pattern, old.name, old.other, draw(st.integers(0, 3)))
            case "piece" if after:
                after[place] = draw(PIECE)
            case "out" if after:
                del after[place]
            case "in":
                after.insert(place, draw(PIECE))
            case "move" if after:
                after.insert(draw(st.integers(0, len(after) - 1)), after.pop(place))
    return before, after


def source_of(pieces: list[Piece]) -> str:
    return PREAMBLE + "\n\n".join(map(str, pieces)) + "\n"


def outcome(source: str, name: str) -> tuple[bool, object]:
    """Whether a call of `name`, right after an import, returns; and what."""
    space: dict[str, Any] = {"__name__": "main"}
    try:
        exec(compile(source, "main.py", "exec"), space)
        value = space[name](3)
        return True, value if isinstance(value, int | float) else type(value).__name__
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
        return False, type(error).__name__


@seed(SEED)
@settings(max_examples=500, deadline=None, database=None)
@given(edits())
def test_a_name_that_is_called_unaffected_means_the_same(pair: tuple[list[Piece], list[Piece]]):
    before, after = map(source_of, pair)
    functions = [f"f{number}" for number in range(COUNT)]
    passed = {name: value for name in functions if (value := outcome(before, name))[0]}
    touched = {name: frozenset({name}) for name in passed}
    again = affected({"main.py": before}, {"main.py": after}, touched, ())
    for name in passed.keys() - again:
        assert outcome(after, name) == passed[name], f"{name}\n{before}\n---\n{after}"


@seed(SEED)
@settings(max_examples=100, deadline=None, database=None)
@given(st.one_of(st.lists(PIECE, max_size=COUNT).map(source_of), st.text(max_size=40)))
def test_no_change_affects_nothing(text: str):
    files = {"main.py": text}
    assert affected(files, dict(files), {"one": None, "two": frozenset({"f1"})}, {"one"}) == set()


@seed(SEED)
@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(PIECE, max_size=COUNT).map(source_of), st.data())
def test_comments_and_blank_lines_affect_nothing_that_passed(text: str, data: st.DataObject):
    lines = text.splitlines()
    for _ in range(3):
        filler = data.draw(st.sampled_from(["", "# a comment", "        # indented", "   "]))
        lines.insert(data.draw(st.integers(0, len(lines))), filler)
    after = "\n".join(lines)
    touched = {"one": None, "two": frozenset({"f1"}), "three": frozenset({"f2"})}
    assert affected({"main.py": text}, {"main.py": after}, touched, {"three"}) <= {"three"}


@seed(SEED)
@settings(max_examples=100, deadline=None, database=None)
@given(st.data())
def test_more_changes_affect_no_fewer_tests(data: st.DataObject):
    before = [
        data.draw(st.builds(Piece, st.integers(0, 18), st.just(name), st.integers(0, 4), st.integers(0, 1)))
        for name in range(COUNT)
    ]
    many = data.draw(st.sets(st.integers(0, COUNT - 1)))
    few = {place for place in many if data.draw(st.booleans())}

    def changed(places: set[int]) -> dict[str, str]:
        pieces = [
            Piece(each.pattern, each.name, each.other, each.number + 5 * (place in places))
            for place, each in enumerate(before)
        ]
        return {"main.py": source_of(pieces)}

    touched = {name: frozenset({name}) for name in ("f0", "f1", "f2", "f3", "f4")}
    one, other = (affected(changed(set()), changed(places), touched, ()) for places in (few, many))
    assert one <= other


# ---------------------------------------------------------------------------------------------------------------------
# What a test touches
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "arguments", "expected"),
    [
        ("return sub.step(1)", (), {"step"}),
        ("return [sub.step(each) for each in sub.steps]", (), {"step", "steps"}),
        ("return getattr(sub, name)()", ("StepDecay",), {"StepDecay"}),
        ("return getattr(sub, name)()", ({"a": [("Deep", 1)]},), {"Deep"}),
        ("return [getattr(sub, each) for each in ('one', 'two')]", (), {"one", "two"}),
        ("from training_loop import fit\n    return fit()", (), {"fit"}),
        ("return sub.module('data')", (), ANY),
        ("return vars(sub)", (), ANY),
        ("return sub.step.__doc__", (), ANY),
        ("import inspect\n    return inspect.getsource(sub.step)", (), ANY),
        ("name = name + 'Decay'\n    return getattr(sub, name)", ("Step",), ANY),
        ("return getattr(sub, 'Step' + name)", ("Decay",), ANY),
    ],
)
def test_a_driver_may_use_the_names_in_its_source_and_its_arguments(
    body: str, arguments: tuple[object, ...], expected: set[str] | None
):
    found = names_of_driver(f"def driver(sub, name=None):\n    {body}\n", arguments)
    assert found is None if expected is None else found is not None and expected <= found


SUITE = """
import pytest
import torch

from grader.checks import check_raises, check_tensor

X = torch.ones(2)


def call(sub, name, x):
    return getattr(sub, name)(x)


def anything(sub, x):
    return vars(sub)


@pytest.fixture
def warm(shared_submission):
    return shared_submission


@pytest.mark.task(1)
def test_call(submission):
    check_tensor(submission.double(X), 2 * X)


@pytest.mark.task(1)
def test_calls(submission):
    submission.put_file("half", b"")
    check_tensor(submission.double(X), 2 * X)
    check_tensor(submission.triple(X), 3 * X)


@pytest.mark.task(1)
def test_driver(submission):
    check_tensor(submission.run(call, "triple", X), 3 * X)


@pytest.mark.task(2)
def test_raises(submission):
    check_raises(ValueError, submission.double, torch.tensor(3.0))


@pytest.mark.task(1)
def test_any(submission):
    submission.run(anything, X)
    check_tensor(submission.double(X), 2 * X)


@pytest.mark.task(1)
def test_shared(warm, submission):
    check_tensor(submission.double(X), 2 * X)


@pytest.mark.task(1)
def test_script(submission):
    submission.script("double.py")
    check_tensor(submission.double(X), 2 * X)


@pytest.mark.task(1)
def test_no_call(submission):
    pass


@pytest.mark.task(2)
def test_fails(submission):
    check_tensor(submission.double(X), 3 * X)
"""
TOY = """def double(x):
    if x.dim() == 0:
        raise ValueError("a scalar")
    return 2 * x


def triple(x):
    return 3 * x
"""


def run_suite(exercise: Exercise, files: dict[str, str], sandbox: Sandbox) -> Recorder:
    """A whole run of the hidden suite, with the one seed of all runs here."""
    suite = exercise.hidden_suite
    assert suite is not None
    runner.load()
    sandbox.wait_ready()
    recorder = Recorder(Run(exercise, files, sandbox, SEED, sandbox.device), lambda _: None, lambda _: None)
    runner.run(suite, exercise.root, recorder)
    assert not recorder.faults, recorder.faults
    return recorder


def test_a_recorder_keeps_what_each_test_touched(toy: Exercise):
    suite = toy.hidden_suite
    assert suite is not None
    suite.write_text(SUITE, "utf-8")
    with open_sandbox(toy, Settings(device="cpu")) as sandbox:
        touched = run_suite(toy, {"double.py": TOY}, sandbox).touched
    assert touched.pop("test_call") == {"double"}
    assert touched.pop("test_calls") == {"double", "triple"}
    assert touched.pop("test_raises") == {"double"}
    driver = touched.pop("test_driver")
    assert driver is not None
    assert "triple" in driver
    assert "double" not in driver
    assert touched == dict.fromkeys(["test_any", "test_shared", "test_script", "test_no_call", "test_fails"])


# ---------------------------------------------------------------------------------------------------------------------
# The proof: plants and grafts, graded
# ---------------------------------------------------------------------------------------------------------------------


def grafts(solution: dict[str, str], case: Case) -> Iterator[tuple[str, dict[str, str]]]:
    """The solution with one definition of a plant's in place of its own, for each that differs."""
    file, theirs = next(iter(case.files.items()))
    kinds = ast.FunctionDef | ast.ClassDef
    try:
        planted = {node.name: node for node in ast.parse(theirs).body if isinstance(node, kinds)}
    except SyntaxError:
        return
    ours = ast.parse(solution[file])
    for place, node in enumerate(ours.body):
        other = planted.get(node.name) if isinstance(node, kinds) else None
        if other is not None and ast.dump(other) != ast.dump(node):
            body = [*ours.body[:place], other, *ours.body[place + 1 :]]
            yield f"{case.name} ({other.name})", {file: ast.unparse(ast.Module(body, []))}


def results_of(recorder: Recorder) -> dict[str, TestResult]:
    return {result.name: result for result in recorder.results}


@dataclass
class Tally:
    """What the proof found."""

    graded: int = 0
    anything: int = 0  # changes of which names can't tell: every test runs again
    out_of_time: int = 0
    tests: int = 0
    spared: int = 0
    wrong: int = 0

    def __str__(self) -> str:
        share = self.spared / max(1, self.tests)
        return (
            f"{self.graded} graded, {self.anything} where anything may have changed, {self.out_of_time} out of time; "
            f"{self.spared} of {self.tests} tests spared ({share:.0%}), {self.wrong} of them wrongly"
        )


class Proof:
    """The solution of an exercise, graded, and what others are held against."""

    def __init__(self, exercise: Exercise, sandbox: Sandbox) -> None:
        self.exercise, self.sandbox = exercise, sandbox
        self.cases = list(cases(exercise))
        self.solution = self.cases[0].files
        recorder = run_suite(exercise, self.solution, sandbox)
        self.results, self.touched = results_of(recorder), recorder.touched
        assert all(result.verdict is Verdict.ACCEPTED for result in self.results.values())

    def again(self, files: dict[str, str]) -> set[str]:
        return affected(self.solution, files, self.touched, ())

    def mismatches(self, files: dict[str, str], tally: Tally) -> list[str]:
        """Tests that are called unaffected, and end otherwise."""
        again = self.again(files)
        tally.tests += len(self.touched)
        if len(again) == len(self.touched):
            tally.anything += 1  # nothing is spared, and so there is nothing to compare
            return []
        results = results_of(run_suite(self.exercise, files, self.sandbox))
        if any(result.verdict is Verdict.TIME_LIMIT for result in results.values()):
            tally.out_of_time += 1
            tally.tests -= len(self.touched)
            return []
        tally.graded += 1
        spared = self.touched.keys() - again
        wrong = [name for name in spared if results[name].verdict is not self.results[name].verdict]
        tally.spared += len(spared)
        tally.wrong += len(wrong)
        return wrong


SAMPLE = {"6": 2}  # exercise: how many plants and grafts


@pytest.mark.parametrize("key", SAMPLE)
def test_no_plant_changes_a_verdict_that_is_said_to_stand(key: str):
    exercise = Catalog(ROOT).find(key)
    with open_sandbox(exercise, Settings(device="cpu")) as sandbox:
        proof, tally = Proof(exercise, sandbox), Tally()
        chosen = [case for case in proof.cases if Verdict.WRONG_ANSWER in case.expected]
        files = [case.files for case in chosen] + [
            graft for case in chosen for _, graft in grafts(proof.solution, case)
        ]
        telling = [each for each in files if len(proof.again(each)) < len(proof.touched)]
        for each in telling[:: max(1, len(telling) // SAMPLE[key])][: SAMPLE[key]]:
            assert proof.mismatches(each, tally) == []
    assert tally.graded == SAMPLE[key]
    assert tally.spared > 0


def prove(key: str, most_grafts: int) -> Tally:
    """All plants of an exercise, and so many of the grafts, evenly taken."""
    exercise = Catalog(ROOT).find(key)
    tally = Tally()
    with open_sandbox(exercise, Settings(device="cpu")) as sandbox:
        proof = Proof(exercise, sandbox)
        plants = proof.cases[1:]
        pairs = [(case.name, case.files) for case in plants if Verdict.TIME_LIMIT not in case.expected]
        every = [graft for case in plants for graft in grafts(proof.solution, case)]
        pairs += every[:: max(1, len(every) // most_grafts)][:most_grafts] if most_grafts else []
        for name, files in pairs:
            if wrong := proof.mismatches(files, tally):
                print(f"exercise {key}, {name}: {', '.join(wrong)}", flush=True)
    return tally


if __name__ == "__main__":
    failed = False
    for argument in sys.argv[1:]:
        chosen, _, count = argument.partition("+")  # "3+20": exercise 3, with 20 grafts
        found = prove(chosen, int(count or 0))
        print(f"exercise {chosen}: {found}", flush=True)
        failed |= found.wrong > 0
    sys.exit(failed)
