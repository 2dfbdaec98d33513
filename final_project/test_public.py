"""Sample tests of the final project: `pytest final_project`, or `make grade EX=final`. The hidden ones ask for more."""

import pytest
import torch

from grader.checks import check, check_equal, check_tensor


def forward(sub, *batches):
    model = sub.module("model").build_model().eval()
    return [model(x).detach() for x in batches]


def write_and_load(sub, files, split):
    import tempfile
    from pathlib import Path

    import torch

    with tempfile.TemporaryDirectory() as folder:
        for name, tensor in files.items():
            torch.save(tensor.cpu(), Path(folder, name))
        dataset = sub.module("data").load_data(folder, split)
    return [tensor.to(next(iter(files.values())).device) for tensor in (*dataset.tensors, dataset.file_index)]


@pytest.mark.task(1)
def test_images_give_ten_logits_each(submission):
    """Images come with and without a channel dimension, and give the same ten logits each."""
    x = torch.rand(3, 28, 28, generator=torch.Generator().manual_seed(0))
    without, with_channel = submission.run(forward, x.cpu(), x[:, None].cpu(), call="build_model().eval()(images)")
    check_equal(without.shape, torch.Size([3, 10]), what="the shape of the logits")
    check_tensor(with_channel, without)


@pytest.mark.task(2)
def test_files_become_a_dataset(submission):
    """Two train files become one dataset that remembers which file each image came from."""
    files = {f"train_images_{i}.pt": torch.full((2, 28, 28), i / 2) for i in range(2)}
    files |= {f"train_target_{i}.pt": torch.tensor([i, i + 5]) for i in range(2)}
    images, labels, file_index = submission.run(write_and_load, files, "train", call='load_data(folder, "train")')
    check_equal(images.shape, torch.Size([4, 28, 28]), what="the shape of the images")
    check_equal(labels.tolist(), [0, 5, 1, 6], what="the labels")
    check_equal(file_index.tolist(), [0, 0, 1, 1], what="file_index")
    check(
        images[0, 0, 0].item() == 0 and images[3, 0, 0].item() == 0.5,
        expected="each image with its label",
        got="not so",
    )
