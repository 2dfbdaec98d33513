"""Finding corruptmnist and CIFAR-10: the order of search, and bad files told in one line."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from grader import datasets
from grader.datasets import DataError, find_cifar10, find_corruptmnist


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


# --- CIFAR-10 ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CIFAR-10 of 5 × 2 and 3 images, and an empty working directory beside it."""
    monkeypatch.delenv(datasets.ENVIRONMENT, raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return write_batches(tmp_path / "cifar-10-batches-py")


def pixels(count: int, start: int) -> np.ndarray:
    return (np.arange(count * 3072).reshape(count, 3072) * 7 + start).astype(np.uint8)


def write_batches(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in range(1, 6):
        batch = {"data": pixels(2, number), "labels": [number, 0], "filenames": ["a.png", "b.png"]}
        (folder / f"data_batch_{number}").write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "test_batch").write_bytes(pickle.dumps({"data": pixels(3, 9), "labels": [7, 8, 9]}, protocol=4))
    return folder


@pytest.mark.parametrize("parent", [False, True])
def test_cifar10_is_read_from_its_folder_or_the_one_above(batches: Path, parent: bool) -> None:
    found = find_cifar10(batches.parent if parent else batches)
    assert found.name == "cifar10"
    assert str(batches) in found.source
    assert found.train.targets.tolist() == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0]
    assert found.test.targets.tolist() == [7, 8, 9]
    assert found.test.images.dtype == torch.uint8
    assert torch.equal(found.test.images, torch.from_numpy(pixels(3, 9)).reshape(3, 3, 32, 32))
    assert torch.equal(found.train.images[8:], torch.from_numpy(pixels(2, 5)).reshape(2, 3, 32, 32))


def test_a_batch_in_the_publishers_own_words(batches: Path) -> None:
    """Python 2 wrote the files that the publisher hands out: its text is bytes, and so are the pixels."""
    label = b"K\x03"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(K\x01M\x00\x0ctcnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T\x00\x0c\x00\x00" + bytes(range(256)) * 12 + b"tb"
    )
    written = b"\x80\x02}(U\x0bbatch_labelU\x03abcU\x06labels](" + label + b"eU\x04data" + array + b"u."
    (batches / "test_batch").write_bytes(written)
    test = find_cifar10(batches).test
    assert test.targets.tolist() == [3]
    assert test.images.flatten().tolist() == list(range(256)) * 12


def test_cifar10_is_searched_for_in_the_same_order(batches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_batches(Path("data/cifar-10-batches-py"))
    assert '"data/cifar-10-batches-py"' in find_cifar10().source
    monkeypatch.setenv(datasets.ENVIRONMENT, str(batches.parent))
    assert str(batches) in find_cifar10().source
    write_batches(Path("mine"))
    assert '"mine"' in find_cifar10(Path("mine")).source
    monkeypatch.setenv(datasets.ENVIRONMENT, "nowhere")
    assert '"data/cifar-10-batches-py"' in find_cifar10().source
    with pytest.raises(DataError, match=r'no CIFAR-10 in "nowhere"'):
        find_cifar10(Path("nowhere"))


def test_without_files_colour_images_are_generated_and_it_says_so(batches: Path) -> None:
    found, again, other = (find_cifar10(seed=seed, train_size=30, test_size=20) for seed in (4, 4, 5))
    assert found.name == "generated"
    assert found.source.startswith("generated")
    assert '"data"' in found.source
    assert found.train.images.shape == (30, 3, 32, 32)
    assert found.test.images.shape == (20, 3, 32, 32)
    assert found.train.images.dtype == torch.uint8
    assert found.train.targets.dtype == torch.int64
    assert torch.equal(found.test.images, again.test.images)
    assert not torch.equal(found.test.images, other.test.images)


class Harmful:
    def __reduce__(self) -> object:
        return os.mkdir, ("harm",)


def dumped(**changes: object) -> Callable[[Path], object]:
    content = {"data": pixels(2, 0), "labels": [1, 2]} | changes
    return lambda path: path.write_bytes(pickle.dumps(content, protocol=2))


BAD_BATCHES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-500]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("labels: 1, 2"),
    "missing": lambda path: path.unlink(),
    "no dict": lambda path: path.write_bytes(pickle.dumps([1, 2])),
    "no labels": lambda path: path.write_bytes(pickle.dumps({"data": pixels(2, 0)}, protocol=2)),
    "runs code": dumped(labels=Harmful()),
    "names a class": dumped(labels=Path("x")),
    "other shape": dumped(data=pixels(2, 0)[:, :3000]),
    "other dtype": dumped(data=pixels(2, 0).astype(np.int8)),
    "wider dtype": dumped(data=pixels(2, 0).astype(np.float64)),
    "fewer images": dumped(data=pixels(1, 0)),
    "no images": dumped(data=pixels(0, 0), labels=[]),
    "columns first": dumped(data=np.asfortranarray(pixels(2, 0))),
    "nested labels": dumped(labels=[[1, 2]]),
    "labels of text": dumped(labels="12"),
    "label 10": dumped(labels=[1, 10]),
    "label -1": dumped(labels=[-1, 1]),
    "label 1.5": dumped(labels=[1, 1.5]),
    "label True": dumped(labels=[1, True]),
}


@pytest.mark.parametrize("fault", BAD_BATCHES)
def test_a_bad_batch_is_named_in_one_line_and_runs_nothing(batches: Path, fault: str) -> None:
    BAD_BATCHES[fault](batches / "data_batch_3")
    with pytest.raises(DataError, match=r"data_batch_3") as caught:
        find_cifar10(batches)
    assert "\n" not in str(caught.value)
    assert not Path("harm").exists()


def test_a_file_that_names_a_function_is_told_so(batches: Path) -> None:
    (batches / "test_batch").write_bytes(b"cos\nsystem\n(U\x04exittR.")
    with pytest.raises(DataError, match=r"'os\.system'"):
        find_cifar10(batches)


def test_what_a_file_names_cannot_break_the_line(batches: Path) -> None:
    (batches / "test_batch").write_bytes(b"\x80\x04\x8c\x03a\nb\x8c\x04\x1b[2J\x93.")
    with pytest.raises(DataError, match=r"test_batch") as caught:
        find_cifar10(batches)
    assert str(caught.value).isprintable()
