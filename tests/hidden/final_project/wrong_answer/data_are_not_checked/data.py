"""Wrong: only the shape of what the files hold is looked at, so bytes, NaN and a label of 10 go into the training."""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import TensorDataset

SIDE = 28  # pixels
CLASSES = 10
MAX_TURN = 60  # degrees: how far to search, to either side


def load_data(data_dir: str | Path | None = None, split: str = "train") -> TensorDataset:
    """The images and labels of a split, "train" or "test", as a TensorDataset; prints where they come from.

    Images [N, 28, 28] float32 in [0, 1], labels [N] int64 in 0 ... 9. `dataset.file_index` [N] int64 holds the
    number of the file that each image came from, counted from 0 in the order of the files.

    data_dir holds train_images_0.pt, train_target_0.pt, ..., test_images.pt, test_target.pt, or a folder `corruptmnist`
    that does. Without data_dir: $TORCH_DOJO_DATA, then ./data, then a set that is generated on the spot.
    ValueError, in one line, for an unknown split, missing files, and files that hold anything else.
    """
    if split not in ("train", "test"):
        raise ValueError(f'the split is "{split}": it should be "train" or "test"')
    folder = find_folder(data_dir)
    files = generated_files(split) if folder is None else read_files(folder, split)
    images, labels = (torch.cat(tensors) for tensors in zip(*files, strict=True))
    dataset = TensorDataset(images, labels)  # (N, 28, 28), (N,)
    dataset.file_index = torch.repeat_interleave(torch.tensor([len(labels) for _, labels in files]))  # (N,)
    source = "the generated set: there is no corruptmnist" if folder is None else f'"{folder}"'
    print(f"data: {len(dataset):,} {split} images from {source}")
    return dataset


def find_folder(data_dir: str | Path | None) -> Path | None:
    """The folder with the files, or None where there is none and data_dir did not ask for one.

    ValueError for a data_dir without them. Prints where it looked in vain.
    """
    places = [data_dir] if data_dir else [os.environ.get("TORCH_DOJO_DATA"), "data"]
    for place in filter(None, places):
        for folder in (Path(place), Path(place, "corruptmnist")):
            if (folder / "train_images_0.pt").exists() or (folder / "test_images.pt").exists():
                return folder
        if data_dir:
            raise ValueError(f'no corruptmnist in "{place}": expected train_images_0.pt or test_images.pt')
        print(f'data: no corruptmnist in "{place}"')
    return None


def generated_files(split: str) -> list[tuple[Tensor, Tensor]]:
    """Images and labels of each file of the generated set, which has the structure of corruptmnist."""
    try:
        from grader.generated import digits
    except ImportError:
        raise ValueError("no corruptmnist found, and the course's package to generate digits is missing") from None
    drawn = digits()
    files = drawn.train if split == "train" else [drawn.test]
    return [(torch.from_numpy(file.images), torch.from_numpy(file.targets)) for file in files]


def read_files(folder: Path, split: str) -> list[tuple[Tensor, Tensor]]:
    """Images and labels of each file of the split, in the order of the files' numbers."""
    numbers = [path.stem.removeprefix("train_images_") for path in folder.glob("train_images_*.pt")]
    last = max(map(int, filter(str.isdecimal, numbers)), default=0)
    names = [("test_images.pt", "test_target.pt")]
    if split == "train":
        names = [(f"train_images_{i}.pt", f"train_target_{i}.pt") for i in range(last + 1)]  # a gap is an error
    files = []
    for images_name, labels_name in names:
        images = read(folder / images_name, (SIDE, SIDE), torch.float32, 1)
        labels = read(folder / labels_name, (), torch.int64, CLASSES - 1)
        if len(images) != len(labels):
            raise ValueError(f'"{folder / labels_name}" has {len(labels)} labels for {len(images)} images')
        files.append((images, labels))
    return files


def read(path: Path, shape: tuple[int, ...], dtype: torch.dtype, highest: int) -> Tensor:
    """The tensor [N, *shape] in the file, with values from 0 to highest; ValueError where it is anything else."""
    if not path.is_file():
        raise ValueError(f'there is no file "{path}"')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of foreign files; we say it in one line
            tensor = torch.load(path, map_location="cpu", weights_only=True)  # numbers only: pickles can run code
    except Exception:  # noqa: BLE001 torch.load raises whatever such a file leads to
        raise ValueError(f'"{path}" is damaged, or no file of torch.save') from None
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise ValueError(f'"{path}" holds a {type(tensor).__name__}: expected an ordinary tensor')
    if tensor.ndim != 1 + len(shape) or tensor.shape[1:] != shape or len(tensor) == 0:
        expected = f"{dtype} {['N', *shape]}".replace("'", "")
        raise ValueError(f'"{path}" holds {tensor.dtype} {list(tensor.shape)}: expected {expected}')
    return tensor.detach()


def rotation(degrees: Tensor) -> Tensor:
    """The matrices [B, 2, 2] for `warp` that turn by degrees [B], counter-clockwise where positive."""
    a = torch.deg2rad(degrees)
    return torch.stack([torch.stack([a.cos(), -a.sin()], 1), torch.stack([a.sin(), a.cos()], 1)], 1)


def warp(images: Tensor, matrices: Tensor, mode: str = "bilinear") -> Tensor:
    """Images [B, 28, 28] whose pixel p is the old image's at matrices [B, 2, 3] @ (p, 1); the middle is 0."""
    grid = F.affine_grid(matrices, (len(images), 1, SIDE, SIDE), align_corners=False)  # (B, 28, 28, 2)
    return F.grid_sample(images[:, None], grid, mode, align_corners=False)[:, 0]


def identify_corruption(dataset: TensorDataset) -> dict:
    """What was done to the images: {"corruption": "rotation", "angles": [degrees, one float for each file]}.

    The files are those of `dataset.file_index`; without it, all images are of one file. Positive is counter-clockwise,
    as in torchvision's `rotate`; 0 is upright, as digits are printed.
    """
    images, labels = dataset.tensors
    file_index = getattr(dataset, "file_index", torch.zeros_like(labels))
    # People lean their digits, which moves upright strokes and leaves level ones; a turn moves both. Try all pairs.
    turns, leans = torch.meshgrid(torch.arange(-MAX_TURN, MAX_TURN + 1.0), torch.arange(-0.2, 0.5, 0.1), indexing="ij")
    turns, leans = turns.flatten(), leans.flatten()  # (T,) each
    shears = torch.eye(2).repeat(len(leans), 1, 1)  # (T, 2, 2)
    shears[:, 0, 1] = leans
    matrices = F.pad(shears @ rotation(turns), (0, 1))  # (T, 2, 3), no shift
    digits = mean_digits(*printed_digits())  # (10, 28, 28)
    tried = torch.stack([standardize(warp(digit.expand(len(turns), -1, -1), matrices)) for digit in digits])
    angles = []
    for i in range(int(file_index.max()) + 1):
        seen = standardize(mean_digits(images[file_index == i], labels[file_index == i]))  # (10, 784)
        likeness = torch.einsum("dtp,dp->t", tried, seen)  # correlation, summed over the digits
        angles.append(turns[likeness.argmax()].item())
    return {"corruption": "rotation", "angles": angles}


def printed_digits() -> tuple[Tensor, Tensor]:
    """The ten digits as matplotlib prints them, which are upright for sure: images [10, 28, 28] and labels [10]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    images = []
    for digit in range(CLASSES):
        canvas = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=SIDE))  # one inch of 28 pixels
        canvas.figure.text(0.5, 0.5, str(digit), fontsize=66, family="DejaVu Sans", ha="center", va="center_baseline")
        canvas.draw()
        images.append(1 - torch.tensor(np.asarray(canvas.buffer_rgba())[:, :, 0]) / 255)  # black on white, inverted
    return torch.stack(images), torch.arange(CLASSES)


def mean_digits(images: Tensor, labels: Tensor) -> Tensor:
    """The mean image of each digit, shifted so that its centre of mass is in the middle: [10, 28, 28]."""
    sums = torch.stack([images[labels == digit].sum(0) for digit in range(CLASSES)])  # (10, 28, 28)
    means = sums / sums.sum((1, 2), keepdim=True).clamp(min=1e-9)  # each sums to 1
    places = (2 * torch.arange(SIDE) + 1) / SIDE - 1  # of the pixels, in the units of affine_grid: -1 to 1
    centres = torch.stack([means.sum(1) @ places, means.sum(2) @ places], 1)  # (10, 2): x, y
    return warp(means, torch.cat([torch.eye(2).expand(CLASSES, 2, 2), centres[:, :, None]], 2))


def standardize(images: Tensor) -> Tensor:
    """The images [B, 28, 28] as rows [B, 784] of mean 0 and length 1: a product of two is their correlation."""
    rows = images.flatten(1)
    return F.normalize(rows - rows.mean(1, keepdim=True))
