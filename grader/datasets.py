"""Where corruptmnist and CIFAR-10 come from: a folder, or a set drawn on the spot. Always says which."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.generated import Digits, colour_images, digits
from grader.text import clean_line

if TYPE_CHECKING:
    from torch import Tensor

ENVIRONMENT = "TORCH_DOJO_DATA"
SIDE = 28
CLASSES = 10
CIFAR10_FOLDER = "cifar-10-batches-py"  # torchvision's name, and the publisher's
CIFAR10_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
CIFAR10_TEST = "test_batch"
CIFAR10_PIXELS = 3 * 32 * 32


class DataError(ValueError):
    """A data folder or file that is missing or holds something else; the message is one line for the user."""


@dataclass(frozen=True)
class LabelledImages:
    """Images, [N, 28, 28] float32 in [0, 1] or, in colour, [N, 3, 32, 32] uint8, and targets [N] int64."""

    images: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Corruptmnist:
    """The train files, the test file, and which set it is."""

    train: tuple[LabelledImages, ...]
    test: LabelledImages
    name: str  # "corruptmnist" or "generated", the names of the published thresholds
    source: str  # for printing


@dataclass(frozen=True)
class Cifar10:
    """Train and test images, and which set it is."""

    train: LabelledImages
    test: LabelledImages
    name: str  # "cifar10" or "generated", the names of the published thresholds
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


def find_cifar10(
    data_dir: Path | None = None, seed: int = 0, train_size: int = 10_000, test_size: int = 2_000
) -> Cifar10:
    """Read CIFAR-10, in torchvision's own layout, from data_dir, else $TORCH_DOJO_DATA, else ./data, else generate.

    The sizes are those of the generated set. A data_dir that was asked for and lacks CIFAR-10 is a DataError.
    """
    if data_dir is not None:
        folder = _cifar10_in(data_dir)
        if folder is None:
            raise DataError(f'no CIFAR-10 in "{data_dir}": expected {CIFAR10_FOLDER}/{CIFAR10_TEST} there')
        return _read_cifar10(folder)
    for place in _usual_places():
        if (folder := _cifar10_in(place)) is not None:
            return _read_cifar10(folder)
    return generate_colour_images(seed, train_size, test_size)


def generate_colour_images(seed: int, train_size: int, test_size: int) -> Cifar10:
    """Draw the generated set of colour images."""
    import torch

    drawn = colour_images(seed, train_size, test_size)
    pairs = (drawn.train_images, drawn.train_labels), (drawn.test_images, drawn.test_labels)
    train, test = (LabelledImages(*map(torch.from_numpy, pair)) for pair in pairs)
    places = ", ".join(f'"{place}"' for place in _usual_places())
    return Cifar10(train, test, "generated", f"generated colour images (no CIFAR-10 in {places})")


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


def _cifar10_in(place: Path) -> Path | None:
    for folder in (place, place / CIFAR10_FOLDER):
        if (folder / CIFAR10_TRAIN[0]).is_file() and (folder / CIFAR10_TEST).is_file():
            return folder
    return None


def _read_cifar10(folder: Path) -> Cifar10:
    import torch

    parts = [_read_batch(folder / name) for name in CIFAR10_TRAIN]
    images, targets = torch.cat([part.images for part in parts]), torch.cat([part.targets for part in parts])
    test = _read_batch(folder / CIFAR10_TEST)
    return Cifar10(LabelledImages(images, targets), test, "cifar10", f'CIFAR-10 in "{folder}"')


def _read_batch(path: Path) -> LabelledImages:
    """One batch file: a pickled dict with the pixels as a NumPy array, and the labels as a list."""
    import torch

    if not path.is_file():
        raise DataError(f'no file "{path}": CIFAR-10 has {len(CIFAR10_TRAIN)} train batches and a test batch')
    try:
        content = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        batch = {_as_text(key): value for key, value in content.items()}
        array, labels = batch["data"], batch["labels"]
        shape, kind, raw = [int(size) for size in array.shape], str(array.dtype.kind), array.raw
        images = torch.frombuffer(bytearray(raw), dtype=torch.uint8) if raw else torch.empty(0, dtype=torch.uint8)
        targets = torch.tensor(labels, dtype=torch.int64) if labels else torch.empty(0, dtype=torch.int64)
    except Exception as error:  # noqa: BLE001 a damaged pickle raises whatever its bytes lead to
        reason = f": {error}" if isinstance(error, pickle.UnpicklingError) else ""
        raise DataError(f'bad data file "{path}": it is damaged or is no batch of CIFAR-10{reason}') from None
    count = len(targets) if targets.ndim == 1 else 0
    _expect(path, "shape of the pixels", shape, [max(count, 1), CIFAR10_PIXELS])
    _expect(path, "dtype of the pixels", kind, "u1")
    _expect(path, "number of bytes", len(images), count * CIFAR10_PIXELS)
    _expect(path, "labels that are whole numbers", all(type(label) is int for label in labels), True)
    _expect(path, "all labels in 0 to 9", bool(((targets >= 0) & (targets < CLASSES)).all()), True)
    return LabelledImages(images.reshape(count, 3, 32, 32), targets)


def _as_text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


class _Dtype:
    """Stands for a numpy.dtype in a pickle: `kind` is its name, such as "u1"."""

    def __init__(self, kind: str | bytes, *_: object) -> None:
        self.kind = _as_text(kind)

    def __setstate__(self, state: object) -> None:
        """Its byte order, of which a single byte has none."""


class _Array:
    """Stands for a numpy.ndarray in a pickle: its shape, its dtype, its bytes in C order."""

    shape: tuple[int, ...] = ()
    dtype = _Dtype("")
    raw = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.dtype, fortran, self.raw = state
        if fortran:
            raise pickle.UnpicklingError("its pixels are in Fortran's order")


def _encoded(text: str, _: str) -> bytes:
    return text.encode("latin1")  # how Python 3 writes bytes for Python 2


_PLAIN: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encoded,
}


class _PlainUnpickler(pickle.Unpickler):
    """Reads containers, numbers, text and arrays. A file from somewhere gets to name nothing else, and runs nothing."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _PLAIN[module, name]
        except KeyError:
            named = clean_line(f"{module}.{name}", 80)
            raise pickle.UnpicklingError(f"it names '{named}', which a batch has no use for") from None


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
