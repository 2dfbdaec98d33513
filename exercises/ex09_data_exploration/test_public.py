"""Sample tests of exercise 9. Run them with `make grade EX=9` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check_equal, check_tensor


@pytest.mark.task(1)
def test_a_class_without_images(submission):
    """Four classes, and no image of the last one."""
    got = submission.class_counts(torch.tensor([2, 0, 2, 1, 2]), 4)
    hint = "Count each label. Who knows that there is a class 3?"
    check_tensor(got, torch.tensor([1, 1, 3, 0]), what="the counts", hint=hint)


# A driver: it gets the student's module first, and runs where that module is.
def statistics_of(sub, batches):
    import torch

    return sub.channel_statistics((images, torch.zeros(len(images))) for images in batches)


@pytest.mark.task(2)
def test_two_batches_of_one_channel(submission):
    """The pixels 0, 4 | 8 in batches of two images and of one: their mean is 4, their variance 32 / 3."""
    batches = [torch.tensor([0.0, 4.0]).view(2, 1, 1, 1), torch.tensor([8.0]).view(1, 1, 1, 1)]
    mean, std = submission.run(statistics_of, batches, call="channel_statistics(loader), with pixels 0, 4 | 8")
    hint = "Three pixels, each with the same weight. Which sums do you need of each batch?"
    check_tensor(mean, torch.tensor([4.0], dtype=torch.float64), rtol=1e-5, what="the mean", hint=hint)
    check_tensor(std, torch.tensor([32 / 3], dtype=torch.float64).sqrt(), rtol=1e-5, what="the deviation", hint=hint)


@pytest.mark.task(3)
def test_a_normalisation_is_undone(submission):
    """Two channels, one pixel: (18 - 10) / 4 = 2 and (6 - 5) / 0.5 = 2 were the normalised ones."""
    got = submission.denormalize(torch.tensor([[[2.0]], [[2.0]]]), [10.0, 5.0], [4.0, 0.5])
    hint = "Solve y = (x - mean) / std for x. Which mean belongs to which dimension?"
    check_tensor(got, torch.tensor([[[18.0]], [[6.0]]]), hint=hint)


@pytest.mark.task(4)
def test_channels_last(submission):
    """A red plane 1 2 3 and a green one 4 5 6: the first pixel is (1, 4)."""
    got = submission.to_hwc(torch.tensor([[[1, 2, 3]], [[4, 5, 6]]]))
    hint = "Is the shape right, and are the pixels? Look at what reshape does in the worked example."
    check_tensor(got, torch.tensor([[[1, 4], [2, 5], [3, 6]]]), hint=hint)


def draw(sub, function, first):
    import tempfile
    from pathlib import Path

    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        names = {"class_names": ["cat", "dog", "ship"]}
        if function == "plot_samples":
            sub.plot_samples(first.cpu(), torch.tensor([0, 2, 1]), path, columns=2, **names)
        else:
            sub.plot_class_histogram(first.cpu(), path, **names)
        return {path.name: path.read_bytes()[:4].hex(" ") for path in Path(folder).iterdir()}


def check_png(got):
    hint = "Look into the folder. Which name has the file, and in which format is it?"
    check_equal(got, {"picture": "89 50 4e 47"}, what="the file and its first four bytes", hint=hint)


@pytest.mark.task(5)
def test_samples_as_a_png(submission, rng):
    """Three images, two in a row: the file is where it was asked for, under exactly that name, and it is a PNG."""
    images = torch.rand(3, 3, 8, 8, generator=rng)
    call = "plot_samples(images, torch.tensor([0, 2, 1]), 'picture', ['cat', 'dog', 'ship'], columns=2)"
    check_png(submission.run(draw, "plot_samples", images, call=call))


@pytest.mark.task(6)
def test_a_histogram_as_a_png(submission):
    """The file is where it was asked for, under exactly that name, and it is a PNG."""
    call = "plot_class_histogram(torch.tensor([4, 9, 2]), 'picture', ['cat', 'dog', 'ship'])"
    check_png(submission.run(draw, "plot_class_histogram", torch.tensor([4, 9, 2]), call=call))
