"""Mutants of a reference: its source with one small change each, such as a student could have made by mistake.

A suite that passes a mutant has not noticed the change. Kinds: operators, comparisons, constants, arguments swapped or
left out, calls, statements, decorators and `with` blocks dropped. Error messages, annotations and imports stay as they
are: their words are free.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
UNTOUCHED = (ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.alias)
DROPPED = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Delete, ast.Assert, ast.Raise)
ANNOTATIONS = {"annotation", "returns", "type_params"}


@dataclass(frozen=True)
class Mutant:
    """A change of one place.

    Its name says the function, the line before and the line after: free of line numbers, so that it outlives changes
    elsewhere. `place` is the function or class that it lies in, "" for the module itself.
    """

    name: str
    place: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of `source`, in the order of its lines; no two of them are the same program."""
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    found: list[Mutant] = []
    same: Counter[str] = Counter()  # a line that stands twice in a function is told apart by its turn
    for slot in list(_slots(tree, "", None)):
        for replacement in _replacements(slot.node):
            before = _line(slot.statement)
            slot.put(replacement)
            text = ast.unparse(ast.fix_missing_locations(tree))
            after = _line(replacement) if slot.node is slot.statement else _line(slot.statement)
            slot.put(slot.node)
            if text not in seen:
                seen.add(text)
                name = f"{slot.place or 'module'}: {before} → {after}"
                same[name] += 1
                found.append(Mutant(f"{name} ({same[name]})" if same[name] > 1 else name, slot.place, text))
    return found


@dataclass(frozen=True)
class _Slot:
    """Where a node hangs in the tree, and the statement and the function that it belongs to."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    statement: ast.AST
    place: str

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _slots(parent: ast.AST, place: str, statement: ast.AST | None) -> Iterator[_Slot]:
    if isinstance(parent, ast.FunctionDef | ast.ClassDef):
        place = f"{place}.{parent.name}" if place else parent.name
    for field, value in ast.iter_fields(parent):
        if field in ANNOTATIONS:
            continue
        many = value if isinstance(value, list) else [value]
        for index, node in enumerate(many):
            if not isinstance(node, ast.AST) or isinstance(node, UNTOUCHED) or _is_text(node):
                continue
            within = node if isinstance(node, ast.stmt) or statement is None else statement
            yield _Slot(parent, field, index if isinstance(value, list) else None, node, within, place)
            if not isinstance(node, ast.Raise):
                yield from _slots(node, place, within)


def _is_text(node: ast.AST) -> bool:
    """A docstring, or another expression without an effect."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _line(node: ast.AST) -> str:
    """The node in one line: of a compound statement, its head."""
    if isinstance(node, ast.Pass):
        return "(dropped)"
    bare = copy.copy(node)
    if isinstance(bare, ast.FunctionDef | ast.ClassDef):
        heads = [f"@{ast.unparse(each)} " for each in bare.decorator_list]
        bare.decorator_list = []
        return "".join(heads) + ast.unparse(bare).splitlines()[0]
    lines = ast.unparse(bare).splitlines()
    return " ".join(line.strip() for line in lines) if isinstance(bare, ast.expr) else lines[0]


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield from _of_statement(node)
    elif isinstance(node, ast.expr):
        yield from _of_expression(node)


def _of_statement(node: ast.stmt) -> Iterator[ast.AST]:
    if isinstance(node, DROPPED):
        yield ast.Pass()
    match node:
        case ast.Break() | ast.Continue():
            yield ast.Pass()
        case ast.AugAssign(target, operator, value):
            for other in _other_operator(operator):
                yield ast.AugAssign(target, other, value)
        case ast.Return(value) if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.With(items, body):
            for index in range(len(items)):
                left = items[:index] + items[index + 1 :]
                yield ast.With(left, body) if left else _block(body)
        case ast.Try(body, _, orelse, finalbody) if finalbody:
            yield _block([*body, *orelse, *finalbody])
        case ast.FunctionDef(decorator_list=decorators):
            for index in range(len(decorators)):
                changed = copy.copy(node)
                changed.decorator_list = decorators[:index] + decorators[index + 1 :]
                yield changed


def _block(body: list[ast.stmt]) -> ast.stmt:
    return ast.If(ast.Constant(True), body, [])


def _of_expression(node: ast.expr) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, operator, right):
            for other in _other_operator(operator):
                yield ast.BinOp(left, other, right)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield operand
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.Compare(left, operators, rights):
            for index, each in enumerate(operators):
                for kind in COMPARISONS[type(each)]:
                    yield ast.Compare(left, [*operators[:index], kind(), *operators[index + 1 :]], rights)
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.Constant(value):
            yield from _other_constant(value)
        case ast.Slice(lower, upper, step):
            if lower is not None:
                yield ast.Slice(None, upper, step)
            if upper is not None:
                yield ast.Slice(lower, None, step)
            if step is not None:
                yield ast.Slice(lower, upper, None)
        case ast.Call():
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[ast.AST]:
    function, arguments, keywords = node.func, node.args, node.keywords
    # x.detach() becomes x, and f(x) becomes x.
    if isinstance(function, ast.Attribute):
        yield function.value
    if arguments and not isinstance(arguments[0], ast.Starred):
        yield arguments[0]
    for index in range(len(arguments) - 1):
        if not any(isinstance(each, ast.Starred) for each in arguments[index : index + 2]):
            swapped = [*arguments[:index], arguments[index + 1], arguments[index], *arguments[index + 2 :]]
            yield ast.Call(function, swapped, keywords)
    for index in range(len(keywords)):
        yield ast.Call(function, arguments, keywords[:index] + keywords[index + 1 :])


def _other_operator(operator: ast.operator) -> list[ast.operator]:
    other = OPERATORS.get(type(operator))
    return [other()] if other else []


def _other_constant(value: object) -> Iterator[ast.Constant]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
        case float():
            yield ast.Constant(2 * value or 1.0)
        case str():
            yield ast.Constant(f"{value}_")
