"""Walks all objects and all frames for modules, functions and strings of the judge."""
# verdicts: wrong_answer

import gc
import re
import sys

PATTERN = re.compile("CANAR[Y]-[A-Z]+")
JUDGE = ("_pytest", "pytest", "grader.recorder", "grader.checks", "grader.remote", "grader.grading", "grader.result")


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (each for each in [*value.keys(), *value.values()] if isinstance(each, str))
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from (each for each in value if isinstance(each, str))
    else:
        yield from (
            each for each in getattr(getattr(value, "__code__", None), "co_consts", ()) if isinstance(each, str)
        )


def search():
    found = [name for name in JUDGE if name in sys.modules]
    frame = sys._getframe()
    held = gc.get_objects()
    while frame is not None:
        held += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    for value in held:
        try:
            found += [text for text in texts(value) if PATTERN.search(text)]
            found += [value.__name__] if getattr(value, "__module__", None) in JUDGE else []
        except Exception:
            pass
    return len(held), found


def double(x):
    seen, found = search()
    for each in found:
        print("LEAK:", str(each)[:100])
    print("searched", seen, "objects", flush=True)
    return x
