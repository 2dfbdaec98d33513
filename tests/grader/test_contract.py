"""`dojo verify` as a command: parts side by side, a table, an exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path


def verify(course: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", "verify", *arguments]
    return subprocess.run(command, cwd=course, capture_output=True, text=True, check=False)


def squeezed(table: str) -> str:
    """Without the spaces and folds of a table, which depend on its widths."""
    return "".join(table.split())


def test_the_table_names_what_falls_short(course: Path):
    done = verify(course, "1")
    assert done.returncode == 1
    said = squeezed(done.stdout)
    assert "ex01_double:Doubling" in said
    assert "✓solutionaccepted" in said
    assert "✓mutants8of8killed" in said
    assert "✗plantedsubmissions0of2inaccepted/" in said
    assert "fallsshort:filesoftheexercise" in said
    assert done.stderr == ""


def test_a_part_speaks_in_lines_of_json(course: Path):
    done = verify(course, "--part", "mutants", "1")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert said[0] == {"done": 0, "total": said[0]["total"]}
    assert said[-1]["finding"]["name"] == "mutants"


def test_a_part_that_breaks_falls_short_with_its_last_words(course: Path):
    (course / "tests" / "hidden" / "ex01_double" / "survivors.toml").write_text("not toml")
    done = verify(course, "1")
    assert done.returncode == 1
    assert "✗mutants" in squeezed(done.stdout)
    assert "survivors.toml" in squeezed(done.stdout)
    assert "Traceback" not in done.stdout + done.stderr


def test_an_unknown_part_is_wrong_usage(course: Path):
    done = verify(course, "--part", "mutant", "1")
    assert done.returncode == 2
    assert "PART='mutant' is not one of plants, mutants" in done.stderr


def test_the_parts_end_with_the_command(course: Path):
    command = [sys.executable, "-m", "grader", "verify", "1"]
    with subprocess.Popen(command, cwd=course, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while len(parts(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        started = parts(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert started
    assert process.returncode == 130
    assert [pid for pid in started if Path("/proc", pid).exists()] == []


def parts(pid: int) -> list[str]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += task.read_text().split()
    return found
