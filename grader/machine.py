"""The machine in a line, for the records of what was measured on it."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def machine(device: str) -> str:
    """Processor, cores and system; and the GPU where one is used. Asks files alone: torch would take a context."""
    parts = [f"{os.cpu_count()} cores", _first(Path("/proc/cpuinfo"), r"^model name\s*: (.+)$")]
    if device == "cuda":
        cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        parts += [_first(card, r"^Model:\s*(.+)$") for card in cards[:1]] or ["a GPU"]
        driver = _first(Path("/proc/driver/nvidia/version"), r"Kernel Module\D*([\d.]+)")
        parts.append(f"driver {driver}" if driver else "")
    parts.append(f"{platform.system()} {platform.machine()}")
    return ", ".join(part for part in parts if part)


def _first(path: Path, pattern: str) -> str:
    try:
        found = re.search(pattern, path.read_text("utf-8", "replace"), re.MULTILINE)
    except OSError:
        return ""
    return " ".join(found[1].split()) if found else ""
