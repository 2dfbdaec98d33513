"""The reference of the final project as a user starts it. What is asked of every submission is in the hidden suite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIN = ROOT / "final_project" / "main.py"


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """main.py in a folder without data, as `python final_project/main.py …`."""
    environment = {name: value for name, value in os.environ.items() if name != "TORCH_DOJO_DATA"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(MAIN), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell's background job, as CI may be, ignores Ctrl-C, and so would all that it starts.
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, preexec_fn=heed_ctrl_c, **pipes)


def heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal")
def test_ctrl_c_ends_a_training_with_one_line_and_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"the old one")
    with start(tmp_path, "train", "--epochs", "1000") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]  # the training begins
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert lines[0] == 'data: no corruptmnist in "data"\n'
    assert "12,000 train images from the generated set" in lines[1]
    assert lines[2].startswith("corruption: rotation by [")
    assert process.returncode == 130
    assert errors == "stopped by Ctrl-C\n"
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    assert (tmp_path / "model.pt").read_bytes() == b"the old one"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("train", "--lr", "nan"),
            "error: argument --lr: 'nan' is not a number from 0 on (--help shows all options)\n",
        ),
        (("evaluate", "nothing.pt"), 'error: there is no checkpoint "nothing.pt": run "main.py train" first\n'),
        (("train", "--figure", "no/where.png"), 'error: "no/where.png" cannot be written: it is a folder, or is in a'),
    ],
)
def test_what_the_user_can_mend_gets_one_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with start(tmp_path, *arguments) as process:
        output, errors = process.communicate(timeout=120)
    assert errors.startswith(message)
    assert errors.count("\n") == 1
    assert output == ""
    assert process.returncode == 2
    assert not list(tmp_path.iterdir())
