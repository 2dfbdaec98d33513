"""Which names a piece of source mentions, and whether it may reach names that it does not mention."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

MAIN = "__main__"  # stands for the block that only a script runs
SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
IMPORTS = ast.Import | ast.ImportFrom

# What makes names of texts, or reads a name space. `model.eval()` and `re.compile()` are not meant.
BUILTINS = frozenset({"eval", "exec", "compile", "globals", "locals", "breakpoint", "__import__"})
# Harmless on `self`, whose name space is not the module's, or with a name that is spelt out.
LOOKUPS = frozenset({"getattr", "hasattr", "setattr", "delattr", "vars", "dir"})
WRITES = frozenset({"setattr", "delattr"})
MODULES = frozenset(
    {"ast", "builtins", "ctypes", "dis", "doctest", "gc", "importlib", "inspect", "linecache", "mock", "pdb", "pkgutil"}
    | {"runpy", "subprocess", "tokenize", "traceback", "types", "unittest"}
)
HIDDEN = frozenset(
    {"__bases__", "__builtins__", "__class__", "__class_getitem__", "__closure__", "__code__", "__dict__", "__file__"}
    | {"__globals__", "__init_subclass__", "__loader__", "__mro__", "__mro_entries__", "__prepare__", "__set_name__"}
    | {"__spec__", "__subclasses__", "attrgetter", "f_back", "f_globals", "f_locals", "get_type_hints", "methodcaller"}
    | {"jit", "mro", "tb_frame", "gi_frame", "gi_code"}
)
OPEN_SYS = frozenset(
    {"byteorder", "exit", "float_info", "getswitchinterval", "maxsize", "platform", "setswitchinterval", "stderr"}
    | {"stdout", "version_info"}
)
# Lines, comments and docstrings are a part of the meaning for whoever looks at them.
READING = frozenset(
    {
        "__code__",
        "__doc__",
        "__file__",
        "__loader__",
        "__spec__",
        "_getframe",
        "ast",
        "dis",
        "inspect",
        "jit",
        "linecache",
    }
    | {"tb_frame", "tokenize", "traceback"}
)


def mentions(tree: ast.AST) -> frozenset[str]:
    """Every text of a tree that could be a name: of variables, attributes, parameters, and strings like names."""
    values = (value for node in ast.walk(tree) for _, value in ast.iter_fields(node))
    return frozenset(text for value in values for text in _texts(value) if text.isidentifier())


def is_main_block(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`, which no import runs."""
    return isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test) == "__name__ == '__main__'"


def bound(node: ast.stmt) -> list[str]:
    """The names that a statement binds where it stands."""
    if isinstance(node, SCOPES):
        return [node.name]
    if is_main_block(node):
        return [MAIN]
    found: list[str] = []
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load):
            found.append(each.id)
        elif isinstance(each, SCOPES):
            found.append(each.name)
        elif isinstance(each, IMPORTS):
            found += _imported(each)
    return found


def is_open(tree: ast.Module, file: str = "", driver: bool = False) -> bool:
    """Whether a source mentions every name that it uses, and leaves alone what is not its own.

    A `driver` may change what it likes, and may look up a variable's value: it is a text of its own or an argument.
    """
    nodes = list(ast.walk(tree))
    outer = {name for node in nodes if isinstance(node, IMPORTS) for name in _imported(node)}
    outer |= {name for node in tree.body for name in bound(node)}
    harmless = set(_harmless(nodes, set() if driver else outer, _unassigned(nodes) if driver else set()))
    stem = file.removesuffix(".py")
    return not any(id(node) not in harmless and _obscure(node, file, stem) for node in nodes) and (
        driver or not any(_patches(node, outer) for node in nodes)
    )


def names_of_driver(source: str, *arguments: object) -> frozenset[str] | None:
    """The names of a submission that a driver may use, called with `arguments`. None: any."""
    names = _names_of_driver(source)
    return None if names is None else names | {text for text in _nested(arguments) if text.isidentifier()}


@cache
def _names_of_driver(source: str) -> frozenset[str] | None:
    tree = ast.parse(source)
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    if any(isinstance(called, ast.Attribute) and called.attr == "module" for called in calls):
        return None  # a file of the submission, with whatever is in it
    names = mentions(tree)
    return names if is_open(tree, driver=True) and names.isdisjoint(READING) else None


def _texts(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each


def _nested(value: object) -> Iterator[str]:
    """The texts in an argument, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _nested((*value.keys(), *value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _nested(each)


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.asname or alias.name.split(".")[0] for alias in node.names]


def _root(node: ast.AST) -> str:
    """The variable that an expression such as `a.b[0].c` starts from."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _unassigned(nodes: Iterable[ast.AST]) -> set[str]:
    """Variables that are parameters or run through a loop: no statement puts their values together."""
    every = {node.id for node in nodes if isinstance(node, ast.Name)}
    assignments = (node for node in nodes if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign))
    assigned = {name for node in assignments for name in bound(node)}
    return every - assigned - {node.target.id for node in nodes if isinstance(node, ast.NamedExpr)}


def _harmless(nodes: Iterable[ast.AST], outer: set[str], spelt: set[str]) -> Iterator[int]:
    """The ids of nodes that look like reflection, and reach no name that is not mentioned."""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LOOKUPS and node.args:
            name = node.args[1] if len(node.args) > 1 else None
            told = isinstance(name, ast.Constant) and name.value not in HIDDEN
            told = told or (isinstance(name, ast.Name) and name.id in spelt)
            patched = node.func.id in WRITES and _root(node.args[0]) in outer
            if _is_self(node.args[0]) or (told and not patched):
                yield id(node.func)
        elif isinstance(node, ast.Attribute):
            inner = node.value
            if node.attr == "__dict__" and _is_self(inner):
                yield id(node)
            if node.attr in ("__name__", "__qualname__") and getattr(inner, "attr", "") == "__class__":
                yield id(inner)
            if node.attr in OPEN_SYS and isinstance(inner, ast.Name) and inner.id == "sys":
                yield id(inner)


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _obscure(node: ast.AST, file: str, stem: str) -> bool:
    match node:
        case ast.Name(id=name, ctx=context):
            if name == "self" and not isinstance(context, ast.Load):
                return True
            return name in BUILTINS | LOOKUPS | HIDDEN | {"sys"}
        case ast.Attribute(attr=name):
            return name in HIDDEN
        case ast.Import(names=names):
            roots = {alias.name.split(".")[0] for alias in names}
            renamed = any(alias.name == "sys" and alias.asname for alias in names)
            return renamed or not roots.isdisjoint(MODULES | {stem})
        case ast.ImportFrom(module=module, names=names):
            root = (module or "").split(".")[0]
            return root in MODULES | {"sys", "", stem} or any(alias.name in HIDDEN for alias in names)
        case ast.keyword(arg="metaclass"):
            return True
        case ast.Constant(value=str(text)):
            return bool(file) and file in text
        case ast.FunctionDef(name=name):
            return name in HIDDEN
    return False


def _patches(node: ast.AST, outer: set[str]) -> bool:
    """Whether a node changes an attribute of something that is not a local object: of torch, of a class."""
    return isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and _root(node) in outer
