"""A copy for students as a folder, as a zip, and as a git repository of one commit: the same files in each."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.catalog import Catalog
from grader.errors import JudgeError, UsageError
from grader.handout.contents import contents
from grader.handout.manifest import NAME, Manifest

COPY = "torch-dojo"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: the same files give the same bytes
AUTHOR = {"NAME": "Torch Dojo", "EMAIL": "course@torch-dojo.invalid", "DATE": "2000-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Packed:
    """What was written."""

    manifest: Manifest
    folder: Path
    archive: Path
    repository: Path | None  # None without git


def pack(catalog: Catalog, out: Path) -> Packed:
    """Writes the copy below `out`. Raises UsageError where something is there already, and then changes nothing."""
    files = contents(catalog)
    folder, archive, repository = out / COPY, out / f"{COPY}.zip", out / f"{COPY}.git"
    for path in (folder, archive, repository):
        if path.exists() or path.is_symlink():
            raise UsageError(f"'{path}' is there already: move it away, or name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".packing-", dir=out) as temporary:
            made = Path(temporary)
            write_folder(files, made / COPY)
            write_zip(files, made / archive.name)
            committed = commit(made / COPY, made / repository.name)
            for path in (folder, archive, *([repository] if committed else [])):
                (made / path.name).rename(path)
    except OSError as error:
        raise UsageError(f"'{error.filename or out}' can't be written: {error.strerror or error}") from None
    manifest = Manifest.from_json(files[NAME].decode(), NAME)
    return Packed(manifest, folder, archive, repository if committed else None)


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_zip(files: Mapping[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(f"{COPY}/{name}", EPOCH)
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def commit(folder: Path, repository: Path) -> bool:
    """A bare repository with the folder as its only commit, on `main`. False where there is no git."""
    if shutil.which("git") is None:
        return False
    # Nobody's own settings: no signing, no hooks, no templates, no other name for the branch.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TEMPLATE_DIR": ""}
    clean |= {f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in AUTHOR.items()}
    place = [f"--git-dir={repository}"]
    work = [*place, f"--work-tree={folder}"]
    steps = (
        [*place, "init", "--quiet", "--bare", "--initial-branch=main"],
        [*work, "add", "--all", "--force"],
        [*work, "commit", "--quiet", "--message=The course, as it is handed out"],
        [*place, "gc", "--quiet", "--prune=now"],
    )
    for step in steps:
        done = subprocess.run(["git", *step], env=clean, capture_output=True, text=True, check=False)
        if done.returncode:
            raise JudgeError(f"git could not make '{repository.name}': {done.stderr.strip().splitlines()[-1:]}")
    return True
