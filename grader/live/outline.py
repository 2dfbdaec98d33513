"""A file of a submission as its top-level statements: definitions, and others, which every import runs."""

from __future__ import annotations

import ast
import copy
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from grader.mentions import IMPORTS, MAIN, READING, SCOPES, bound, is_main_block, is_open, mentions

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# Decorators and base classes that run nothing of the submission's when a definition is made.
DECORATORS = frozenset(
    {"property", "staticmethod", "classmethod", "contextmanager", "contextlib.contextmanager", "abstractmethod"}
    | {"abc.abstractmethod", "cache", "functools.cache", "lru_cache", "functools.lru_cache", "override"}
    | {f"{name}()" for name in ("no_grad", "torch.no_grad", "inference_mode", "torch.inference_mode")}
)
CLASS_DECORATORS = frozenset(
    {"dataclass", "dataclass(frozen=True)", "dataclasses.dataclass", "dataclasses.dataclass(frozen=True)"}
)
ACCESSORS = frozenset({"getter", "setter", "deleter"})
BASES = frozenset(
    {"object", "Module", "nn.Module", "torch.nn.Module", "ABC", "abc.ABC", "Dataset", "torch.utils.data.Dataset"}
    | {"Exception", "ValueError", "RuntimeError", "torch.autograd.Function"}
)


class Source:
    """One version of one file."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text

    @cached_property
    def _tree(self) -> ast.Module | None:
        """The tree without docstrings, or None for a text that Python refuses or warns of."""
        try:
            content = self._text.encode()  # as the worker reads it: a comment can name another encoding
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                compile(content, self._file, "exec", dont_inherit=True)
                tree = ast.parse(content)
            ast.dump(tree)
        except (SyntaxError, Warning, ValueError, RecursionError, MemoryError):
            return None
        return tree if self._reads_itself(tree) else _without_docstrings(tree)

    @staticmethod
    def _reads_itself(tree: ast.Module) -> bool:
        return not mentions(tree).isdisjoint(READING)

    @cached_property
    def meaning(self) -> str:
        """Equal for two versions that do the same."""
        tree = self._tree
        return self._text if tree is None or self._reads_itself(tree) else ast.dump(tree)

    @cached_property
    def module(self) -> Module | None:
        """None where names can't tell what a change alters."""
        tree = self._tree
        return Module(tree.body) if tree is not None and is_open(tree, self._file) else None


@dataclass(frozen=True)
class Definition:
    """A top-level statement that binds one name once, and runs nothing of the submission's."""

    node: ast.stmt
    place: int
    tree: str
    head: str  # all that is looked at when the file is imported: a function without its body
    mentions: frozenset[str]


class Module:
    """The top-level statements of a file: definitions, and the others."""

    def __init__(self, body: list[ast.stmt]) -> None:
        self.order: list[str] = []  # definitions by name, others by their tree
        self.definitions: dict[str, Definition] = {}
        self.run: set[str] = set()  # names that the others mention
        self.places: dict[str, int] = {}  # where a name is bound for sure
        times = Counter(name for node in body for name in bound(node))
        self._own = {name for node in body if not isinstance(node, IMPORTS) for name in bound(node)}
        for place, node in enumerate(body):
            name = self._name(node)
            if name and times[name] == 1:
                self.order.append(name)
                self.definitions[name] = Definition(node, place, ast.dump(node), _head(node), mentions(node))
            else:
                self.order.append(ast.dump(node))
                self.run |= frozenset() if isinstance(node, IMPORTS) else mentions(node)
            if isinstance(node, IMPORTS | SCOPES | ast.Assign):
                self.places |= {each: place for each in bound(node) if times[each] == 1}
        self.parts = {ast.dump(part) for each in self.definitions.values() for part in evaluated(each.node)}

    def _name(self, node: ast.stmt) -> str:
        """The name that a statement defines, or "" for one that does more, or another thing."""
        if is_main_block(node):
            return MAIN
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id if _is_literal(node.value) else ""
        else:
            name = node.name if isinstance(node, SCOPES) and self._is_inert(node) else ""
        return "" if name.startswith("__") and name.endswith("__") else name  # Python asks for some of these itself

    def _is_inert(self, node: FUNCTIONS | ast.ClassDef) -> bool:
        """Whether nothing of the submission's runs when the definition is made."""
        plain = CLASS_DECORATORS if isinstance(node, ast.ClassDef) else DECORATORS
        if getattr(node, "type_params", []) or not all(self._is_plain(each, plain) for each in node.decorator_list):
            return False
        if isinstance(node, FUNCTIONS):
            return all(map(_is_inert, _signature(node)))
        return (
            all(map(self._is_plain_base, node.bases))
            and not node.keywords
            and all(map(self._is_inert_member, node.body))
        )

    def _is_inert_member(self, node: ast.stmt) -> bool:
        return self._is_inert(node) if isinstance(node, SCOPES) else all(map(_is_inert, evaluated(node)))

    def _is_plain(self, node: ast.expr, plain: frozenset[str]) -> bool:
        """Whether a decorator or base is one of the `plain` ones, and no name of the file's own."""
        text = ast.unparse(node)
        accessor = isinstance(node, ast.Attribute) and node.attr in ACCESSORS
        return (accessor or text in plain) and text.split(".")[0].split("(")[0] not in self._own

    def _is_plain_base(self, node: ast.expr) -> bool:
        own = self.definitions.get(ast.unparse(node))  # a class that is not plain itself is no definition
        return isinstance(own.node, ast.ClassDef) if own else self._is_plain(node, BASES)


def evaluated(node: ast.stmt) -> Iterator[ast.AST]:
    """What is evaluated when a definition is made."""
    if isinstance(node, FUNCTIONS):
        yield from [*node.decorator_list, *_signature(node)]
    elif isinstance(node, ast.ClassDef):
        yield from [*node.decorator_list, *node.bases, *node.keywords]
        for each in node.body:
            yield from evaluated(each)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield from [node.annotation, *([node.value] if node.value else [])]
    elif isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
        yield node.value
    elif not isinstance(node, ast.Pass) and not _is_bare_constant(node) and not is_main_block(node):
        yield node


def _signature(node: FUNCTIONS) -> list[ast.expr]:
    """A function's defaults and annotations."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
    annotations = [each.annotation for each in every if each is not None]
    values = [*arguments.defaults, *arguments.kw_defaults, *annotations, node.returns]
    return [each for each in values if each is not None]


def _is_inert(part: ast.AST) -> bool:
    """Whether to evaluate an expression calls nothing."""
    match part:
        case ast.Constant() | ast.Name():
            return True
        case ast.Attribute(value=inner) | ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as inner):
            return _is_inert(inner)
        case ast.Subscript(value=inner, slice=index):
            return _is_inert(inner) and _is_inert(index)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_inert(left) and _is_inert(right)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return all(map(_is_inert, items))
    return False


def _is_bare_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _head(node: ast.stmt) -> str:
    """The tree of a definition without the bodies of its functions."""
    bare = copy.deepcopy(node)
    for each in ast.walk(bare) if isinstance(bare, SCOPES) else []:
        if isinstance(each, FUNCTIONS):
            each.body = []
    return ast.dump(bare)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, SCOPES | ast.Module) and ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = [] if len(node.body) > 1 or isinstance(node, ast.Module) else [ast.Pass()]
    return tree
