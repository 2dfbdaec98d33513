"""Grading in a notebook: a real IPython shell, and the judge in a process of its own."""

from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from grader import grade
from grader.archive import last_report, report_path
from grader.catalog import Exercise
from grader.errors import UsageError
from grader.notebook import Graded
from grader.page.render import render
from grader.page.view import page_of
from grader.result import Verdict
from tests.browser.reports import FILES, REPORTS

ROOT = Path(__file__).resolve().parents[2]
RIGHT = """
def double(x):
    if x.dim() == 0:
        raise ValueError(f"a scalar {x.item()}")
    return 2 * x
"""
SHELL = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
shell.history_manager.enabled = False
rows = []
for cell in json.load(sys.stdin):
    with capture_output() as said:
        result = shell.run_cell(cell, store_history=False)
    row = {"error": repr(result.error_in_exec), "said": said.stdout + said.stderr, "value": None}
    if hasattr(result.result, "_repr_html_"):
        data, _ = shell.display_formatter.format(result.result)
        row["value"] = {"html": data["text/html"], "text": data["text/plain"], "points": result.result.points}
    rows.append(row)
json.dump(rows, sys.__stdout__)
"""


def run_cells(folder: Path, *cells: str) -> list[dict[str, Any]]:
    """Runs the cells of a notebook that lies in `folder`; what each one gave."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / ".ipython"), "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", SHELL],
        input=json.dumps([textwrap.dedent(cell) for cell in cells]),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=environment,
        timeout=300,
    )
    return json.loads(done.stdout)


def test_to_import_it_costs_nothing() -> None:
    """A notebook imports it into a kernel, and the sandbox's worker has nothing but this file of the package."""
    heavy = "{'torch', 'rich', 'pytest', 'jinja2', 'click', 'matplotlib', 'numpy', 'IPython'}"
    code = f"import grader, grader.notebook, sys; print({heavy} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "set()\n"


def test_a_notebook_shows_the_report_and_grades_a_cell(toy: Exercise) -> None:
    (toy.root / "pytest.py").write_text("raise RuntimeError('a file beside the notebook')\n")
    loaded, own, cell, odd, unknown, both = run_cells(
        toy.root,
        "%load_ext grader",
        """
        import sys
        sys.modules["torch"] = None  # what a cell does to its kernel is no matter to the judge
        from grader import grade
        grade(1)
        """,
        f"%%grade 1 device=cpu\n{RIGHT}",
        "%%grade 1 cpu\nx = 1",
        "grade(9)",
        "grade(1, source='solutions', code='x = 1')",
    )
    assert loaded["error"] == "None"
    assert own["value"]["points"] == 0
    assert "not attempted: 0 of 3 points" in own["value"]["text"]
    assert cell["value"]["points"] == 3
    assert "accepted: 3 of 3 points" in cell["value"]["text"]
    assert 'def</span> <span class="name">double' in html.unescape(cell["value"]["html"])
    for row, words in ((odd, "%%grade 3 suite=public"), (unknown, "there is no exercise '9'"), (both, "not both")):
        assert words in row["said"]
        assert "Traceback" not in row["said"]
    kept = last_report(toy)
    assert kept
    assert kept.verdict is Verdict.NOT_ATTEMPTED, "a cell is a try; what counts is the file"
    assert str(kept.provenance.seed) not in own["value"]["html"]


def test_a_cell_is_one_file(toy: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    path = toy.folder / "exercise.toml"
    path.write_text(path.read_text().replace('["double.py"]', '["double.py", "other.py"]'))
    monkeypatch.chdir(toy.root)
    with pytest.raises(UsageError, match=r"a cell is one file, and this exercise has 2: double\.py, other\.py"):
        grade(1, code="x = 1")


def test_a_source_is_read_and_nothing_is_kept(toy: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.root)
    broken = toy.root / "somewhere.py"
    broken.write_text("def double(:\n")
    graded = grade("double", source=broken)
    assert (graded.verdict, graded.points, graded.max_points) == (Verdict.RUN_TIME_ERROR, 0, 3)
    assert graded.report.problem
    assert "a syntax error in line 1" in repr(graded)
    assert graded.report.provenance.seed is None
    assert not report_path(toy).exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": "nowhere"}, "there is nothing at 'nowhere'"),
        ({"device": "tpu"}, "DEVICE='tpu' is not one of auto, cpu, cuda"),
        ({"speed": "high"}, "there is no option 'speed'"),
    ],
)
def test_what_cannot_be_graded_is_told_in_a_line(
    toy: Exercise, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, str], words: str
) -> None:
    monkeypatch.chdir(toy.root)
    with pytest.raises(UsageError) as raised:
        grade(1, **arguments)
    (line,) = raised.value._render_traceback_()
    assert words in line
    assert "\n" not in line


def test_a_judge_that_dies_is_told_as_a_fault_of_ours(toy: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.root)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UsageError, match="the judge ended with exit code 1") as raised:
        grade(1)
    assert raised.value.exit_code == 3


def test_the_page_stands_in_a_frame_in_which_nothing_may_run() -> None:
    page = render(page_of(REPORTS["mixed"], FILES), inline=True)
    cell = Graded(REPORTS["mixed"], page, "text")._repr_html_()
    assert cell.startswith('<iframe sandbox="" title="Report: Doubling"')
    assert html.unescape(cell.partition('srcdoc="')[2].removesuffix('"></iframe>')) == page
    assert cell.count("<") == 2, "the page is an attribute, and no markup of the notebook"


def test_an_interrupt_ends_the_judge_too(toy: Exercise) -> None:
    (toy.folder / "double.py").write_text("import time\n\n\ndef double(x):\n    time.sleep(600)\n")
    code = "from grader import grade; grade(1)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    # In a group of its own: the signal goes to the kernel alone, as a notebook sends it.
    with subprocess.Popen(
        command, cwd=toy.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as kernel:
        judge = child_of(kernel.pid)
        kernel.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in kernel.communicate(timeout=60)[1]
    assert not Path(f"/proc/{judge}").exists()


def child_of(pid: int) -> int:
    """The judge, once it listens to signals as Python does."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        pytest.skip("this system has no list of a process's children")
    for _ in range(600):
        for child in path.read_text().split():
            if b"grader.page.inline" in Path(f"/proc/{child}/cmdline").read_bytes():
                time.sleep(1)
                return int(child)
        time.sleep(0.05)
    raise AssertionError("no judge was started")
