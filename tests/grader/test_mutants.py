"""Mutants: which changes are made, that each is a program of its own, and what is left alone."""

from __future__ import annotations

import ast

import pytest

from grader.proof.mutants import mutants


def changes(source: str) -> set[str]:
    return {mutant.name for mutant in mutants(source)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return a + b", "return a - b"),
        ("return a // b", "return a / b"),
        ("return a @ b", "return a * b"),
        ("return a < b", "return a <= b"),
        ("return a < b", "return a >= b"),
        ("return a == b", "return a != b"),
        ("return a is None", "return a is not None"),
        ("return a and b", "return a or b"),
        ("return not a", "return a"),
        ("return -a", "return a"),
        ("return 3", "return 4"),
        ("return 0.5", "return 1.0"),
        ("return 0.0", "return 1.0"),
        ("return True", "return False"),
        ("return 'mean'", "return 'mean_'"),
        ("return a.detach()", "return a"),
        ("return copy(a)", "return a"),
        ("return f(a, b)", "return f(b, a)"),
        ("return f(a, dim=1)", "return f(a)"),
        ("return a[1:2]", "return a[:2]"),
        ("return a[1:2]", "return a[1:]"),
        ("return a if b else c", "return a"),
        ("return a if b else c", "return c"),
        ("return a", "return None"),
        ("a += b", "a -= b"),
        ("a.zero_grad()", "(dropped)"),
        ("raise ValueError(a)", "(dropped)"),
        ("if a:\n        pass", "if not a:"),
    ],
)
def test_a_change_is_made(before: str, after: str):
    line = before.splitlines()[0]
    assert f"f: {line} → {after}" in changes(f"def f(a, b, c):\n    {before}\n")


@pytest.mark.parametrize("line", ["break", "continue"])
def test_leaving_a_loop_is_dropped(line: str):
    assert f"f: {line} → (dropped)" in changes(f"def f(a):\n    for x in a:\n        {line}\n")


def test_a_with_block_becomes_a_bare_one():
    source = "def f(a):\n    with no_grad():\n        return a\n"
    assert "if True:\n        return a" in "\n".join(mutant.source for mutant in mutants(source))


def test_what_was_to_run_after_an_exception_runs_only_without_one():
    source = "def f(a):\n    try:\n        g(a)\n    finally:\n        h(a)\n"
    assert "if True:\n        g(a)\n        h(a)" in "\n".join(mutant.source for mutant in mutants(source))


def test_a_decorator_is_dropped():
    found = mutants("@no_grad()\ndef f(a):\n    return a\n")
    assert "def f(a):\n    return a" in [mutant.source for mutant in found]


def test_words_imports_and_annotations_stay():
    source = '''"""A module: 1 + 1."""
import math


def f(a: "int" = None) -> "str":
    """Adds 1 and 1."""
    raise ValueError(f"not {a + 1}", "so", 3)
'''
    assert changes(source) == {"f: raise ValueError(f'not {a + 1}', 'so', 3) → (dropped)"}


def test_mutants_are_programs_and_no_two_are_alike():
    source = "def f(a, b):\n    x = g(a, b) + 1\n    x = g(a, b) + 1\n    return x\n"
    found = mutants(source)
    for mutant in found:
        ast.parse(mutant.source)
    assert len({mutant.source for mutant in found}) == len(found)
    assert len({mutant.name for mutant in found}) == len(found)
    assert "f: x = g(a, b) + 1 → x = g(a, b) - 1 (2)" in {mutant.name for mutant in found}


def test_each_mutant_says_where_it_lies():
    source = "class A:\n    def f(self):\n        return 1\n\n\nLIMIT = 2\n"
    assert {mutant.place for mutant in mutants(source)} == {"A.f", ""}
