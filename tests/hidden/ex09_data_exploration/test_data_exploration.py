"""Hidden suite of exercise 9.

Numbers are compared with those that the judge works out in float64 from all pixels at once. Pictures come back as
pixels: the samples are images of flat colours that occur nowhere else, so that the judge finds each of them in the
grid, and the charts are compared with one another.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from grader.checks import check, check_equal, check_raises, check_tensor, show
from grader.remote import on_cpu


def call_it(sub, name, *args):
    return getattr(sub, name)(*args)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: class_counts
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(1)
def test_classes_without_images_count_zero(submission, rng):
    """A number for each of 7 classes, in order, with a 0 where there is no image: first, in the middle, or last."""
    numbers = torch.tensor([0, 3, 0, 5, 2, 0, 0])
    labels = torch.arange(7).repeat_interleave(numbers)[torch.randperm(10, generator=rng)]
    got = submission.class_counts(labels, 7)
    hint = "The labels alone don't tell of classes that are missing. Which argument does?"
    check_tensor(got, numbers, what="the counts", hint=hint)


def counts_of(sub, labels, num_classes, like):
    counts = sub.class_counts(labels, num_classes)
    return counts.to(like.device)  # those of a list lie on the CPU


@pytest.mark.task(1)
def test_a_list_of_labels(submission, rng):
    """Some data sets keep their labels as a list: its counts are those of the tensor."""
    labels = torch.randint(5, (40,), generator=rng).tolist()
    expected = torch.tensor([labels.count(label) for label in range(5)])
    got = submission.run(counts_of, labels, 5, torch.zeros(1), call="class_counts([3, 0, ...], 5)")
    hint = "CIFAR10(...).targets is a list of ints, MNIST(...).targets is a tensor. Does yours take both?"
    check_tensor(got, expected, what="the counts", hint=hint)


@pytest.mark.task(1)
def test_labels_of_small_dtypes(submission, rng):
    """Labels in uint8 or int32 are labels too, and the counts are int64, beyond 255 as well."""
    labels = torch.cat([torch.randint(3, (50,), generator=rng), torch.full((300,), 3)])
    expected = torch.stack([(labels == label).sum() for label in range(4)])
    hint = "In which dtype do you count, and how far does it reach? Which dtypes does your function of torch take?"
    for dtype in (torch.uint8, torch.int32):
        got = submission.class_counts(labels.to(dtype), 4)
        check_tensor(got, expected, what=f"the counts of {str(dtype).removeprefix('torch.')} labels", hint=hint)


@pytest.mark.task(1)
def test_no_labels_at_all(submission):
    """An empty tensor, or an empty list: 0 of each class."""
    expected = torch.zeros(3, dtype=torch.int64)
    hint = "What is the dtype of a tensor that is made from an empty list?"
    got = submission.class_counts(torch.zeros(0, dtype=torch.int64), 3)
    check_tensor(got, expected, what="the counts of an empty tensor", hint=hint)
    got = submission.run(counts_of, [], 3, torch.zeros(1), call="class_counts([], 3)")
    check_tensor(got, expected, what="the counts of an empty list", hint=hint)


@pytest.mark.task(1)
def test_a_label_beyond_the_classes_is_refused(submission):
    """With 13 classes, 13 and -2 are no labels: a ValueError that names the label and the number of classes."""
    hint = "Labels run from 0 to C - 1. What does your function make of one outside: a longer result, or a wrong count?"
    for label in (13, -2):
        labels = [3, 0, label, 12]
        call, mentions = f"class_counts(torch.tensor({labels}), 13)", (str(label), "13")
        arguments = submission.run, call_it, "class_counts", torch.tensor(labels), 13
        check_raises(ValueError, *arguments, call=call, mentions=mentions, hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: channel_statistics
# ---------------------------------------------------------------------------------------------------------------------

STATISTICS = "channel_statistics(loader)"


def statistics_of(sub, batches, once=False):
    loader = ((images, images.new_zeros(len(images)).long()) for images in batches)
    return sub.channel_statistics(loader if once else list(loader))


def statistics_due(batches: list[Tensor]) -> tuple[Tensor, Tensor]:
    """In float64, from all pixels at once."""
    channels = batches[0].shape[1]
    pixels = torch.cat([batch.double().movedim(1, 0).reshape(channels, -1) for batch in batches], dim=1)
    return pixels.mean(1), pixels.var(1, correction=0).sqrt()


def check_statistics(submission, batches, hint, call=STATISTICS, once=False) -> None:
    """Five digits are due: float32 gives them within a batch, and sums in float64 give more. A deviation of 0 may come
    out as 3e-8 there, the root of rounding errors of 1e-15."""
    mean, std = statistics_due(batches)
    check_pair(submission.run(statistics_of, batches, once, call=call), mean, std, hint)


def check_pair(got: Any, mean: Tensor, std: Tensor, hint: str) -> None:
    pair = type(got) is tuple and len(got) == 2
    check(pair, expected="a tuple of two tensors: means, deviations", got=show(got), hint="What is returned, and how?")
    check_tensor(got[0], mean, rtol=1e-5, atol=1e-6, what="the means", hint=hint)
    check_tensor(got[1], std, rtol=1e-5, atol=1e-6, what="the deviations", hint=hint)


@pytest.mark.task(2)
def test_statistics_worked_by_hand(submission):
    """Two channels, pixels 1, 3 | 5, 7 and 2, 2 | 2, 2: the means are 4 and 2, the deviations √5 and 0."""
    batch = torch.tensor([[[[1.0, 3.0]], [[2.0, 2.0]]], [[[5.0, 7.0]], [[2.0, 2.0]]]])
    hint = "Squared distances from 4: 9, 1, 1, 9. By how many do you divide their sum, and what is the root?"
    call = "channel_statistics([(images, labels)])"
    got = submission.run(statistics_of, [batch], call=call)
    mean, std = (torch.tensor(row, dtype=torch.float64) for row in ([4.0, 2.0], [5.0**0.5, 0.0]))
    check_pair(got, mean, std, hint)


def random_batches(rng: torch.Generator, sizes: tuple[int, ...], channels: int = 3) -> list[Tensor]:
    """Floats [B, channels, 5, 7]; no channel is like another."""
    spread = torch.rand(channels, 1, 1, generator=rng) + 0.1
    level = torch.rand(channels, 1, 1, generator=rng) + 0.2
    return [torch.randn(size, channels, 5, 7, generator=rng) * spread + level for size in sizes]


@pytest.mark.task(2)
def test_a_smaller_last_batch_counts_by_its_pixels(submission, rng):
    """Every pixel counts the same: three batches of 4, 4 and 1 images are 9 images, not 3 batches."""
    batches = random_batches(rng, (4, 4, 1))
    batches[2] += 2
    hint = "A mean of three means gives each batch a third of the say. What do you have to add up instead?"
    check_statistics(submission, batches, hint, "channel_statistics(loader), with batches of 4, 4 and 1 images")


@pytest.mark.task(2)
def test_the_deviation_between_images_counts(submission, rng):
    """Dark images and bright ones: the deviation over all pixels is larger than the one within any image."""
    batches = random_batches(rng, (3, 3))
    for batch in batches:
        batch += torch.tensor([0.0, 3.0, 6.0])[:, None, None, None]
    hint = "Two images, one all 0, one all 1: within each the deviation is 0. What is it over the pixels of both?"
    check_statistics(submission, batches, hint)


@pytest.mark.task(2)
def test_the_deviation_between_places_counts(submission, rng):
    """Images that get brighter from left to right: over all pixels means over the places in the image too."""
    batches = random_batches(rng, (3, 2))
    for batch in batches:
        batch += torch.arange(7)
    hint = "Which dimensions of [B, C, H, W] are gone in the result [C]? Do you treat all of them alike?"
    check_statistics(submission, batches, hint)


@pytest.mark.task(2)
def test_one_pass_is_enough(submission, rng):
    """The loader is a generator: it can't be gone through twice, has no length, and is asked for each batch once."""
    hint = "After one loop a generator is empty. Which numbers, gathered in one loop, give mean and deviation?"
    call = "channel_statistics(batch for batch in ...)"
    check_statistics(submission, random_batches(rng, (2, 3, 2, 3, 1)), hint, call, once=True)


@pytest.mark.task(2)
def test_bytes_do_not_wrap_around(submission, rng):
    """Images of uint8, as they lie in the files: means and deviations from 0 to 255."""
    batches = [torch.randint(256, (size, 3, 9, 8), generator=rng, dtype=torch.uint8) for size in (3, 2)]
    hint = "What is torch.tensor([200], dtype=torch.uint8) squared? Before which step do you leave uint8?"
    check_statistics(submission, batches, hint, "channel_statistics(loader), with images of uint8")


@pytest.mark.task(2)
def test_far_from_zero(submission, rng):
    """Pixels near 1,000 that differ by 1 or so: a difference of large numbers must not lose the digits that matter."""
    batches = [batch + torch.tensor([1000.0, -1000.0, 700.0])[:, None, None] for batch in random_batches(rng, (6, 5))]
    hint = "The mean of the squares is about 1,000,000, the square of the mean as well. How many digits has float32?"
    check_statistics(submission, batches, hint, "channel_statistics(loader), with pixels near 1,000")


@pytest.mark.task(2)
def test_a_constant_channel_deviates_by_zero(submission, rng):
    """Forty channels, each of one value: the deviation is 0, and not the root of something just below it."""
    levels = torch.rand(1, 40, 1, 1, generator=rng, dtype=torch.float64) + 0.1  # float32 would leave nothing to round
    batches = [levels.expand(size, 40, 3, 5).clone() for size in (5, 4)]
    hint = "Rounding can leave a variance of 0 at -1e-17. What is the root of that?"
    check_statistics(submission, batches, hint, "channel_statistics(loader), each channel constant")


def statistics_of_copies(sub, images, batches):
    labels = images.new_zeros(len(images)).long()
    return sub.channel_statistics((images.clone(), labels) for _ in range(batches))


@pytest.mark.task(2)
def test_memory_does_not_grow_with_the_number_of_batches(submission, rng):
    """A hundred batches of 1 MB pass by, and none of them has to stay."""
    images = on_cpu(torch.rand(200, 3, 32, 13, generator=rng))
    mean, std = statistics_due([images])
    count, budget = 100, 60  # measured: right answers take 3 to 25 MB, a list of the batches 105
    call = f"channel_statistics(loader), with {count} batches of 1 MB"
    submission.run(statistics_of_copies, images, 2, call=call)  # libraries load once
    with submission.measured() as usage:
        got = submission.run(statistics_of_copies, images, count, call=call)
    hint = "What do you keep of a batch when the next one comes? Nothing of size [B, C, H, W] is needed any more."
    used = usage.extra_memory_bytes / 1e6
    check(used < budget, expected=f"at most {budget} MB at a time", got=f"{used:.0f} MB", hint=hint)
    pair = type(got) is tuple and len(got) == 2 and all(type(each) is Tensor for each in got)
    check(pair, expected="a tuple of two tensors", got=show(got), hint=hint)
    for value, due, what in ((got[0], mean, "the means"), (got[1], std, "the deviations")):
        near = value.shape == due.shape and bool(((value - due).abs() < 1e-5).all())
        check(near, expected=f"{what}: {show(due)}", got=show(value), hint=hint)


@pytest.mark.task(2)
def test_images_of_several_sizes(submission, rng):
    """Batches of small and of large images, in grey: a pixel of a small image counts as much as one of a large one."""
    batches = [torch.randn(2, 1, *size, generator=rng) + sum(size) for size in ((2, 3), (6, 5), (1, 4))]
    hint = "Is the number of pixels the same in every batch? Count what you add up."
    check_statistics(submission, batches, hint, "channel_statistics(loader), with images of several sizes")


@pytest.mark.task(2)
def test_no_batch_at_all(submission):
    """There is no mean of nothing: a ValueError."""
    hint = "What does your function divide by when the loop has not run once?"
    check_raises(ValueError, submission.run, statistics_of, [], call="channel_statistics([])", hint=hint)


def statistics_and_batches(sub, batches):
    sub.channel_statistics([(images, images.new_zeros(len(images)).long()) for images in batches])
    return batches


@pytest.mark.task(2)
def test_the_batches_are_left_alone(submission, rng):
    """To look is not to change: the images are afterwards as they were."""
    batches = [batch.double() for batch in random_batches(rng, (3, 2))]  # no conversion makes a copy of these
    got = submission.run(statistics_and_batches, batches, call=STATISTICS + ", then the images")
    hint = "Which of your operations write into the tensor that they are called on?"
    for after, before in zip(got, batches, strict=True):
        check_tensor(after, before, rtol=0.0, atol=0.0, what="the images afterwards", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: denormalize
# ---------------------------------------------------------------------------------------------------------------------


def per_channel(numbers: list[float], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(numbers, dtype=dtype)[:, None, None]


def random_numbers(rng: torch.Generator, channels: int) -> tuple[list[float], list[float]]:
    """Means and deviations of channels."""
    return torch.rand(channels, generator=rng).tolist(), (torch.rand(channels, generator=rng) + 0.2).tolist()


@pytest.mark.task(3)
def test_two_pixels_worked_by_hand(submission):
    """With mean 10 and deviation 4, a normalised 2 was 18, and a -3 was -2; with 5 and 0.5 they were 6 and 3.5."""
    images, mean, std = [[[2.0, -3.0, 0.0]], [[2.0, -3.0, 0.0]]], [10.0, 5.0], [4.0, 0.5]
    call = f"denormalize(torch.tensor({images}), {mean}, {std})"
    got = submission.run(call_it, "denormalize", torch.tensor(images), mean, std, call=call)
    hint = "The normalisation subtracted, then divided. What is undone first? Which values do you take for impossible?"
    check_tensor(got, torch.tensor([[[18.0, -2.0, 10.0]], [[6.0, 3.5, 5.0]]]), hint=hint)


@pytest.mark.task(3)
def test_the_channel_is_the_third_dimension_from_the_end(submission, rng):
    """One image, a batch, batches of batches; and where H or W is as large as C, no other dimension is taken for it."""
    mean, std = random_numbers(rng, 3)
    hint = "Write the shapes of images and of your means below each other, aligned at the end. Which sizes meet?"
    for shape in ((3, 5, 3), (3, 3, 4), (3, 3, 2, 3), (2, 3, 3, 4, 3)):
        images = torch.randn(*shape, generator=rng)
        expected = images * per_channel(std) + per_channel(mean)
        got = submission.denormalize(images, mean, std)
        check_tensor(got, expected, what=f"images {list(shape)}", hint=hint)


@pytest.mark.task(3)
def test_all_grey_values_come_back_exactly(submission, rng):
    """The 256 values of a byte, normalised and denormalised: rounded, each of them is what it was, in each channel."""
    mean, std = random_numbers(rng, 3)
    values = torch.stack([torch.randperm(256, generator=rng).view(16, 16) for _ in range(3)])
    images = (values / 255 - per_channel(mean)) / per_channel(std)
    got = submission.denormalize(images, mean, std)
    hint = "Where do you lose digits, or cut something off? Ten steps of rounding would not show here."
    check_tensor(got, values / 255, rtol=0.0, atol=0.4 / 255, what="the pixels", hint=hint)  # half a step is 0.5 / 255


@pytest.mark.task(3)
def test_means_as_tensors_do_not_decide_the_dtype(submission, rng):
    """Statistics in float64, as channel_statistics gives them, leave images of float32 in float32."""
    images, (mean, std) = torch.randn(4, 3, 2, 5, generator=rng), random_numbers(rng, 3)
    expected = images * per_channel(std) + per_channel(mean)
    hint = "What does torch make of float32 images and a float64 tensor, and who has to give way?"
    for dtype in (torch.float64, torch.float32):
        numbers = [torch.tensor(each, dtype=dtype) for each in (mean, std)]
        check_tensor(submission.denormalize(images, *numbers), expected, hint=hint)
    got = submission.denormalize(images, tuple(mean), tuple(std))
    check_tensor(got, expected, what="with tuples", hint="A tuple, a list, a tensor: what makes one of them all?")


@pytest.mark.task(3)
def test_float64_is_undone_in_float64(submission, rng):
    """Images in float64 come back to twelve digits: the means must not be shortened to float32 on the way."""
    images, (mean, std) = torch.randn(3, 4, 2, generator=rng, dtype=torch.float64), random_numbers(rng, 3)
    mean, std = [each / 3 for each in mean], [each / 3 for each in std]  # more digits than float32 has
    expected = images * per_channel(std, torch.float64) + per_channel(mean, torch.float64)
    hint = "In which dtype does torch.tensor([0.1]) keep its number, when the images have more digits?"
    check_tensor(submission.denormalize(images, mean, std), expected, rtol=0.0, atol=1e-12, hint=hint)


@pytest.mark.task(3)
def test_numbers_of_other_images_are_refused(submission, rng):
    """Colour statistics on grey images, or one number for three channels: a ValueError that names both numbers."""
    hint = "The statistics belong to another data set, and broadcasting would not complain. Which sizes must agree?"
    for channels, means, stds in ((1, 3, 3), (3, 1, 3), (3, 3, 1), (5, 4, 4)):
        images = torch.randn(2, channels, 6, 7, generator=rng)
        wrong = min(means, stds) if channels == 3 else means
        call = f"denormalize(images [2, {channels}, 6, 7], {[0.5] * means}, {[0.25] * stds})"
        arguments = submission.run, call_it, "denormalize", images, [0.5] * means, [0.25] * stds
        check_raises(ValueError, *arguments, call=call, mentions=(str(channels), str(wrong)), hint=hint)


def denormalize_and_look_again(sub, images, mean, std):
    sub.denormalize(images, mean, std)
    return {"images": images, "mean": mean, "std": std}


@pytest.mark.task(3)
def test_the_normalised_images_are_left_alone(submission, rng):
    """The model still needs them: images, means and deviations are afterwards as they were."""
    given = {"images": torch.randn(2, 3, 4, 5, generator=rng), "mean": torch.rand(3, generator=rng)}
    given["std"] = torch.rand(3, generator=rng) + 0.2
    call = "denormalize(images, mean, std), then images"
    got = submission.run(denormalize_and_look_again, *given.values(), call=call)
    hint = "Which of your operations write into the tensor that they are called on?"
    for name, before in given.items():
        check_tensor(got[name], before, rtol=0.0, atol=0.0, what=f"{name} afterwards", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: to_hwc
# ---------------------------------------------------------------------------------------------------------------------


def hwc(images: Tensor) -> Tensor:
    """Channels last, one plane after the other."""
    return torch.stack([images[..., channel, :, :] for channel in range(images.shape[-3])], dim=-1)


@pytest.mark.task(4)
def test_six_numbers_worked_by_hand(submission):
    """A red plane 1 2 3 and a green one 4 5 6 become pixels (1, 4), (2, 5), (3, 6)."""
    planes = [[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]
    got = submission.run(call_it, "to_hwc", torch.tensor(planes), call=f"to_hwc(torch.tensor({planes}))")
    hint = "The pixel on the left has a red 1 and a green 4. Does yours, or are numbers read in the order of memory?"
    check_tensor(got, torch.tensor([[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]]), hint=hint)


@pytest.mark.task(4)
def test_one_image_or_many(submission, rng):
    """[C, H, W], [N, C, H, W] and [M, N, C, H, W]: what stands before the image stays where it is."""
    hint = "Which dimension moves, counted from the end, and where to? The others keep their order."
    for shape in ((3, 4, 5), (3, 3, 3), (2, 3, 4, 5), (6, 2, 3, 4, 5)):  # with C = H = W only the pixels tell of a turn
        images = torch.randn(*shape, generator=rng)
        check_tensor(submission.to_hwc(images), hwc(images), what=f"images {list(shape)}", hint=hint)


@pytest.mark.task(4)
def test_a_grey_image_keeps_its_channel(submission, rng):
    """[1, H, W] becomes [H, W, 1], and sizes of 1 elsewhere stay too."""
    hint = "Whoever counts on three dimensions gets three dimensions. Which of yours is lost?"
    for shape in ((1, 4, 5), (1, 1, 4, 1), (3, 1, 1)):
        images = torch.randn(*shape, generator=rng)
        check_tensor(submission.to_hwc(images), hwc(images), what=f"images {list(shape)}", hint=hint)


@pytest.mark.task(4)
def test_the_dtype_stays(submission, rng):
    """Bytes stay bytes, and float64 stays float64."""
    values = torch.randint(256, (3, 4, 2), generator=rng, dtype=torch.uint8)
    for images in (values, values.double() / 255, values > 99):
        check_tensor(submission.to_hwc(images), hwc(images), rtol=0.0, atol=0.0, hint="Only the places change.")


# ---------------------------------------------------------------------------------------------------------------------
# Pictures. They are decoded in the worker, where hostile bytes can do no harm, and come back as numbers.
# ---------------------------------------------------------------------------------------------------------------------


def draw(sub, function, pictures, name, as_path, existing):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import numpy as np
    import torch
    from PIL import Image

    results = []
    for arguments, settings in pictures:
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            if existing:
                path.write_bytes(b"an older file " * 10000)
            given = [each.cpu() for each in arguments]
            getattr(sub, function)(*given, path if as_path else str(path), **settings)
            result = {"files": sorted(each.name for each in Path(folder).iterdir()), "begins": "", "pixels": None}
            result["given"] = given
            if path.is_file():
                result["begins"] = path.read_bytes()[:8].hex(" ")
                try:
                    with Image.open(path) as image:
                        result["pixels"] = torch.from_numpy(np.array(image.convert("RGB")))
                except (OSError, SyntaxError, ValueError):
                    pass  # no picture
            results.append(result)
    return results


def results_of(submission, function, pictures, call, name="picture.png", as_path=False, existing=False) -> list[Any]:
    """What each call drew: `pixels` is a picture [height, width, 3] in uint8, `given` are its tensors afterwards."""
    got = submission.run(draw, function, pictures, name, as_path, existing, call=call)
    for result in got:
        hint = "Which files are written, if any? savefig goes by the path's suffix, unless it is told the format."
        check_equal(result["files"], [name], what="the files in the folder", hint=hint)
        check(
            result["begins"] == "89 50 4e 47 0d 0a 1a 0a",
            expected="a PNG file, whose first bytes are 89 50 4e 47 0d 0a 1a 0a",
            got=f"a file that begins with {show(result['begins'])}",
            hint="A suffix does not make a PNG. In which format is the file written?",
        )
        pixels = result["pixels"]
        sound = type(pixels) is Tensor and pixels.dtype == torch.uint8 and pixels.dim() == 3 and pixels.shape[2] == 3
        check(sound, expected="a picture", got="a file that no program can read", hint="Is the file whole?")
    return got


def pictures_of(submission, function, pictures, call, **options) -> list[Tensor]:
    return [result["pixels"] for result in results_of(submission, function, pictures, call, **options)]


def same_picture(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def check_differ(first: Tensor, others: list[Tensor], of: list[Any], hint: str) -> None:
    for each, other in zip(of[1:], others, strict=True):
        got = f"the same picture for {of[0]} and {each}"
        check(not same_picture(first, other), expected="pictures that differ", got=got, hint=hint)


def check_at_the_path(submission, function, arguments) -> None:
    for name, as_path, existing in (("picture", False, False), ("picture.jpg", True, True)):
        path = f"Path('{name}')" if as_path else f"'{name}'"
        call = f"{function}(..., {path})" + (", where there is a file already" if existing else "")
        pictures_of(submission, function, [(arguments, {})], call, name=name, as_path=as_path, existing=existing)


def check_drawn_again(submission, function, one, other, call) -> None:
    first, _, again = pictures_of(submission, function, [one, other, one], call)
    changed = int((first != again).any(2).sum()) if first.shape == again.shape else 0
    got = f"a picture in which {changed} pixels differ" if changed else "a picture of another size"
    hint = "Look at the second picture that you draw. Is anything of the first one still there? Who cleans up?"
    check(same_picture(first, again), expected="the same picture for the same data", got=got, hint=hint)


NAMES = ["cat", "dog", "ship"]

# ---------------------------------------------------------------------------------------------------------------------
# Task 5: plot_samples
# ---------------------------------------------------------------------------------------------------------------------

HEIGHT, WIDTH = 16, 20  # of a sample
LEVELS, LEAST, STEP = 5, 40, 50  # a colour has three of the values 40, 90, 140, 190, 240, not all the same
CORNERS = ("top left", "top right", "bottom left", "bottom right")
CALL = "plot_samples(images, labels, path, names, columns={})"


class Samples(NamedTuple):
    """Images [N, C, HEIGHT, WIDTH] in uint8, and the colours [N, 4, C] of their corners."""

    images: Tensor
    colours: Tensor

    def floats(self) -> Tensor:
        return self.images / 255


def random_samples(rng: torch.Generator, count: int) -> Samples:
    """Each corner of each image has a colour of its own."""
    places = torch.cartesian_prod(*[torch.arange(LEVELS)] * 3)
    places = places[(places != places[:, :1]).any(1)]  # grey is for text and axes
    chosen = places[torch.randperm(len(places), generator=rng)[: 4 * count]]
    colours = (LEAST + STEP * chosen).to(torch.uint8).view(count, 4, 3)
    corners = colours.view(count, 2, 2, 3).permute(0, 3, 1, 2)
    images = corners.repeat_interleave(HEIGHT // 2, 2).repeat_interleave(WIDTH // 2, 3)
    return Samples(images.contiguous(), colours)


def spots(pixels: Tensor, colours: Tensor, call_it: str) -> Tensor:
    """Where in a picture each colour [N, 4, 3] is: the middles [N, 4, 2], y and x of its pixels."""
    steps = (pixels.int() - LEAST + 2).div(STEP, rounding_mode="floor")
    flat = ((pixels.int() - LEAST - STEP * steps).abs() <= 2).all(2) & (steps >= 0).all(2) & (steps < LEVELS).all(2)
    codes = torch.where(flat, steps[..., 0] * LEVELS**2 + steps[..., 1] * LEVELS + steps[..., 2], -1)
    found = []
    for image, rows in enumerate((colours.int() - LEAST).div(STEP, rounding_mode="floor").tolist()):
        for corner, (red, green, blue) in enumerate(rows):
            where = (codes == red * LEVELS**2 + green * LEVELS + blue).nonzero()
            due = HEIGHT * WIDTH / 4 * 0.7  # the rest may be mixed with its neighbours
            colour = [LEAST + STEP * each for each in (red, green, blue)]
            check(
                len(where) >= due,
                expected=f"the colour {colour} in the {CORNERS[corner]} of image {image}{call_it}",
                got=f"{len(where)} pixels of it in the picture",
                hint="Is every image drawn, no smaller than it is, and with its colours as they are?",
            )
            found.append(where.double().median(0).values)
    return torch.stack(found).view(-1, 4, 2)


def ranks(values: list[float], apart: float) -> list[int]:
    """0 for the smallest, and one more after each gap."""
    edges = sorted(values)
    starts = [high for low, high in pairwise(edges) if high - low > apart]
    return [sum(start <= value for start in starts) for value in values]


def check_grid(found: Tensor, columns: int, pixels: Tensor) -> None:
    """Row and column of each image, by the middles of its corners in a picture, which they fill."""
    centres = found.mean(1)
    height = float((found[:, 2:, 0].mean(1) - found[:, :2, 0].mean(1)).abs().median())  # half of an image
    width = float((found[:, 1::2, 1].mean(1) - found[:, ::2, 1].mean(1)).abs().median())
    rows, places = ranks(centres[:, 0].tolist(), height), ranks(centres[:, 1].tolist(), width)
    for image, place in enumerate(zip(rows, places, strict=True)):
        due = divmod(image, columns)
        check(
            place == due,
            expected=f"image {image} in row {due[0]}, column {due[1]}",
            got=f"row {place[0]}, column {place[1]}",
            hint="Like reading: left to right, then the next row. How many are there in a row, and which comes next?",
        )
    filled = float(centres[:, 0].max()) / len(pixels)
    check(
        max(rows) == 0 or filled > 0.5,  # of two rows, the second begins at a half; a single row may stand anywhere
        expected="a picture that the grid fills",
        got=f"the middle of the last row at {filled:.0%} of the height",
        hint="How many rows are needed? Is there room for more than that?",
    )


@pytest.mark.task(5)
def test_each_image_in_its_place(submission, rng):
    """Seven images, three in a row: two full rows, and one image in the third."""
    samples, labels = random_samples(rng, 7), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    settings = {"class_names": NAMES, "columns": 3}
    (pixels,) = pictures_of(submission, "plot_samples", [((samples.floats(), labels), settings)], CALL.format(3))
    check_grid(spots(pixels, samples.colours, ""), 3, pixels)


@pytest.mark.task(5)
def test_images_are_upright(submission, rng):
    """What is at the top of an image is at the top in the picture, and what is on its left is on the left."""
    samples = random_samples(rng, 2)
    call = "plot_samples(images, labels, path)"
    (pixels,) = pictures_of(submission, "plot_samples", [((samples.floats(), torch.tensor([1, 0])), {})], call)
    found = spots(pixels, samples.colours, "")
    (top_left, top_right, bottom_left, bottom_right) = found.unbind(1)
    hint = "Turned, mirrored, or cut to pieces? Which function puts the channels last, and where does row 0 go?"
    for one, other, axis, word in (
        *((top_left, bottom_left, 0, "top"), (top_right, bottom_right, 0, "top")),
        *((top_left, top_right, 1, "left"), (bottom_left, bottom_right, 1, "left")),
    ):
        right = bool((one[:, axis] < other[:, axis]).all())
        got = "an image that is turned or mirrored"
        check(right, expected=f"at the {word} what is at the {word} of the image", got=got, hint=hint)


@pytest.mark.task(5)
def test_eight_in_a_row_unless_told(submission, rng):
    """Nine images without columns: eight, and one below."""
    samples = random_samples(rng, 9)
    call = "plot_samples(images, labels, path), with 9 images"
    (pixels,) = pictures_of(submission, "plot_samples", [((samples.floats(), torch.arange(9)), {})], call)
    check_grid(spots(pixels, samples.colours, ""), 8, pixels)


@pytest.mark.task(5)
def test_one_image_one_row_or_a_gap(submission, rng):
    """One image alone, one column, fewer images than columns: all of these are grids."""
    for count, columns in ((1, 1), (2, 1), (2, 4)):
        samples = random_samples(rng, count)
        arguments = (samples.floats(), torch.arange(count)), {"class_names": NAMES, "columns": columns}
        (pixels,) = pictures_of(submission, "plot_samples", [arguments], CALL.format(columns))
        check_grid(spots(pixels, samples.colours, ""), columns, pixels)


@pytest.mark.task(5)
def test_bytes_are_drawn_as_they_are(submission, rng):
    """Images of uint8 have the same colours as floats from 0 to 1."""
    samples = random_samples(rng, 2)
    call = "plot_samples(images, labels, path), with images of uint8"
    (pixels,) = pictures_of(submission, "plot_samples", [((samples.images, torch.tensor([0, 1])), {})], call)
    spots(pixels, samples.colours, ", which is of uint8")


@pytest.mark.task(5)
@pytest.mark.parametrize("kind", ["floats", "bytes"])
def test_grey_is_not_stretched(submission, kind):
    """An image with one channel is grey: 0 is black, the largest value is white, whatever else is in the image."""
    levels = torch.tensor([[70, 130], [130, 190]], dtype=torch.uint8)  # left and right half of two images
    images = levels[:, None, None].repeat_interleave(WIDTH // 2, 3).repeat_interleave(HEIGHT, 2)
    images = images / 255 if kind == "floats" else images
    call = f"plot_samples(images, labels, path), with grey images of {kind}"
    (pixels,) = pictures_of(submission, "plot_samples", [((images, torch.tensor([0, 1])), {})], call)
    hint = (
        "imshow makes the smallest value of an image black and the largest white, unless it knows better. Or in colour?"
    )
    for level, halves in ((70, 1), (130, 2), (190, 1)):
        count = int(((pixels.int() - level).abs() <= 2).all(2).sum())
        expected = f"{'an image half' if halves == 1 else 'two image halves'} in the grey of {level} of 255"
        got = f"{count} pixels of it in the picture"
        check(count >= 0.7 * halves * HEIGHT * WIDTH / 2, expected=expected, got=got, hint=hint)


@pytest.mark.task(5)
def test_the_label_stands_at_its_image(submission, rng):
    """Another label of one image changes the picture at that image."""
    samples, labels = random_samples(rng, 5), [[0, 1, 2, 0, 1], [0, 2, 2, 0, 1], [0, 1, 2, 2, 1]]
    settings = {"class_names": NAMES, "columns": 3}
    pictures = [((samples.floats(), torch.tensor(row)), settings) for row in labels]
    call = CALL.format(3) + ", for labels " + ", ".join(map(str, labels))
    first, *others = pictures_of(submission, "plot_samples", pictures, call)
    hint = "Whose name stands above an image: that of its label, or that of its place? In what order are names drawn?"
    check_differ(first, others, labels, hint)
    if not all(first.shape == other.shape for other in others):
        return  # cut to what is in it: there is no telling which pixel was which
    centres = spots(first, samples.colours, "").mean(1)
    heights = []
    for image, other in zip((1, 3), others, strict=True):
        y, x = (first != other).any(2).nonzero().double().median(0).values.tolist()
        column = int((centres[:3, 1] - x).abs().argmin())
        got = f"a change in column {column}"
        check(column == image % 3, expected=f"a change in column {image % 3}, of image {image}", got=got, hint=hint)
        heights.append(y)
    check(
        heights[0] < heights[1],
        expected="the name of image 1, in the upper row, above that of image 3",
        got="the other way round",
        hint=hint,
    )


@pytest.mark.task(5)
def test_names_or_numbers(submission, rng):
    """Other names are another picture, and without names the numbers of the classes are written."""
    samples, labels = random_samples(rng, 2).floats(), [[0, 2], [1, 2]]
    names = [NAMES, ["cat", "dog", "bird"], ["dog", "cat", "ship"], None]
    pictures = [((samples, torch.tensor(labels[0])), {"class_names": each}) for each in names]
    pictures.append(((samples, torch.tensor(labels[1])), {}))
    *named, first, other = pictures_of(
        submission, "plot_samples", pictures, "plot_samples(images, labels, path, names)"
    )
    hint = "Who looks at the samples wants to know what they are. Where do the names go?"
    check_differ(named[0], [*named[1:], first], names, hint)
    check_differ(first, [other], [f"labels {each} without names" for each in labels], hint)


@pytest.mark.task(5)
def test_samples_are_drawn_at_exactly_the_path(submission, rng):
    """A str or a Path, with any suffix or none: there is the PNG, in place of an older file, and nothing else."""
    check_at_the_path(submission, "plot_samples", (random_samples(rng, 1).floats(), torch.tensor([0])))


@pytest.mark.task(5)
def test_the_same_samples_are_the_same_picture(submission, rng):
    """Whatever was drawn before, equal samples give equal pictures."""
    one, other = (((random_samples(rng, 2).floats(), torch.tensor([0, 1])), {"class_names": NAMES}) for _ in range(2))
    check_drawn_again(submission, "plot_samples", one, other, "plot_samples(images, labels, path, names), three times")


@pytest.mark.task(5)
def test_the_samples_are_left_alone(submission, rng):
    """To draw is to look: images, a little beyond [0, 1] by rounding, and labels stay as they are."""
    images, labels = torch.rand(2, 3, HEIGHT, WIDTH, generator=rng), torch.tensor([1, 0])
    images[0, 0, 0, :2] = torch.tensor([-1e-7, 1 + 1e-6])
    call = "plot_samples(images, labels, path), then images"
    (result,) = results_of(submission, "plot_samples", [((images, labels), {})], call)
    hint = "Which of your operations write into the tensor that they are called on?"
    for after, before, what in zip(result["given"], (images, labels), ("images", "labels"), strict=True):
        check_equal(after.tolist(), before.tolist(), what=f"{what} afterwards", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 6: plot_class_histogram
# ---------------------------------------------------------------------------------------------------------------------


def charts_of(submission, charts, call) -> list[Tensor]:
    pictures = [((torch.tensor(counts),), {"class_names": names}) for counts, names in charts]
    return pictures_of(submission, "plot_class_histogram", pictures, call)


@pytest.mark.task(6)
def test_the_chart_shows_each_count_at_its_class(submission):
    """Other counts, or the same counts for other classes, are another picture."""
    counts = [[4, 9, 2], [9, 4, 2], [4, 9, 3]]
    call = "plot_class_histogram(counts, path, names), for " + ", ".join(map(str, counts))
    first, *others = charts_of(submission, [(each, NAMES) for each in counts], call)
    hint = "The counts are counted already: one bar per class, as high as its count. Which function draws bars as told?"
    check_differ(first, others, counts, hint)


@pytest.mark.task(6)
def test_the_chart_shows_each_name_at_its_class(submission):
    """Other names, or the same names for other classes, are another picture, to the first and to the last letter."""
    long = ["cat", "a brown long dog", "ship"]  # 16 letters
    names = [
        long,
        [long[1], long[0], long[2]],
        ["cat", "_ brown long dog", "ship"],
        ["cat", "a brown long do_", "ship"],
    ]
    call = "plot_class_histogram([4, 9, 2], path, names), for several names"
    first, *others = charts_of(submission, [([4, 9, 2], each) for each in names], call)
    hint = "Who reads the chart wants to know which bar is whose. Where do the names go, and is there room for them?"
    check_differ(first, others, names, hint)


def changed(one: Tensor, other: Tensor) -> Tensor:
    """Which pixels differ, [height, width]; none where the pictures differ in size and can't be compared."""
    return (one != other).any(2) if one.shape == other.shape else torch.zeros(0, 0, dtype=torch.bool)


@pytest.mark.task(6)
def test_a_larger_count_is_a_longer_bar(submission):
    """Images that move from one class to another: 6 of them change about twice as much of the picture as 3."""
    counts = [[2, 20, 10], [5, 20, 7], [8, 20, 4]]
    call = "plot_class_histogram(counts, path, names), for " + ", ".join(map(str, counts))
    small, middle, large = charts_of(submission, [(each, NAMES) for each in counts], call)
    one, two = int(changed(small, middle).sum()), int(changed(small, large).sum())
    if one == two == 0 and not same_picture(small, middle):
        return  # cut to what is in it: there is no telling which pixel was which
    check(  # 2.0 for bars, 1.0 for points and lines; exercise 5 has measured more kinds of bars
        two > 1.15 * one > 0,
        expected=f"more of the picture changes from {counts[0]} to {counts[2]} than to {counts[1]}",
        got=f"{two} pixels change, and {one} pixels",
        hint="Each class has a bar, and the bar is as long as the count. What do you draw: bars, points, or a line?",
    )


def lines_in(mask: Tensor) -> list[int]:
    """Rows that changed over a good part of the width. Bars that change by 10 of 100, with a text, are shorter."""
    return (mask.double().mean(1) > 0.2).nonzero().flatten().tolist()


@pytest.mark.task(6)
def test_a_line_where_balanced_bars_would_end(submission):
    """600 images of 15 classes, some without any: the line lies where the bar of the class with 40 images ends."""
    rest = [
        100,
        100,
        0,
        0,
        100,
        15,
        15,
        15,
        15,
        100,
        0,
        0,
        100,
    ]  # with 40 and 0: the median is 15, without zeros it is 60
    counts = [[40, 0, *rest], [0, 40, *rest], [40, 0, *(25 if count == 15 else count for count in rest)]]
    call = f"plot_class_histogram(counts, path), for {counts[0]}, and for 640 images"
    first, swapped, fewer = charts_of(submission, [(each, None) for each in counts], call)
    if not first.shape == swapped.shape == fewer.shape:
        return  # cut to what is in it: there is no telling which pixel was which
    bars, moved = changed(first, swapped), changed(first, fewer)
    if not lines_in(moved):
        bars, moved = bars.T, moved.T  # the bars lie
    lines, ends = lines_in(moved), bars.any(1).nonzero().flatten().tolist()
    hint = "N images, C classes: how many would each class have? Is there a line across all of the bars?"
    got = "no line that moves"
    check(bool(lines and ends), expected="another number of images moves a line across the chart", got=got, hint=hint)
    length = ends[-1] - ends[0]
    check(
        length > 0.1 * len(moved),
        expected="bars that fill the chart, the longest one at least a third of it",
        got=f"a bar of 40 of 100 that takes {length / len(moved):.0%} of the picture",
        hint="What else has a place in the chart, and how far out does it lie?",
    )
    # The bar ends at one of the two edges of what the swap of 40 and 0 changes; a text on it takes some pixels more.
    off = min(abs(line - end) for line in lines for end in (ends[0], ends[-1])) / length
    check(
        off < 0.3,
        expected="a line where the bar of 40 ends",
        got=f"a line that misses it by {off:.0%} of the length of that bar",
        hint="How many images are there, and how many classes? Which of the two did you count otherwise?",
    )


@pytest.mark.task(6)
def test_the_chart_is_drawn_at_exactly_the_path(submission):
    """A str or a Path, with any suffix or none: there is the PNG, in place of an older file, and nothing else."""
    check_at_the_path(submission, "plot_class_histogram", (torch.tensor([4, 9, 2]),))


@pytest.mark.task(6)
def test_the_same_counts_are_the_same_chart(submission):
    """Whatever was drawn before, equal counts and names give equal pictures: nothing of an old chart is left."""
    one, other = (
        ((torch.tensor(counts),), {"class_names": names})
        for counts, names in (([4, 9, 2], NAMES), ([1, 3, 8], ["A", "B", "C"]))
    )
    call = "plot_class_histogram(counts, path, names), another one, and then the first one again"
    check_drawn_again(submission, "plot_class_histogram", one, other, call)


@pytest.mark.task(6)
def test_few_or_many_classes(submission):
    """A chart of one class, and one of many, can be drawn too, and the counts stay as they are."""
    many = [1 + 3 * each % 11 for each in range(25)]
    charts = [((torch.tensor([7]),), {"class_names": ["cat"]}), ((torch.tensor(many),), {})]
    call = "plot_class_histogram(counts, path), for 1 class and for 25"
    got = results_of(submission, "plot_class_histogram", charts, call)
    hint = "Which of your operations write into the tensor that they are called on?"
    for result, due in zip(got, ([7], many), strict=True):
        check_equal(result["given"][0].tolist(), due, what="the counts afterwards", hint=hint)
