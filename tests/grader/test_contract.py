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


def test_the_table_names_what_falls_short(course: Path):
    done = verify(course, "1")
    assert done.returncode == 1
    assert "ex01_double: Doubling" in done.stdout
    assert "✓ solution " in done.stdout
    assert "✓ mutants" in done.stdout
    assert "✗ planted submissions" in done.stdout
    assert "falls short: files of the exercise" in done.stdout
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
    assert "✗ mutants" in done.stdout
    assert "survivors.toml" in done.stdout
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
