"""`dojo doctor`: is this machine fit to grade? Each finding with the command that mends it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.devices import cards
from grader.errors import DojoError
from grader.finding import Finding
from grader.gpu import USABLE, memory
from grader.text import clean_line

PYTHONS = ((3, 11), (3, 13))
FREE_GB = 2
SCRATCH_GB = 0.5  # in the folder for temporary files
MEMORY_GB = 4  # torch twice, and what a submission may take
PACKAGES = ("torch", "torchvision", "safetensors", "pytest", "matplotlib", "click", "rich")
TORCH_SECONDS = 120
AGAIN = "rm -rf .venv, then make setup"
DATA = {  # a file of each public set, and its folder where it has one of its own
    "corruptmnist": ("train_images_0.pt", "corruptmnist/train_images_0.pt"),
    "CIFAR-10": ("cifar-10-batches-py/test_batch",),
}
TORCH = """
import json, torch
there = torch.cuda.is_available()
name = torch.cuda.get_device_name() if there else ""
print(json.dumps([torch.ones(2).sum().item(), there, torch.version.cuda, name]))
"""


def examine(root: Path) -> Iterator[Finding]:
    """Everything that grading relies on, the quick things first."""
    version = sys.version_info[:2]
    fits = PYTHONS[0] <= version <= PYTHONS[1]
    yield Finding("Python", platform.python_version(), fits, "rm -rf .venv, then make PYTHON=python3.12 setup")
    locked = _locked(root)
    for name in PACKAGES:
        yield _package(name, locked.get(name, ""))
    yield from _disk(root)
    yield _memory()
    yield _terminal()
    yield _state(root)
    yield from _data()
    yield from _torch()
    from grader.probe import examine_sandbox  # not before the packages are known to be there

    yield from examine_sandbox(root)


def _locked(root: Path) -> dict[str, str]:
    """The versions that the course was tested with."""
    try:
        text = (root / "requirements.lock").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ \\;]+)", text, re.MULTILINE))


def _package(name: str, locked: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "not installed", False, AGAIN)
    same = not locked or version.split("+")[0] == locked
    return Finding(name, version if same else f"{version}, tested with {locked}", same, AGAIN, vital=False)


def _disk(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root).free / 1e9
    yield Finding("free disk", f"{free:.0f} GB", free > FREE_GB, f"free {FREE_GB} GB where '{root}' lies")
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free / 1e9
    remedy = f"free {SCRATCH_GB} GB in '{place}', or name another folder: export TMPDIR=…"
    yield Finding("disk for temporary files", f"{free:.1f} GB", free > SCRATCH_GB, remedy)
    writable = os.access(root, os.W_OK)
    remedy = f"chmod u+w '{root}', or copy the course to where you may write"
    yield Finding("reports can be kept", "yes" if writable else f"no: '{root}' is read-only", writable, remedy)


def _memory() -> Finding:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return Finding("free memory", "not known on this system", True)
    return Finding("free memory", f"{free:.0f} GB", free > MEMORY_GB, "end other programs while you grade", vital=False)


def _terminal() -> Finding:
    encoding = (sys.stdout.encoding or "ascii").lower()
    return Finding("letters on the terminal", encoding, encoding.startswith("utf"), "export LANG=C.UTF-8", vital=False)


def _state(root: Path) -> Finding:
    """What is remembered of the student; where it can't be read, reading it puts it aside."""
    from grader.course.store import Store

    store = Store(root)
    try:
        store.read()
    except DojoError as error:
        return Finding("your progress", str(error), False, "update this copy of the course", vital=False)
    remedy = "nothing to do: grade again, and it fills"
    return Finding("your progress", "; ".join(store.remarks) or "can be read", not store.remarks, remedy, vital=False)


def _data() -> Iterator[Finding]:
    named = os.environ.get("TORCH_DOJO_DATA")
    if named and not Path(named).is_dir():
        remedy = "unset TORCH_DOJO_DATA, or give it the folder that holds the sets"
        yield Finding("TORCH_DOJO_DATA", f"'{named}' is no folder", False, remedy, vital=False)
    places = [*([Path(named)] if named else []), Path("data")]
    for name, files in DATA.items():
        found = next((place for place in places for file in files if (place / file).is_file()), None)
        text = f"in '{found}'" if found else "not here: the generated set is used"
        yield Finding(name, text, found is not None, "not needed; make data downloads the public sets", vital=False)


def _torch() -> Iterator[Finding]:
    """Whether torch works, and whether it sees the GPU that is there: a process of its own finds out."""
    nodes = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    answer, problem = _ask_torch()
    works = answer is not None and answer[0] == 2
    yield Finding("torch can be imported", "yes" if works else f"no: {problem}", works, AGAIN)
    if not nodes:
        yield Finding("GPU", "none", False, "not needed: everything runs on a CPU", vital=False)
    elif answer is None:
        yield Finding("GPU", ", ".join(nodes), False, "first mend torch", vital=False)
    else:
        _, there, cuda, device = answer
        found = f"{device}, CUDA {cuda}" if there else f"{', '.join(nodes)}, which torch can't use"
        remedy = "update the NVIDIA driver (nvidia-smi names it); until then use DEVICE=cpu"
        no_cuda = "install a torch with CUDA: https://pytorch.org/get-started/locally; until then use DEVICE=cpu"
        yield Finding("GPU", found, there, remedy if cuda else no_cuda, vital=False)
        yield from _gpu_memory()


def _gpu_memory() -> Iterator[Finding]:
    """Whether each GPU has free what a worker may ask for; where not, one that gets less is a fault of ours."""
    for card in cards():
        name, now = f"memory of GPU {card}", memory(card)
        if now is None:
            remedy = "install nvidia-smi; until then an error for want of memory is always the submission's"
            yield Finding(name, "nvidia-smi is not there, or does not know", False, remedy, vital=False)
        else:
            held = now.total - now.free
            found = f"{now.total:,} MB, {held:,} of them in use; {now.total * USABLE:,.0f} are for submissions"
            remedy = "end what holds it while you grade: nvidia-smi names the processes"
            yield Finding(name, found, now.free >= now.total * USABLE, remedy, vital=False)


def _ask_torch() -> tuple[Any, str]:
    """What torch says of itself, or what is wrong with it."""
    command = [sys.executable, "-W", "ignore", "-c", TORCH]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TORCH_SECONDS, check=False)
        return json.loads(done.stdout), ""
    except subprocess.TimeoutExpired:
        return None, f"no answer in {TORCH_SECONDS} s"
    except ValueError:
        return None, clean_line((done.stderr.strip().splitlines() or ["it ended without a word"])[-1], 200)


def report(root: Path) -> int:
    """Prints the findings as they come. 0 if nothing vital is wrong, else 1."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    sound = True
    for finding in examine(root):
        mark, style = ("✓", "green") if finding.ok else (("✗", "red") if finding.vital else ("·", "yellow"))
        console.print(Text.assemble((mark, style), f" {finding.name:<30} {clean_line(finding.found)}"))
        if not finding.ok:
            console.print(Text(f"  {'':<30} {finding.remedy}", style))
        sound = sound and (finding.ok or not finding.vital)
    console.print("\nfit to grade" if sound else "\nnot fit to grade strangers' code: see the lines with ✗")
    return 0 if sound else 1
