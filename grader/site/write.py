"""Writes the instructor's pages into a folder of their own, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from grader.errors import JudgeError, UsageError
from grader.gradebook.book import Gradebook
from grader.settings.policy import Policy
from grader.similar.kept import read_kept
from grader.site.render import render_index, render_student
from grader.site.views import SIMILAR, Class
from grader.summary import now

MARKER = ".dojo-site"  # in a folder that we have written, and may write again


def write_site(book: Gradebook, policy: Policy, out: Path, title: str, similar: Path | None = None) -> int:
    """Writes index and students; returns how many pages. `similar`: the page of `dojo similar`, which is taken along.

    A folder that is not ours is left alone, and pairs that can't be read are not left out in silence: UsageError.
    """
    if out.exists() and not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"'{out}' holds something else: name a folder that is empty, or not there yet")
    alike = read_kept(similar) if similar else []
    found = Class(book, policy, alike)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
            made = Path(temporary) / "site"  # its owner's alone: it names hidden tests
            count = _write(found, made, title)
            if similar:
                shutil.copyfile(similar, made / SIMILAR)
            if out.exists():
                shutil.rmtree(out)
            made.rename(out)
    except OSError as error:
        raise JudgeError(f"'{error.filename or out}' can't be written: {error.strerror or error}") from None
    return count


def _write(found: Class, folder: Path, title: str) -> int:
    (folder / "students").mkdir(parents=True)
    folder.chmod(0o700)
    (folder / MARKER).touch()
    index = found.index(title, now()[:16].replace("T", " "))
    (folder / "index.html").write_text(render_index(index), "utf-8")
    for row, student in zip(index.rows, found.grades.students, strict=True):
        (folder / row.file).write_text(render_student(found.student(row, student.id)), "utf-8")
    return 1 + len(index.rows)
