"""Made-up GPUs: files in the place of /dev, a program in the place of nvidia-smi, and what torch.cuda would say.

Nothing else is made up: processes, sandbox, wire and verdicts are the real ones.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from grader import bubblewrap, devices, parent

TOTAL = 1000  # MB of each GPU

# In the worker. An allocation makes a context first, and then torch runs what was put off until there is one.
FAKE_CUDA = f"""
import torch

fraction = 1.0
runs = len(torch.cuda._queued_calls)  # torch's own, which ask the driver

def bound(share, device=None):
    global fraction
    fraction = share

def claim(megabytes):
    for call, _ in torch.cuda._queued_calls[runs:]:
        call()
    if megabytes > {TOTAL} * fraction:
        raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {{megabytes}} MB.")

torch.cuda.set_per_process_memory_fraction = bound
torch.cuda.manual_seed_all = lambda seed: None
"""

# Counts its calls, and says of each what a file says.
NVIDIA_SMI = """#!{python} -S
import pathlib, sys
folder = pathlib.Path(__file__).parent
with open(folder / "asked", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
lines = (folder / "says").read_text().splitlines()
print(lines[min(len((folder / "asked").read_text().splitlines()), len(lines)) - 1])
"""

HOOK = """
import pathlib
from grader import bubblewrap, devices, parent
folders = [*bubblewrap.package_folders(), {packages!r}]
devices.DEV = pathlib.Path({dev!r})
bubblewrap.package_folders = parent.package_folders = lambda: folders
"""


class Gpus:
    """The GPUs of a test."""

    def __init__(self, folder: Path) -> None:
        self.dev, self.packages, self.bin = (folder / name for name in ("dev", "packages", "bin"))
        for path in (self.dev, self.packages, self.bin, folder / "hook"):
            path.mkdir(parents=True)
        (self.packages / "fake_cuda.py").write_text(FAKE_CUDA)
        program = self.bin / "nvidia-smi"
        program.write_text(NVIDIA_SMI.format(python=sys.executable))
        program.chmod(0o755)
        self.hook = folder / "hook"
        (self.hook / "sitecustomize.py").write_text(HOOK.format(packages=str(self.packages), dev=str(self.dev)))
        self.say(f"{TOTAL}, {TOTAL}")

    def put(self, count: int) -> None:
        for number in range(count):
            (self.dev / f"nvidia{number}").touch()
        for other in ("nvidiactl", "nvidia-uvm"):
            (self.dev / other).touch()

    def say(self, *lines: str) -> None:
        """What nvidia-smi answers, one call after the other; the last one from then on."""
        (self.bin / "says").write_text("\n".join(lines))
        (self.bin / "asked").unlink(missing_ok=True)

    @property
    def asked(self) -> list[str]:
        log = self.bin / "asked"
        return log.read_text().splitlines() if log.exists() else []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """In this process, and in those that it starts."""
        folders = [*bubblewrap.package_folders(), str(self.packages)]
        for module in (bubblewrap, parent):
            patch.setattr(module, "package_folders", lambda: folders)
        patch.setattr(devices, "DEV", self.dev)
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        patch.setenv("PATH", f"{self.bin}{os.pathsep}{os.environ['PATH']}")
        path = [str(self.hook), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
