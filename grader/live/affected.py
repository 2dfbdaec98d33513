"""Which tests a change of a submission can affect: a watch mode runs these again, and no others.

A test that passed has run what every import runs, the top-level definitions that its calls name, and those that these
mention in turn. Where none of them has changed, it would see the same again. So a change is told by the top-level names
whose meaning it may have altered. Where names alone do not tell - in code that runs at import, in code that reaches
names without mentioning them, in a source with a syntax error - the change may have altered anything.

Comments and the layout mean nothing, but they move lines, and a failure shows a line: a test that failed runs again
whenever the text differs. One thing is not told: a test that would not run at all, because one of its task is now out
of time. The task's points are lost by that one already.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable, Mapping

from grader.live.outline import FUNCTIONS, Definition, Module, Source, evaluated
from grader.mentions import mentions


def affected(
    before: Mapping[str, str],
    after: Mapping[str, str],
    touched: Mapping[str, frozenset[str] | None],
    failed: Collection[str],
) -> set[str]:
    """The names of the tests of `touched` to run again, now that the files `before` have become `after`.

    The files are name → text, the exercise's main one first. `touched` holds what each test may have used: names of the
    submission, or None for anything.
    """
    if list(before.items()) == list(after.items()):
        return set()
    stale = touched.keys() & set(failed)
    names = changed_names(before, after)
    if names is None:
        return set(touched)
    if not names:
        return stale
    return stale | {test for test, used in touched.items() if used is None or not names.isdisjoint(used)}


def changed_names(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str] | None:
    """The top-level names whose meaning may differ between two versions of a submission. None: any."""
    if list(before) != list(after):
        return None
    pairs = [(Source(name, before[name]), Source(name, after[name])) for name in before]
    if all(old.meaning == new.meaning for old, new in pairs):
        return frozenset()
    if len(pairs) > 1:
        return None  # files know each other under names of their own
    old, new = pairs[0]
    return _compared(old.module, new.module) if old.module and new.module else None


def _compared(old: Module, new: Module) -> frozenset[str] | None:
    both = old.definitions.keys() & new.definitions.keys()
    if _kept(old, both) != _kept(new, both):
        return None
    every = old.definitions.keys() | new.definitions.keys()
    changed = {name for name in every if name not in both or old.definitions[name].tree != new.definitions[name].tree}
    shaky = {name for name in changed if name not in both or old.definitions[name].head != new.definitions[name].head}
    if not all(_is_sure(name, old, new, shaky) for name in new.definitions):
        return None
    changed = _spread(changed, [*old.definitions.items(), *new.definitions.items()])
    return frozenset(changed) if changed.isdisjoint(old.run | new.run) else None


def _kept(module: Module, both: Collection[str]) -> list[str]:
    """The order of all that is no new or removed definition."""
    return [each for each in module.order if each in both or each not in module.definitions]


def _spread(changed: set[str], definitions: Iterable[tuple[str, Definition]]) -> set[str]:
    """With all that mentions a changed name, and what mentions that, and so on."""
    reached = set(changed)
    while more := {name for name, each in definitions if name not in reached and not each.mentions.isdisjoint(reached)}:
        reached |= more
    return reached


def _is_sure(name: str, old: Module, new: Module, shaky: set[str]) -> bool:
    """Whether the definition can be made after the change: one that fails to be made fails the import."""
    definition = new.definitions[name]
    node, parts = definition.node, [*evaluated(definition.node)]
    if name not in shaky and all(mentions(part).isdisjoint(shaky) for part in parts):
        return True
    functions = [each for each in [node, *getattr(node, "body", [])] if isinstance(each, FUNCTIONS)]
    if any(len(each.decorator_list) > 1 for each in functions):
        return False
    if isinstance(node, ast.ClassDef):
        methods = [each.name for each in node.body if isinstance(each, FUNCTIONS)]
        simple = all(isinstance(each, FUNCTIONS) or not [*evaluated(each)] for each in node.body)
        if node.decorator_list or len(node.bases) > 1 or not simple or len(set(methods)) < len(methods):
            return False
        if not all(mentions(base).isdisjoint(shaky) for base in node.bases):
            return False
    return all(_is_sure_part(part, definition.place, old, new, shaky) for part in parts)


def _is_sure_part(part: ast.AST, place: int, old: Module, new: Module, shaky: set[str]) -> bool:
    names = {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}
    if not all(
        new.places.get(name, place) < place or (name not in new.places and name in vars(builtins)) for name in names
    ):
        return False
    # What was evaluated once can be evaluated again; a variable or a constant alone always can.
    known = ast.dump(part) in old.parts and names.isdisjoint(shaky)
    return known or isinstance(part, ast.Name | ast.Constant)
