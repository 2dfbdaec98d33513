"""Finding corruptmnist: the order of search, and bad files told in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from grader import datasets
from grader.datasets import DataError, find_corruptmnist


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small corruptmnist of eleven train files, and an empty working directory beside it."""
    monkeypatch.delenv(datasets.ENVIRONMENT, raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    write(tmp_path / "corruptmnist")
    return tmp_path / "corruptmnist"


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    for i in range(11):
        torch.save(torch.full((2, 28, 28), i / 16), folder / f"train_images_{i}.pt")
        torch.save(torch.tensor([i % 10, 0]), folder / f"train_target_{i}.pt")
    torch.save(torch.rand(3, 28, 28), folder / "test_images.pt")
    torch.save(torch.tensor([1, 2, 3]), folder / "test_target.pt")


@pytest.mark.parametrize("parent", [False, True])
def test_a_folder_or_its_parent_is_read(folder: Path, parent: bool) -> None:
    found = find_corruptmnist(folder.parent if parent else folder)
    assert found.name == "corruptmnist"
    assert str(folder) in found.source
    assert [file.images[0, 0, 0].item() * 16 for file in found.train] == list(range(11))  # 10 comes after 9
    assert found.test.targets.tolist() == [1, 2, 3]


def test_the_environment_comes_before_the_folder_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("data"))
    assert '"data"' in find_corruptmnist().source
    monkeypatch.setenv(datasets.ENVIRONMENT, str(folder))
    assert str(folder) in find_corruptmnist().source
    monkeypatch.setenv(datasets.ENVIRONMENT, "nowhere")
    assert '"data"' in find_corruptmnist().source


def test_what_was_asked_for_comes_first_and_is_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(datasets.ENVIRONMENT, str(folder))
    write(Path("mine"))
    assert '"mine"' in find_corruptmnist(Path("mine")).source
    with pytest.raises(DataError, match="nowhere"):
        find_corruptmnist(Path("nowhere"))


def test_without_files_digits_are_generated_and_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "digits", lambda seed: datasets_of(seed))
    found = find_corruptmnist(seed=4)
    assert found.name == "generated"
    assert found.source.startswith("generated")
    assert found.test.images.dtype == torch.float32
    assert len(found.train) == 6


def datasets_of(seed: int) -> object:
    from grader.generated import digits

    return digits(seed, per_file=10, test_size=10)


BAD: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-500]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "shape": lambda path: torch.save(torch.rand(3, 28, 27), path),
    "dtype": lambda path: torch.save(torch.zeros(3, 28, 28, dtype=torch.uint8), path),
    "range": lambda path: torch.save(torch.full((3, 28, 28), 255.0), path),
    "nan": lambda path: torch.save(torch.full((3, 28, 28), torch.nan), path),
    "number": lambda path: torch.save(3, path),
    "none": lambda path: torch.save(torch.rand(0, 28, 28), path),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_is_named_in_one_line(folder: Path, fault: str) -> None:
    BAD[fault](folder / "train_images_3.pt")
    with pytest.raises(DataError, match=r"train_images_3\.pt") as caught:
        find_corruptmnist(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("labels", [[1, 2], [1, 2, 10], [-1, 2, 3], [1.0, 2.0, 3.0]])
def test_bad_labels_are_refused(folder: Path, labels: list[float]) -> None:
    torch.save(torch.tensor(labels), folder / "test_target.pt")
    with pytest.raises(DataError, match=r"test_target\.pt"):
        find_corruptmnist(folder)
