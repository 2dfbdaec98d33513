"""A copy as somebody would hide it, made by machine: for measuring how many are found.

plain       another layout, no comments, no docstrings, other names for what is one's own
reordered   the same, with functions and methods in another order
rewritten   the same, with loops, conditions, assignments and returns written another way
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable
from enum import StrEnum

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
SHARE = 0.7  # of the places where a statement could be written another way


class Disguise(StrEnum):
    """How much is changed; each does what the ones before it do."""

    PLAIN = "plain"
    REORDERED = "reordered"
    REWRITTEN = "rewritten"


def disguised(source: str, how: Disguise, seed: int) -> str:
    """`source` with the same meaning and another look. The same for the same seed."""
    chance = random.Random(seed)
    tree = ast.parse(source)
    _without_docstrings(tree)
    if how is not Disguise.PLAIN:
        _reorder(tree, chance)
    if how is Disguise.REWRITTEN:
        tree = ast.fix_missing_locations(_Rewrite(chance).visit(tree))
    _rename(tree, chance)
    return ast.unparse(tree) + "\n"


def half_of(source: str, other: str, seed: int) -> str | None:
    """`other` with every second function or class of `source` in the place of its own; None where there is but one."""
    taken, tree = ast.parse(source), ast.parse(other)
    theirs = {each.name: each for each in taken.body if isinstance(each, DEFINITIONS)}
    common = sorted(each.name for each in tree.body if isinstance(each, DEFINITIONS) and each.name in theirs)
    if len(common) < 2:
        return None
    chosen = set(random.Random(seed).sample(common, len(common) // 2))
    body = [theirs[each.name] if isinstance(each, DEFINITIONS) and each.name in chosen else each for each in tree.body]
    return disguised(ast.unparse(ast.Module(body, [])), Disguise.PLAIN, seed)


def _without_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]


def _reorder(tree: ast.Module, chance: random.Random) -> None:
    """Shuffles functions that stand one after the other; a class stays, for another may rest on it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            node.body = [each for run in _runs(node.body) for each in _shuffled(run, chance)]


def _runs(body: list[ast.stmt]) -> list[list[ast.stmt]]:
    runs: list[list[ast.stmt]] = [[]]
    for statement in body:
        free = isinstance(statement, FUNCTIONS) and not statement.decorator_list
        if runs[-1] and not (free and isinstance(runs[-1][-1], FUNCTIONS) and not runs[-1][-1].decorator_list):
            runs.append([])
        runs[-1].append(statement)
    return runs


def _shuffled(run: list[ast.stmt], chance: random.Random) -> list[ast.stmt]:
    return chance.sample(run, len(run))


def _rename(tree: ast.Module, chance: random.Random) -> None:
    """Names that are bound inside functions, and private ones; parameters are a part of what is asked for."""
    kept = {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
    kept |= {each.id for node in tree.body if isinstance(node, ast.Assign) for each in node.targets
             if isinstance(each, ast.Name)}  # fmt: skip
    own = sorted(
        {each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)} - kept
    )
    numbers = chance.sample(range(100, 1000), len(own))
    names = {name: f"value_{number}" for name, number in zip(own, numbers, strict=True)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.Nonlocal | ast.Global):
            node.names = [names.get(each, each) for each in node.names]


class _Rewrite(ast.NodeTransformer):
    """Statements and expressions in another form of the same meaning."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._made = 0

    def _now(self) -> bool:
        return self._chance.random() < SHARE

    def _name(self) -> str:
        self._made += 1
        return f"made_{self._made}"

    def visit_For(self, node: ast.For) -> ast.AST:
        """`for x in xs` as `for i, x in enumerate(xs)`."""
        self.generic_visit(node)
        if self._now():
            counter = ast.Name(self._name(), ast.Store())
            node.target = ast.Tuple([counter, node.target], ast.Store())
            node.iter = ast.Call(ast.Name("enumerate", ast.Load()), [node.iter], [])
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        """The other branch first."""
        self.generic_visit(node)
        if node.orelse and self._now():
            node.test, node.body, node.orelse = ast.UnaryOp(ast.Not(), node.test), node.orelse, node.body
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """`a += b` as `a = a + b`, for plain names."""
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and self._now():
            left = ast.Name(node.target.id, ast.Load())
            return ast.Assign([node.target], ast.BinOp(left, node.op, node.value))
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        """`return x` as `y = x; return y`."""
        self.generic_visit(node)
        if node.value is None or isinstance(node.value, ast.Name | ast.Constant) or not self._now():
            return node
        name = self._name()
        made = ast.Assign([ast.Name(name, ast.Store())], node.value)
        return [made, ast.Return(ast.Name(name, ast.Load()))]

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        """A list made in a loop instead of by a comprehension; a value chosen by `if` instead of in an expression."""
        self.generic_visit(node)
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name) or not self._now():
            return node
        for form, rewrite in _FORMS.items():
            if isinstance(node.value, form):
                return rewrite(node.targets[0].id, node.value)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """`a < b` as `b > a`."""
        self.generic_visit(node)
        turned = _TURNED.get(type(node.ops[0]))
        if len(node.ops) == 1 and turned and self._now():
            return ast.Compare(node.comparators[0], [turned()], [node.left])
        return node


def _as_if(name: str, value: ast.expr) -> list[ast.stmt]:
    assert isinstance(value, ast.IfExp)
    one, other = (ast.Assign([ast.Name(name, ast.Store())], each) for each in (value.body, value.orelse))
    return [ast.If(value.test, [one], [other])]


def _as_loop(name: str, value: ast.expr) -> list[ast.stmt]:
    assert isinstance(value, ast.ListComp)
    append = ast.Attribute(ast.Name(name, ast.Load()), "append", ast.Load())
    body: ast.stmt = ast.Expr(ast.Call(append, [value.elt], []))
    for part in reversed(value.generators):
        for test in reversed(part.ifs):
            body = ast.If(test, [body], [])
        body = ast.For(part.target, part.iter, [body], [])
    return [ast.Assign([ast.Name(name, ast.Store())], ast.List([], ast.Load())), body]


_FORMS: dict[type[ast.expr], Callable[[str, ast.expr], list[ast.stmt]]] = {ast.IfExp: _as_if, ast.ListComp: _as_loop}
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}
