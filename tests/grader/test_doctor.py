"""`dojo doctor`: what is wrong, and the command that mends it. The faults are made: programs, folders, settings."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from grader import doctor, probe
from grader.finding import Finding
from tests.grader.gpus import Gpus

ROOT = Path(__file__).parents[2]
needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing in it but a lock file."""
    (tmp_path / "requirements.lock").write_text("click==0.0.1 \\\n    --hash=sha256:0\nrich==99.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TORCH_DOJO_DATA", raising=False)
    return tmp_path


def quick(course: Path) -> dict[str, Finding]:
    """All findings but those that need torch or a sandbox."""
    found = {}
    for finding in doctor.examine(course):
        if finding.name == "torch can be imported":
            break
        found[finding.name] = finding
    return found


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH", "raise SystemExit('libcudart is missing')")


@pytest.mark.usefixtures("no_torch")
def test_a_package_of_another_version_than_the_lock_file_is_told_with_both(course: Path) -> None:
    found = quick(course)["click"]
    assert not found.ok
    assert found.found.endswith("tested with 0.0.1")
    assert "make setup" in found.remedy


@pytest.mark.usefixtures("no_torch")
def test_a_package_that_is_missing_is_told(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package-here",))
    found = quick(course)["no-such-package-here"]
    assert (found.found, found.ok) == ("not installed", False)


def test_torch_that_can_not_be_imported_is_told_with_its_own_words(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "TORCH", "raise SystemExit('libcudart is missing')")
    assert doctor.report(course) == 1
    printed = capsys.readouterr().out
    assert "✗ torch can be imported" in printed
    assert "no: libcudart is missing" in printed
    assert "rm -rf .venv, then make setup" in printed
    assert "Traceback" not in printed


def test_torch_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH", "import time; time.sleep(600)")
    monkeypatch.setattr(doctor, "TORCH_SECONDS", 1)
    assert doctor._ask_torch() == (None, "no answer in 1 s")


@pytest.mark.parametrize(
    ("says", "ok", "told"),
    [
        ("1000, 950", True, "1,000 MB, 50 of them in use; 900 are for submissions"),
        ("1000, 899", False, "1,000 MB, 101 of them in use"),
        ("[N/A], [N/A]", False, "does not know"),
    ],
)
def test_each_gpu_is_told_with_what_others_hold_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, ok: bool, told: str
) -> None:
    gpus = Gpus(tmp_path / "gpus")
    gpus.put(2)
    gpus.install(monkeypatch)
    gpus.say(says)
    found = list(doctor._gpu_memory())
    assert [finding.name for finding in found] == ["memory of GPU 0", "memory of GPU 1"]
    assert all(finding.ok is ok and told in finding.found and not finding.vital for finding in found)


@pytest.mark.usefixtures("no_torch")
def test_a_data_folder_that_is_none_is_told(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_DOJO_DATA", str(course / "nowhere"))
    found = quick(course)
    assert not found["TORCH_DOJO_DATA"].ok
    assert "nowhere" in found["TORCH_DOJO_DATA"].found
    assert not found["CIFAR-10"].ok
    assert not found["CIFAR-10"].vital


@pytest.mark.usefixtures("no_torch")
def test_data_that_are_there_are_found(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (course / "sets" / "cifar-10-batches-py").mkdir(parents=True)
    (course / "sets" / "cifar-10-batches-py" / "test_batch").write_bytes(b"")
    monkeypatch.setenv("TORCH_DOJO_DATA", "sets")
    found = quick(course)
    assert found["CIFAR-10"].ok
    assert not found["corruptmnist"].ok
    assert "TORCH_DOJO_DATA" not in found


@pytest.mark.usefixtures("no_torch")
def test_progress_that_can_not_be_read_is_told(course: Path) -> None:
    (course / ".dojo").mkdir()
    (course / ".dojo" / "state.json").write_text('{"version": ')
    found = quick(course)["your progress"]
    assert not found.ok
    assert not found.vital


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.usefixtures("no_torch")
def test_a_course_that_is_read_only_is_told(course: Path) -> None:
    course.chmod(0o555)
    found = quick(course)["reports can be kept"]
    course.chmod(0o755)
    assert not found.ok
    assert "chmod u+w" in found.remedy


@pytest.mark.usefixtures("no_torch")
def test_a_full_disk_is_told(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12 - 10**8, 10**8))
    found = quick(course)
    assert not found["free disk"].ok
    assert "free 2 GB" in found["free disk"].remedy
    assert "TMPDIR" in found["disk for temporary files"].remedy


@pytest.mark.skipif(sys.platform != "linux", reason="settings of Linux")
def test_the_setting_of_the_kernel_that_is_in_the_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "find_bubblewrap", lambda: "/usr/bin/bwrap")
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / "unprivileged_userns_clone").write_text("0\n")
    assert "sysctl -w kernel.unprivileged_userns_clone=1" in probe.remedy(tmp_path)
    (tmp_path / "kernel" / "unprivileged_userns_clone").write_text("1\n")
    assert "sysctl" not in probe.remedy(tmp_path)


def test_bubblewrap_that_is_missing_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (sandbox,) = probe.examine_sandbox(ROOT)
    assert not sandbox.ok
    assert sandbox.found.startswith("plain process")
    assert "bubblewrap" in sandbox.remedy


@needs_bubblewrap
def test_a_sandbox_that_works_keeps_everything_from_a_worker() -> None:
    found = {finding.name: finding for finding in probe.examine_sandbox(ROOT)}
    assert found["sandbox"].found == "bubblewrap"
    assert len(found) == 11
    assert [name for name, finding in found.items() if not finding.ok] == []
