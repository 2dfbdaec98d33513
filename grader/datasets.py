"""Where corruptmnist comes from: a folder, or a set drawn on the spot. Always says which."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader.generated import Digits, digits

if TYPE_CHECKING:
    from torch import Tensor

ENVIRONMENT = "TORCH_DOJO_DATA"
SIDE = 28
CLASSES = 10


class DataError(ValueError):
    """A data folder or file that is missing or holds something else; the message is one line for the user."""


@dataclass(frozen=True)
class LabelledImages:
    """Images [N, 28, 28] float32 in [0, 1] and targets [N] int64."""

    images: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Corruptmnist:
    """The train files, the test file, and which set it is."""

    train: tuple[LabelledImages, ...]
    test: LabelledImages
    name: str  # "corruptmnist" or "generated", the names of the published thresholds
    source: str  # for printing


def find_corruptmnist(data_dir: Path | None = None, seed: int = 0) -> Corruptmnist:
    """Read corruptmnist from data_dir, else $TORCH_DOJO_DATA, else ./data, else generate it from the seed.

    A data_dir that was asked for and lacks it is a DataError; the other places are merely passed over.
    """
    if data_dir is not None:
        folder = _folder_in(data_dir)
        if folder is None:
            raise DataError(f'no corruptmnist in "{data_dir}": expected train_images_0.pt and test_images.pt there')
        return _read(folder)
    for place in _usual_places():
        if (folder := _folder_in(place)) is not None:
            return _read(folder)
    return generate(seed)


def generate(seed: int) -> Corruptmnist:
    """Draw the generated set."""
    drawn = digits(seed)
    train = tuple(_as_tensors(file) for file in drawn.train)
    places = ", ".join(f'"{place}"' for place in _usual_places())
    return Corruptmnist(train, _as_tensors(drawn.test), "generated", f"generated digits (no corruptmnist in {places})")


def _usual_places() -> list[Path]:
    named = os.environ.get(ENVIRONMENT)
    return [Path(named), Path("data")] if named else [Path("data")]


def _folder_in(place: Path) -> Path | None:
    for folder in (place, place / "corruptmnist"):
        if (folder / "train_images_0.pt").is_file() and (folder / "test_images.pt").is_file():
            return folder
    return None


def _read(folder: Path) -> Corruptmnist:
    stems = (path.stem.removeprefix("train_images_") for path in folder.glob("train_images_*.pt"))
    last = max(int(stem) for stem in stems if stem.isdecimal())  # train_images_0.pt is there; a gap is an error
    train = tuple(_read_pair(folder, f"train_images_{i}.pt", f"train_target_{i}.pt") for i in range(last + 1))
    test = _read_pair(folder, "test_images.pt", "test_target.pt")
    return Corruptmnist(train, test, "corruptmnist", f'corruptmnist in "{folder}"')


def _read_pair(folder: Path, images_name: str, targets_name: str) -> LabelledImages:
    import torch

    images, targets = _read_tensor(folder / images_name), _read_tensor(folder / targets_name)
    count = len(images) if images.ndim else 0
    _expect(folder / images_name, "shape", list(images.shape), [max(count, 1), SIDE, SIDE])
    _expect(folder / images_name, "dtype", images.dtype, torch.float32)
    within = (images >= 0) & (images <= 1)  # NaN is not
    _expect(folder / images_name, "all values in 0 to 1", bool(within.all()), True)
    _expect(folder / targets_name, "shape", list(targets.shape), [count])
    _expect(folder / targets_name, "dtype", targets.dtype, torch.int64)
    _expect(folder / targets_name, "all values in 0 to 9", bool(((targets >= 0) & (targets < CLASSES)).all()), True)
    return LabelledImages(images, targets)


def _expect(path: Path, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise DataError(f'bad data file "{path}": {what}: expected {expected}, found {found}')


def _read_tensor(path: Path) -> Tensor:
    import torch

    if not path.is_file():
        raise DataError(f'no file "{path}": the folder should hold images and targets in pairs')
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 torch.load raises whatever such a file leads to
        raise DataError(f'bad data file "{path}": it is damaged or was not written by torch.save') from None
    if not isinstance(tensor, torch.Tensor):
        raise DataError(f'bad data file "{path}": expected a tensor, found {type(tensor).__name__}')
    return tensor


def _as_tensors(file: Digits) -> LabelledImages:
    import torch

    return LabelledImages(torch.from_numpy(file.images), torch.from_numpy(file.targets))


def download(folder: Path) -> None:
    """Downloads MNIST, Fashion-MNIST and CIFAR-10 into `folder` through torchvision, where they are not there yet."""
    import torchvision

    for name in ("MNIST", "FashionMNIST", "CIFAR10"):
        print(f"{name} ...", flush=True)
        getattr(torchvision.datasets, name)(str(folder), download=True)


def main() -> int:
    """`make data`. 0, or 2 with one line where a download fails."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
    try:
        download(folder)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(f'the data sets could not be downloaded into "{folder}": {reason}', file=sys.stderr)
        return 2
    print(f'in "{folder}"; corruptmnist has no public address: put its files into "{folder / "corruptmnist"}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
