"""See model.py."""

import math
import os
import re

import torch
from torch.utils.data import TensorDataset


def _load(path):
    try:
        return torch.load(path, weights_only=True)
    except Exception as e:
        raise ValueError(f"can't read {path}: {type(e).__name__}") from e


def _pair(images_path, labels_path):
    x, y = _load(images_path), _load(labels_path)
    if not (torch.is_tensor(x) and x.dtype == torch.float32 and x.dim() == 3 and x.shape[1:] == (28, 28)):
        raise ValueError(f"{images_path} is no float32 tensor of N x 28 x 28")
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"{images_path} has values outside of [0, 1]")
    if not (torch.is_tensor(y) and y.dtype == torch.int64 and y.shape == x.shape[:1]):
        raise ValueError(f"{labels_path} is no int64 tensor of {len(x)} labels")
    if not (y.min() >= 0 and y.max() <= 9):
        raise ValueError(f"{labels_path} has labels outside of 0 to 9")
    return x, y


def _is_data(folder):
    return os.path.isfile(os.path.join(folder, "train_images_0.pt")) or os.path.isfile(
        os.path.join(folder, "test_images.pt")
    )


def _search(data_dir):
    candidates = [str(data_dir)] if data_dir is not None else [os.environ.get("TORCH_DOJO_DATA", ""), "data"]
    for c in candidates:
        if c and _is_data(c):
            return c
        if c and _is_data(os.path.join(c, "corruptmnist")):
            return os.path.join(c, "corruptmnist")
    if data_dir is not None:
        raise ValueError(f"no corruptmnist files in {data_dir}")
    return None


def load_data(data_dir=None, split="train"):
    if split != "train" and split != "test":
        raise ValueError(f"unknown split {split!r}")
    folder = _search(data_dir)
    if folder is None:
        from grader.generated import digits

        drawn = digits()
        files = drawn.train if split == "train" else (drawn.test,)
        pairs = [(torch.from_numpy(f.images), torch.from_numpy(f.targets)) for f in files]
    elif split == "test":
        pairs = [_pair(os.path.join(folder, "test_images.pt"), os.path.join(folder, "test_target.pt"))]
    else:
        found = sorted(int(m[1]) for f in os.listdir(folder) if (m := re.fullmatch(r"train_images_(\d+)\.pt", f)))
        if not found:
            raise ValueError(f"no train files in {folder}")
        pairs = [_pair(f"{folder}/train_images_{i}.pt", f"{folder}/train_target_{i}.pt") for i in found]
    print("reading", split, "from", folder or "the generator")
    ds = TensorDataset(torch.cat([p[0] for p in pairs]), torch.cat([p[1] for p in pairs]))
    ds.file_index = torch.cat([torch.full((len(p[1]),), i) for i, p in enumerate(pairs)])
    return ds


def identify_corruption(dataset):
    """The axis along which the mean 1 of each file is longest."""
    x, y = dataset.tensors
    v, u = torch.meshgrid(13.5 - torch.arange(28.0), torch.arange(28.0) - 13.5, indexing="ij")
    angles = []
    for i in range(int(dataset.file_index.max()) + 1):
        w = x[(dataset.file_index == i) & (y == 1)].sum(0)
        w = w / w.sum().clamp(min=1e-9)
        a, b = u - (w * u).sum(), v - (w * v).sum()
        uu, vv, uv = ((w * p).sum().item() for p in (a * a, b * b, a * b))
        angles.append(math.degrees(0.5 * math.atan2(-2 * uv, vv - uu)))
    return {"corruption": "rotation", "angles": angles, "method": "axis of the ones"}
