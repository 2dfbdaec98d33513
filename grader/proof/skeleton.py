"""The skeleton of a new exercise: its three folders, with a function that doubles a tensor as a place-holder.

It can be graded at once. What its author has to write is marked, and `dojo verify` counts the marks.
"""

from __future__ import annotations

import re
from pathlib import Path

from grader.catalog import Catalog, Exercise
from grader.errors import UsageError
from grader.proof.rules import OPEN
from grader.stubs import rewrite

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

SOLUTION = '''"""{title}: {open} what a student writes here, and where it comes from (paper or documentation)."""

from torch import Tensor


def {name}(x: Tensor) -> Tensor:
    """{open} what comes out of what, with shapes, units and errors: {name}(x[B, d]) -> [B, d]."""
    # BEGIN SOLUTION task 1: {open} the one idea in a few words
    return 2 * x  # [B, d]
    # END SOLUTION
'''

DESCRIPTION = """title = "{title}"
summary = "{open} one line for lists."
files = ["{name}.py"]
preload = ["torch"] # "torch._dynamo" too where an optimizer is made

[[tasks]]
number = 1
title = "{open} the one idea"
points = 2
hints = [
    "{open} a question that leads on",
    "{open} a stronger one",
]
"""

LESSON = """# {number} · {title}

{open} what is written here, and what for, in two lines.

![{open} what is to be seen, in a sentence or two](picture.svg)

## The idea

{open} the idea, and why it matters. The formula stands by itself, with the shape or the unit of each letter:

    y = 2 x          {open}

## The rules

{open} every rule that the hidden tests rely on.

## What is graded

| task | what | points |
|---|---|---|
| 1 | {open} | 2 |

## An example

```python
import torch

x = torch.tensor([[1.0, 2.0]])
assert torch.equal(2 * x, torch.tensor([[2.0, 4.0]]))  # {open} a worked example, which runs as it stands
```

## Sources

{open}
"""

PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 360 80" role="img" aria-labelledby="title about">
  <title id="title">{title}</title>
  <desc id="about">{open} what is to be seen</desc>
  <style>
    text {{ font: 14px sans-serif; fill: #24292f }}
    @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} }}
  </style>
  <text x="20" y="45">{open} the idea as a picture</text>
</svg>
"""

PUBLIC = '''"""Sample tests of exercise {number}: run them with `make grade EX={number}`, or with plain pytest."""

import pytest
import torch

from grader.checks import check_tensor


@pytest.mark.task(1)
def test_one_example(submission):
    """{open} a first example."""
    check_tensor(submission.{name}(torch.tensor([[1.0, 2.0]])), torch.tensor([[2.0, 4.0]]))
'''

FIGURE = '''"""The picture of exercise {number}: {open} what it shows, and which mistakes it makes visible."""

from __future__ import annotations

from typing import Any

import torch

from grader.figures import style, values
from grader.figures.picture import Failure, Picture, attempt
from grader.figures.svg import to_picture


def figure(submission: Any, rng: torch.Generator) -> Picture:
    """{open} the submission's own result beside what is due."""
    x = torch.linspace(-1, 1, 9)[None]
    due = [2 * each for each in x[0].tolist()]  # worked out here, and not by the solution
    got = attempt(lambda: values.tensor(submission.{name}(x), (1, 9))[0].tolist())
    drawing = style.new_figure(220)
    axes = drawing.subplots()
    axes.plot(x[0].tolist(), due, color=style.EXPECTED, label="expected")
    if not isinstance(got, Failure):
        axes.plot(x[0].tolist(), got, "s", color=style.GOT, markerfacecolor="none", label="yours")
    axes.set(xlabel="x", ylabel="{name}(x)")
    axes.legend()
    told = str(got) if isinstance(got, Failure) else f"At x = 1 yours is {{got[-1]:.3g}}, and {{due[-1]:.3g}} is due."
    caption = f"{open} how to read it. {{told}}"
    return to_picture(drawing, "figure-{number}", title="{title}", caption=caption, description=told)
'''

HIDDEN = '''"""Hidden tests of {name}."""

import pytest
import torch

from grader.checks import check_tensor


@pytest.mark.task(1)
def test_values(submission, rng):
    """{open} a sentence that the student reads."""
    x = torch.randn(3, 5, generator=rng)
    expected = x + x  # worked out before the worker sees x
    check_tensor(submission.{name}(x), expected, hint="{open} what to think about")
'''


def create(root: Path, number: str, name: str) -> list[Path]:
    """Writes the skeleton of exercise `number`, `name`; returns the files. Raises UsageError and writes nothing."""
    catalog = Catalog(root, as_published=True)
    taken = {exercise.number for exercise in catalog.exercises}
    free = max((each for each in taken if each is not None), default=0) + 1
    if not number.isdecimal() or not 1 <= int(number) <= 99 or int(number) in taken:
        raise UsageError(f"EX='{number}' is not the number of a new exercise: {free} is the next")
    if not NAME.fullmatch(name):
        raise UsageError(f"NAME='{name}' is not like 'vae' or 'batch_norm': small letters, digits, single underscores")
    same = [exercise.slug for exercise in catalog.exercises if exercise.slug.partition("_")[2] == name]
    if same:
        raise UsageError(f"NAME='{name}' is taken by '{same[0]}'")
    slug = f"ex{int(number):02}_{name}"
    texts = {
        root / "solutions" / slug / f"{name}.py": SOLUTION,
        root / "exercises" / slug / "exercise.toml": DESCRIPTION,
        root / "exercises" / slug / "README.md": LESSON,
        root / "exercises" / slug / "picture.svg": PICTURE,
        root / "exercises" / slug / "test_public.py": PUBLIC,
        root / "exercises" / slug / "figure.py": FIGURE,
        root / "tests" / "hidden" / slug / f"test_{name}.py": HIDDEN,
    }
    if there := [path.parent for path in texts if path.parent.exists()]:
        raise UsageError(f"'{there[0]}' is there already: choose another number or name, or remove it")
    words = {"title": name.replace("_", " ").capitalize(), "name": name, "number": int(number), "open": OPEN}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**words), "utf-8")
    exercise = _made(root, slug)
    stubs = rewrite(exercise)
    return [*texts, *(exercise.folder / stub for stub in stubs)]


def _made(root: Path, slug: str) -> Exercise:
    return next(exercise for exercise in Catalog(root, as_published=True).exercises if exercise.slug == slug)
