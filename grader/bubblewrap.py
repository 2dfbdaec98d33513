"""How bubblewrap is called: what a sandbox sees of the machine, and what it does not."""

from __future__ import annotations

import shutil
import site
import sys
import sysconfig
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def find_bubblewrap() -> str | None:
    """The program, where it is installed and of use."""
    return shutil.which("bwrap") if sys.platform == "linux" else None


def package_folders() -> list[str]:
    """The folders of installed packages that torch comes from, and no other entry of our own sys.path."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if sys.prefix == sys.base_prefix:
        folders += site.getsitepackages()
    return [folder for folder in dict.fromkeys(folders) if Path(folder).is_dir()]


def options_for(card: str) -> list[str]:
    """A read-only system, an empty home, no network; the parent alone may make name spaces for its workers.

    It keeps four rights until a worker is prepared: SYS_ADMIN for name spaces and mounts, NET_ADMIN for the loopback
    of a worker's own network, SYS_RESOURCE to forbid user name spaces, in which a worker would be root again and could
    mount memory that nobody counts, and SETPCAP to give all of them up for good.
    """
    options = [f"--unshare-{kind}" for kind in ("user", "pid", "net", "ipc", "uts", "cgroup-try")]
    options += ["--die-with-parent", "--new-session", "--hostname", "dojo", "--cap-drop", "ALL"]
    for right in ("SYS_ADMIN", "NET_ADMIN", "SYS_RESOURCE", "SETPCAP"):
        options += ["--cap-add", f"CAP_{right}"]
    binds = {Path("/usr"), Path(sys.base_prefix)}
    for link in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/") / link
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            binds.add(path)
    options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/submission"]
    # Parents first, so that a nested folder is bound into the one around it.
    for path in sorted(binds, key=lambda each: len(each.parts)):
        options += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "alternatives"):
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    if any(PACKAGE.is_relative_to(path) for path in binds):
        options += _hide_suites(binds)
    for number, folder in enumerate(package_folders()):
        options += ["--ro-bind", folder, f"/dojo/packages/{number}"]
    for name in ("__init__.py", "wire.py", "worker"):
        options += ["--ro-bind", str(PACKAGE / name), f"/dojo/grader/{name}"]
    if card:
        for node in sorted(Path("/dev").glob("nvidia*")):
            options += ["--dev-bind", str(node), str(node)]
        for folder in ("/usr/local/nvidia", "/sys/devices", "/sys/bus/pci", "/sys/module"):
            options += ["--ro-bind-try", folder, folder]
    # bubblewrap's own root and /dev are writable otherwise, and common to all workers: a way from test to test.
    return [*options, "--remount-ro", "/dev", "--remount-ro", "/"]


def _hide_suites(binds: set[Path]) -> list[str]:
    """Where the checkout lies inside a folder that must be visible, the checkout is covered."""
    root = PACKAGE.parent
    inside = sorted(path for path in binds if path.is_relative_to(root))
    options = ["--tmpfs", str(root)]
    for path in inside:
        options += ["--ro-bind", str(path), str(path)]
    return [*options, "--remount-ro", str(root)]


def environment(card: str, home: Path) -> dict[str, str]:
    """All of a worker's environment, with the one GPU that it sees, if any.

    Idle OpenMP threads must not spin: two such processes slow each other 30 times.
    """
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "USER": "student",  # there is no /etc/passwd, and torch 2.11 asks for a name as it is imported
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "random",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(home),
        "CUDA_VISIBLE_DEVICES": card,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as nvidia-smi counts them
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # a fork of large pages costs a fraction: see `worker.pages`
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
