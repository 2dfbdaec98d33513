"""The final project: the hidden tests.

The judge works everything out itself: it counts right answers from the logits, on images whose labels the worker never
gets. Where `evaluate` needs labels, it gets some that are secretly wrong, so that only counting gives the right answer.
All but the last test train for a second on a few hundred generated digits, in files turned by secret angles.
"""

import io
import json
import pickle
import pickletools
import re
import struct
import zipfile
import zlib
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from grader.checks import check, check_equal, check_raises, check_tensor
from grader.datasets import find_corruptmnist
from grader.generated import digits
from grader.remote import Raised, SubmissionError

SECONDS = 30  # for all that takes a second or two; the full training may take the exercise's whole test_seconds
FILES, PER_FILE, TEST_SIZE = 4, 150, 257  # of the small set; the last batch of the test images is a smaller one
SMALL = ("--epochs", "2", "--batch-size", "50")
STEPS = 2 * FILES * PER_FILE // 50
SPREAD, OFFSET = 8.0, 15.0  # degrees by which the angles may be off, against each other and all together
ACCURACY = re.compile(r"^test accuracy: (\d+(?:\.\d+)?) % \(([\d,]+) of ([\d,]+)\)\s*$", re.MULTILINE)
WARNING = re.compile(r"^\S+:\d+: \w*Warning: .*\n(?: .*\n)?", re.MULTILINE)  # a library's, with its line of source
NUMBER_TYPES = "Float Double Half BFloat16 Long Int Short Char Byte Bool".split()  # noqa: SIM905 a list is longer
HARMLESS = {  # what a file of tensors and numbers names
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind}Storage" for kind in NUMBER_TYPES),
}


class Small(NamedTuple):
    """A small corruptmnist: image and label tensors of each train file, and of the test file, and the secret angles."""

    train: list[tuple[Tensor, Tensor]]
    test: tuple[Tensor, Tensor]
    angles: list[float]


# Helpers


def as_file(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def put_split(submission, split: str, files, folder: str = "data") -> None:
    for number, (images, labels) in enumerate(files):
        suffix = "" if split == "test" else f"_{number}"
        submission.put_file(f"{folder}/{split}_images{suffix}.pt", as_file(images.clone()))
        submission.put_file(f"{folder}/{split}_target{suffix}.pt", as_file(labels.clone()))


def last_line(result) -> str:
    return (result.stderr.strip().splitlines() or ["(nothing on stderr)"])[-1][:300]


def run(submission, *args: str, timeout: float = SECONDS):
    """Runs main.py. A stub's NotImplementedError counts as not attempted, also where an error is due."""
    result = submission.script("main.py", *args, timeout=timeout)
    name, _, message = last_line(result).partition(": ")
    if result.exit_code == 1 and name == "NotImplementedError" and "Traceback" in result.stderr:
        raise SubmissionError(Raised(name, name, message, None), submission.last_call)
    return result


def ask(submission, driver, *args, call: str):
    """Runs a driver within the time of a small call."""
    return submission.run(driver, *args, call=call, timeout=SECONDS)


def succeed(submission, *args: str, timeout: float = SECONDS):
    """Runs main.py, which is to end with exit code 0. A traceback is an error at run time."""
    result = run(submission, *args, timeout=timeout)
    if result.exit_code == 1 and "Traceback" in result.stderr:
        name, _, message = last_line(result).partition(": ")
        raise SubmissionError(Raised("other", name[:80], message, None), submission.last_call)
    check(result.exit_code == 0, expected="exit code 0", got=f"exit code {result.exit_code}: {last_line(result)}")
    return result


def check_refused(submission, *args: str, hint: str) -> None:
    """Runs main.py, which is to refuse its input: one line on stderr and exit code 2."""
    result = run(submission, *args)
    lines = [line for line in WARNING.sub("", result.stderr).splitlines() if line.strip()]
    check(
        result.exit_code == 2 and len(lines) == 1 and "Traceback" not in result.stderr,
        expected="exit code 2 and one line on stderr",
        got=f"exit code {result.exit_code} and {len(lines)} line(s), the last one: {last_line(result)}",
        hint=hint,
    )


def reported(result) -> tuple[float, int, int]:
    """Percentage, right answers and images, from the line that `evaluate` prints."""
    lines = ACCURACY.findall(result.stdout)
    check(
        len(lines) == 1,
        expected="one line like 'test accuracy: 97.82 % (4,891 of 5,000)'",
        got=f"{len(lines)} such lines in: {result.stdout.strip()[-300:]!r}",
        hint="Compare your line with the example, sign by sign.",
    )
    percent, right, total = lines[0]
    return float(percent), int(right.replace(",", "")), int(total.replace(",", ""))


def count_right(logits: Tensor, labels: Tensor) -> int:
    return int((logits.argmax(1) == labels).sum())


def check_logits(got: object, rows: int) -> Tensor:
    """The logits, if they are [rows, 10], float32 and finite."""
    shaped = type(got) is Tensor and got.shape == (rows, 10) and got.dtype == torch.float32
    check_tensor(got, got.clone().nan_to_num() if shaped else torch.zeros(rows, 10), what="the logits")
    return got


def check_same(got: object, expected: Tensor, what: str, hint: str = "") -> None:
    """Exactly the tensor that was put into a file."""
    check_tensor(got, expected, rtol=0.0, atol=0.0, what=what, hint=hint)


def check_weights(got: object) -> Tensor:
    check(type(got) is Tensor and got.numel() > 0, expected="a model with parameters", got=f"{type(got).__name__}")
    return got


def png_pixels(content: bytes) -> bytes:
    """Width, height and decompressed pixels of a PNG. Fails the test where it is none."""
    sound = content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR" and 33 < len(content) < 16 << 20
    check(sound, expected="a PNG file", got=f"a file that begins with {content[:8]!r}")
    width, height = struct.unpack(">II", content[16:24])
    large = 200 <= width <= 8000 and 150 <= height <= 8000
    check(large, expected="a figure of at least 200 x 150 pixels", got=f"{width} x {height}")
    data, place = b"", 8
    while place + 12 <= len(content):
        (length,), kind = struct.unpack(">I", content[place : place + 4]), content[place + 4 : place + 8]
        data += content[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        place += 12 + length
    try:
        pixels = zlib.decompressobj().decompress(data, 256 << 20)
    except zlib.error:
        pixels = b""
    check(len(set(pixels)) > 3, expected="a figure with something in it", got="a blank or damaged image")
    return content[16:24] + pixels


def pickled_names(checkpoint: bytes) -> set[str]:
    """The classes and functions that a file of torch.save names. Reads the opcodes and runs none of them."""
    try:
        with zipfile.ZipFile(io.BytesIO(checkpoint)) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            check(archive.getinfo(name).file_size < 4 << 20, expected="a small data.pkl", got="one of over 4 MB")
            opcodes = list(pickletools.genops(archive.read(name)))
    except (zipfile.BadZipFile, StopIteration, ValueError, KeyError, OSError, RuntimeError, zlib.error) as error:
        return {f"(not a file of torch.save: {type(error).__name__})"}
    named = {str(argument) for opcode, argument, _ in opcodes if opcode.name in ("GLOBAL", "INST")}
    return named | {
        f"(a name by {o.name})" for o, _, _ in opcodes if o.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4")
    }


# Drivers: they run in the worker


def fresh_logits(sub, *batches):
    import torch

    torch.manual_seed(0)
    model = sub.module("model").build_model().to(batches[0].device).eval()
    with torch.no_grad():
        return [model(x) for x in batches]


def logits(sub, path, x):
    import torch

    model = sub.module("model").load_model(path).to(x.device)
    with torch.no_grad():
        return torch.cat([model(batch) for batch in x.split(500)])


def logits_by_hand(sub, path, x):
    import torch

    saved = torch.load(path, map_location="cpu", weights_only=True)
    model = sub.module("model").build_model(**saved["hparams"])
    model.load_state_dict(saved["state"])
    model = model.to(x.device).eval()
    with torch.no_grad():
        return torch.cat([model(batch) for batch in x.split(500)])


def weights(sub, path):
    import torch

    model = sub.module("model").load_model(path).cpu()
    return torch.cat([parameter.detach().double().flatten() for parameter in model.parameters()])


def load(sub, data_dir, split, device, environment=""):
    import os

    if environment:
        os.environ["TORCH_DOJO_DATA"] = environment
    dataset = sub.module("data").load_data(data_dir, split)
    return [tensor.to(device) for tensor in (*dataset.tensors, dataset.file_index)]


def identify(sub, data_dir):
    data = sub.module("data")
    return data.identify_corruption(data.load_data(data_dir, "train"))


def exists(sub, path):
    from pathlib import Path

    sub.module("model").build_model()
    return Path(path).exists()


# Fixtures


@pytest.fixture(scope="module")
def small(secret_seed) -> Small:
    """A few digits in files turned by secret angles."""
    return draw(secret_seed("small"), PER_FILE)


@pytest.fixture(scope="module")
def turned(secret_seed) -> Small:
    """Enough digits in each file for an estimate of its angle."""
    return draw(secret_seed("turned"), 1000)


def draw(seed: int, per_file: int) -> Small:
    """Files turned by angles far apart, in secret order."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.tensor([-38.0, -14.0, 12.0, 36.0])[torch.randperm(FILES, generator=generator)]
    angles = (places + 8 * torch.rand(FILES, generator=generator) - 4).tolist()
    drawn = digits(seed, per_file, TEST_SIZE, tuple(angles), -9.0)
    pairs = [(torch.from_numpy(file.images), torch.from_numpy(file.targets)) for file in (*drawn.train, drawn.test)]
    return Small(pairs[:-1], pairs[-1], angles)


@pytest.fixture(scope="module")
def trained(shared_submission, small):
    """A worker in whose folder the project has been trained for a second, with its defaults for the files."""
    put_split(shared_submission, "train", small.train)
    succeed(shared_submission, "train", "--data-dir", "data", *SMALL)
    return shared_submission


@pytest.fixture(scope="module")
def checkpoint(trained) -> bytes:
    return trained.get_file("model.pt")


# Task 1: the model


@pytest.mark.task(1)
def test_images_give_ten_logits_each(submission, rng):
    """build_model() takes images [B, 28, 28] and returns logits [B, 10]."""
    x = torch.rand(5, 28, 28, generator=rng)
    (got,) = ask(submission, fresh_logits, x, call="build_model().eval()(images[5, 28, 28])")
    check_logits(got, 5)


@pytest.mark.task(1)
def test_a_channel_dimension_changes_nothing(submission, rng):
    """Images [B, 1, 28, 28] and [B, 28, 28] give the same logits."""
    x = torch.rand(3, 28, 28, generator=rng)
    call = "model(images[3, 28, 28]) and model(images[3, 1, 28, 28])"
    without, with_channel = ask(submission, fresh_logits, x, x[:, None], call=call)
    check_logits(without, 3)
    check_tensor(with_channel, without, hint="Bring both shapes to one at the start of `forward`.")


@pytest.mark.task(1)
def test_an_image_alone_gives_the_same_logits_as_in_a_batch(submission, rng):
    """In evaluation mode the logits of an image do not depend on its neighbours, and a batch may hold one image."""
    x = torch.rand(4, 28, 28, generator=rng)
    batch, alone = ask(submission, fresh_logits, x, x[2:3], call="model(images)[2:3] and model(images[2:3])")
    check_logits(batch, 4)
    check_tensor(alone, batch[2:3], rtol=1e-4, atol=1e-5, hint="Does a `squeeze`, or a normalisation, touch the batch?")


@pytest.mark.task(1)
def test_the_output_is_logits_and_not_probabilities(submission, rng):
    """The model returns logits: cross-entropy takes the softmax itself, and a second one keeps it from learning."""
    (got,) = ask(submission, fresh_logits, torch.rand(6, 28, 28, generator=rng), call="build_model().eval()(images)")
    out = check_logits(got, 6)
    probabilities = bool((out >= 0).all()) and bool((out.sum(1) - 1).abs().max() < 1e-3)
    hint = "Which function of the loss does the model apply already?"
    check(
        not probabilities, expected="logits, of any sign and sum", got="rows that are positive and sum to 1", hint=hint
    )


# Task 2: the data


@pytest.mark.task(2)
def test_the_train_files_are_joined_in_the_order_of_their_numbers(submission, rng, device):
    """load_data(dir, "train") joins however many files there are, 10 after 9, each image with its own label."""
    files = [(torch.rand(3, 28, 28, generator=rng), torch.randint(10, (3,), generator=rng)) for _ in range(12)]
    put_split(submission, "train", files)
    images, labels, file_index = ask(submission, load, "data", "train", device, call='load_data("data", "train")')
    hint = "Which order does sorting by name give to train_images_2.pt and train_images_10.pt?"
    check_same(images, torch.cat([file[0] for file in files]), "the images", hint)
    check_same(labels, torch.cat([file[1] for file in files]), "the labels", hint)
    check_same(file_index, torch.arange(12).repeat_interleave(3), "file_index", "Which file did each image come from?")


@pytest.mark.task(2)
def test_the_test_split_is_the_test_file(submission, small, device):
    """load_data(dir, "test") gives the test images and nothing of the train files."""
    put_split(submission, "train", small.train[:1])
    put_split(submission, "test", [small.test])
    images, labels, _ = ask(submission, load, "data", "test", device, call='load_data("data", "test")')
    check_same(images, small.test[0], "the images")
    check_same(labels, small.test[1], "the labels")


@pytest.mark.task(2)
def test_the_folder_may_be_the_parent_of_corruptmnist(submission, small, device):
    """data_dir may be the folder of the files, or the folder that holds `corruptmnist`."""
    put_split(submission, "test", [small.test], "somewhere/corruptmnist")
    images, _, _ = ask(submission, load, "somewhere", "test", device, call='load_data("somewhere", "test")')
    check_same(images, small.test[0], "the images")


@pytest.mark.task(2)
def test_the_environment_names_the_folder_where_no_option_does(submission, small, device):
    """Without data_dir, load_data reads the folder in $TORCH_DOJO_DATA."""
    put_split(submission, "test", [small.test], "elsewhere")
    call = 'TORCH_DOJO_DATA=elsewhere, load_data(None, "test")'
    images, _, _ = ask(submission, load, None, "test", device, "elsewhere", call=call)
    check_same(images, small.test[0], "the images")


@pytest.mark.task(2)
def test_a_folder_without_the_files_is_an_error(submission, device):
    """A data_dir that was asked for and has no files is a ValueError; nothing else is read in its place."""
    hint = "The other places count only without data_dir: nobody wants to train on what they did not ask for."
    call = 'load_data("nowhere", "train")'
    named = ("nowhere",)
    check_raises(ValueError, ask, submission, load, "nowhere", "train", device, call=call, mentions=named, hint=hint)


@pytest.mark.task(2)
def test_an_unknown_split_is_an_error(submission, small, device):
    """A split other than "train" and "test" is a ValueError that names it."""
    put_split(submission, "test", [small.test])
    call = 'load_data("data", "trian")'
    check_raises(ValueError, ask, submission, load, "data", "trian", device, call=call, mentions=("trian",))


BAD_FILES = {
    "truncated": lambda images, labels: (as_file(images)[:-2000], as_file(labels)),
    "empty": lambda images, labels: (b"", as_file(labels)),
    "of another shape": lambda images, labels: (as_file(images[:, :27].clone()), as_file(labels)),
    "of another dtype": lambda images, labels: (as_file((images * 255).to(torch.uint8)), as_file(labels)),
    "with NaN": lambda images, labels: (as_file(torch.full_like(images, torch.nan)), as_file(labels)),
    "with values up to 255": lambda images, labels: (as_file(images * 255), as_file(labels)),
    "with a label of 10": lambda images, labels: (as_file(images), as_file(labels + 1)),
    "with a label too few": lambda images, labels: (as_file(images), as_file(labels[1:].clone())),
    "with a pickled object": lambda images, labels: (pickle.dumps(range(3)), as_file(labels)),
}


@pytest.mark.task(2)
@pytest.mark.parametrize("fault", BAD_FILES)
def test_a_bad_file_is_an_error_that_names_it(submission, small, device, fault):
    """A damaged file, or one of another shape, dtype or range, is a ValueError that names the file."""
    images, labels = BAD_FILES[fault](*small.test)
    submission.put_file("data/test_images.pt", images)
    submission.put_file("data/test_target.pt", labels)
    call = f'load_data("data", "test"), where a file is {fault}'
    hint = "Check what you read before you use it."
    check_raises(ValueError, ask, submission, load, "data", "test", device, call=call, mentions=("test_",), hint=hint)


@pytest.mark.task(2)
def test_the_corruption_is_a_rotation_by_an_angle_for_each_file(submission, turned):
    """identify_corruption gives {"corruption": "rotation", "angles": [a float for each file]}."""
    put_split(submission, "train", turned.train)
    found = ask(submission, identify, "data", call='identify_corruption(load_data("data", "train"))')
    check_finding(found)


@pytest.mark.task(2)
def test_the_angles_are_estimated_from_the_images(submission, turned):
    """The angles differ as the files do, to 8 degrees, and are right to 15; counter-clockwise is positive."""
    put_split(submission, "train", turned.train)
    found = ask(submission, identify, "data", call='identify_corruption(load_data("data", "train"))')
    errors = [got - true for got, true in zip(check_finding(found), turned.angles, strict=True)]
    middle = (max(errors) + min(errors)) / 2
    spread = max(errors) - middle
    hint = "Turn an image by a known angle and look at it: which way is positive? Degrees, not radians."
    expected = f"angles that differ as the files do, to {SPREAD:.0f} degrees"
    check(spread <= SPREAD, expected=expected, got=f"off by {spread:.1f} degrees", hint=hint)
    expected = f"upright digits at 0 degrees, to {OFFSET:.0f} degrees"
    hint = "0 degrees is upright, as digits are printed."
    check(abs(middle) <= OFFSET, expected=expected, got=f"all are {middle:+.1f} degrees off", hint=hint)


def check_finding(found: object) -> list[float]:
    keys = type(found) is dict and {"corruption", "angles"} <= found.keys()
    check(keys, expected='a dict with the keys "corruption" and "angles"', got=str(found)[:200])
    check_equal(found["corruption"], "rotation", what='"corruption"')
    angles = found["angles"]
    floats = type(angles) is list and len(angles) == FILES and all(type(a) is float and abs(a) <= 360 for a in angles)
    hint = "One angle in degrees for each file: see file_index."
    check(floats, expected=f"a list of {FILES} floats", got=str(angles)[:200], hint=hint)
    return angles


# Task 3: training


@pytest.mark.task(3)
@pytest.mark.parametrize("name", ["model.pt", "training_loss.png", "metrics.json"])
def test_train_writes_its_three_files(trained, name):
    """`train` ends with exit code 0 and writes model.pt, training_loss.png and metrics.json, unless told otherwise."""
    check(len(trained.get_file(name)) > 0, expected=f"something in {name}", got="an empty file")


@pytest.mark.task(3)
def test_the_files_go_where_the_options_say(submission, trained, small):
    """--checkpoint, --figure and --metrics name the files that are written."""
    put_split(submission, "train", small.train[:1])
    options = ("--checkpoint", "a.pt", "--figure", "b.png", "--metrics", "c.json")
    succeed(submission, "train", "--data-dir", "data", *SMALL, *options)
    for name in options[1::2]:
        check(len(submission.get_file(name)) > 0, expected=f"something in {name}", got="an empty file")


@pytest.mark.task(3)
def test_the_checkpoint_holds_weights_and_numbers_and_nothing_that_runs(checkpoint):
    """model.pt names no class and no function: a pickled model would run code wherever it is loaded."""
    strange = sorted(pickled_names(checkpoint) - HARMLESS)
    hint = "Save model.state_dict() and a dict of plain numbers, not the model."
    check(not strange, expected="tensors, numbers, dicts and lists only", got=", ".join(strange)[:200], hint=hint)


@pytest.mark.task(3)
def test_the_checkpoint_is_enough_to_build_the_model_again(trained, small):
    """build_model(**saved["hparams"]) and saved["state"] give the same logits as load_model."""
    x = small.test[0][:40]
    expected = check_logits(ask(trained, logits, "model.pt", x, call='load_model("model.pt")(images)'), 40)
    call = 'build_model(**saved["hparams"]) with load_state_dict(saved["state"])'
    got = ask(trained, logits_by_hand, "model.pt", x, call=call)
    check_tensor(
        got, expected, rtol=1e-4, atol=1e-5, hint="Is every hyper-parameter that build_model needs in the file?"
    )


@pytest.mark.task(3)
def test_the_metrics_hold_the_loss_of_every_step(trained):
    """metrics.json is JSON and holds "losses", a number for each training step."""
    try:
        found = json.loads(trained.get_file("metrics.json")[: 4 << 20])
    except (ValueError, RecursionError):
        found = None
    losses = found.get("losses") if isinstance(found, dict) else None
    good = isinstance(losses, list) and all(type(loss) is float and 0 <= loss < 1e6 for loss in losses)
    check(good, expected='JSON with a list "losses" of finite numbers', got=str(found)[:200])
    check_equal(len(losses), STEPS, what=f"steps in 2 epochs of {FILES * PER_FILE} images in batches of 50")


@pytest.mark.task(3)
def test_the_figure_is_a_png_and_shows_the_run(submission, trained, small):
    """The figure is a PNG image, and another run gives another figure."""
    put_split(submission, "train", small.train[:1])
    for seed in ("21", "22"):  # as many steps, other losses
        succeed(submission, "train", "--data-dir", "data", *SMALL, "--seed", seed, "--figure", f"{seed}.png")
    one, other = (png_pixels(submission.get_file(f"{seed}.png")) for seed in (21, 22))
    check(one != other, expected="a figure of the run's own losses", got="the same figure for two different runs")


@pytest.mark.task(3)
def test_the_same_seed_gives_the_same_model_and_another_seed_another(submission, trained, small):
    """--seed decides the first weights and the order of the images: a result can be had again."""
    put_split(submission, "train", small.train[:1])
    for name, seed in (("a", "11"), ("b", "11"), ("c", "12")):
        options = ("--seed", seed, "--checkpoint", f"{name}.pt")
        succeed(submission, "train", "--data-dir", "data", *SMALL, *options)
    a, b, c = (check_weights(ask(submission, weights, f"{name}.pt", call=f'load_model("{name}.pt")')) for name in "abc")
    close = a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-5)
    hint = "What draws random numbers before the seed is set?"
    check(close, expected="the same weights from the same seed", got="others", hint=hint)
    check(
        not torch.equal(a, c),
        expected="other weights from another seed",
        got="the same",
        hint="Does --seed reach torch?",
    )


@pytest.mark.task(3)
def test_the_learning_rate_is_the_one_that_was_asked_for(submission, trained, small):
    """With --lr 1e-9 the weights stay where they began, however long the training."""
    put_split(submission, "train", small.train[:1])
    for epochs in ("1", "3"):
        options = (
            "--epochs",
            epochs,
            "--batch-size",
            "50",
            "--seed",
            "5",
            "--lr",
            "1e-9",
            "--checkpoint",
            f"{epochs}.pt",
        )
        succeed(submission, "train", "--data-dir", "data", *options)
    one, three = (check_weights(ask(submission, weights, f"{n}.pt", call=f'load_model("{n}.pt")')) for n in (1, 3))
    moved = float((one - three).abs().max()) if one.shape == three.shape else float("inf")
    hint = "Does args.lr reach the optimizer?"
    check(moved < 1e-5, expected="weights that move by less than 1e-5", got=f"a move of {moved:.2g}", hint=hint)


@pytest.mark.task(3)
def test_a_failed_training_leaves_the_old_checkpoint(submission, checkpoint):
    """Training on a folder without data ends with one line and exit code 2; an earlier model.pt stays as it was."""
    submission.put_file("model.pt", checkpoint)
    check_refused(submission, "train", "--data-dir", "nowhere", hint="What the user can mend needs no traceback.")
    check(submission.get_file("model.pt") == checkpoint, expected="the earlier model.pt", got="a changed one")


# Task 4: evaluating


@pytest.mark.task(4)
def test_a_loaded_model_is_in_evaluation_mode(trained, small):
    """The model of load_model gives an image the same logits each time, alone and in a batch."""
    x = small.test[0][:30]
    first = check_logits(ask(trained, logits, "model.pt", x, call='load_model("model.pt")(images)'), 30)
    again = ask(trained, logits, "model.pt", x, call='load_model("model.pt")(images), once more')
    hint = "Dropout and BatchNorm act differently in training. Which call tells them that it is over?"
    check_tensor(again, first, rtol=1e-4, atol=1e-5, hint=hint)
    alone = ask(trained, logits, "model.pt", x[7:8], call='load_model("model.pt")(images[7:8])')
    check_tensor(alone, first[7:8], rtol=1e-3, atol=1e-4, hint=hint)


@pytest.mark.task(4)
def test_evaluate_counts_the_right_answers(trained, small, rng):
    """`evaluate model.pt` prints the share of right answers and the counts behind it, whatever the images."""
    check_truth(trained, "model.pt", small, rng)


@pytest.mark.task(4)
def test_evaluate_takes_the_checkpoint_that_it_is_given(trained, small, rng):
    """`evaluate other.pt` evaluates other.pt, also where a model.pt lies beside it."""
    files = ("--checkpoint", "other.pt", "--figure", "other.png", "--metrics", "other.json")
    succeed(trained, "train", "--data-dir", "data", *SMALL, "--seed", "77", "--lr", "1e-9", *files)
    check_truth(trained, "other.pt", small, rng)


def check_truth(submission, path: str, small: Small, rng: torch.Generator) -> None:
    """Labels of which a secret half is wrong, then mostly what the model answers: two counts that nobody can know."""
    images, labels = small.test
    out = check_logits(ask(submission, logits, path, images, call=f'load_model("{path}")(images)'), len(images))
    wrong = torch.rand(len(labels), generator=rng) < 0.5
    agreed = torch.rand(len(labels), generator=rng) < 0.7
    batches = ("--batch-size", "128")  # and 1 in the last
    decoys = (torch.where(wrong, (labels + 3) % 10, labels), torch.where(agreed, out.argmax(1), labels))
    for number, decoy in enumerate(decoys):
        put_split(submission, "test", [(images, decoy)], f"decoy{number}")
        percent, right, total = reported(
            succeed(submission, "evaluate", path, "--data-dir", f"decoy{number}", *batches)
        )
        expected = count_right(out, decoy)
        check_equal(total, len(decoy), what="the number of images")
        hint = "Count over all batches, in evaluation mode, with the labels of the files. Is it this file's model?"
        check(abs(right - expected) <= 1, expected=f"{expected} right answers", got=f"{right}", hint=hint)
        shown = f"{100 * right / total:.2f} %"
        check(
            abs(percent - 100 * right / total) < 0.06,
            expected=shown,
            got=f"{percent} %",
            hint="Divide once, at the end.",
        )


def malicious_pickle() -> bytes:
    """A pickle that writes the file `harm` when it is loaded as pickles are."""
    return b"cbuiltins\nexec\n(S\"open('harm', 'w').close()\"\ntR."


def malicious_archive(checkpoint: bytes) -> bytes:
    """A sound archive of torch.save whose pickle does the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, malicious_pickle() if name.endswith("data.pkl") else old.read(name))
    return out.getvalue()


BAD_CHECKPOINTS = {
    "is missing": lambda sound: None,
    "is empty": lambda sound: b"",
    "is truncated": lambda sound: sound[: len(sound) // 2],
    "is a text": lambda sound: b"accuracy: 99 %\n",
    "holds a tensor": lambda sound: as_file(torch.zeros(3)),
    "holds another model": lambda sound: as_file({"state": {"weight": torch.zeros(3, 3)}, "hparams": {}}),
    "holds other hyper-parameters": lambda sound: as_file({"state": {}, "hparams": {"wings": 2}}),
    "is a pickle that runs code": lambda sound: malicious_pickle(),
    "is an archive that runs code": lambda sound: malicious_archive(as_file({"state": {}, "hparams": {}})),
}


@pytest.mark.task(4)
@pytest.mark.parametrize("fault", BAD_CHECKPOINTS)
def test_a_bad_checkpoint_gets_one_line_and_exit_code_2(submission, checkpoint, small, fault):
    """A checkpoint that is missing, damaged, foreign or malicious is refused in one line, and never run."""
    content = BAD_CHECKPOINTS[fault](checkpoint)
    if content is not None:
        submission.put_file("bad.pt", content)
    put_split(submission, "test", [small.test])
    hint = f"Here the file {fault}. Which exceptions does that lead to, and where do you catch them?"
    check_refused(submission, "evaluate", "bad.pt", "--data-dir", "data", hint=hint)
    harmed = ask(submission, exists, "harm", call=f"evaluate bad.pt, which {fault}")
    check_equal(harmed, False, what="whether code of the file was run", hint="weights_only=True")


@pytest.mark.task(4)
@pytest.mark.parametrize("fault", ["truncated", "of another shape", "with NaN"])
def test_bad_data_get_one_line_and_exit_code_2(submission, checkpoint, small, fault):
    """Data files that are damaged, or hold something else, are refused in one line."""
    images, labels = BAD_FILES[fault](*small.test)
    submission.put_file("data/test_images.pt", images)
    submission.put_file("data/test_target.pt", labels)
    submission.put_file("model.pt", checkpoint)
    check_refused(submission, "evaluate", "model.pt", "--data-dir", "data", hint=f"Here test_images.pt is {fault}.")


# Task 5: the accuracy


@pytest.mark.task(5)
@pytest.mark.training
def test_the_accuracy_on_unseen_images_is_high_enough(submission, trained, secret_seed, remark, measure, exercise):
    """`train` with its defaults, on all training images, gives a model that is right often enough on other images."""
    found = find_corruptmnist(seed=secret_seed("accuracy"))
    remark(f"trained and tested on {found.source}")
    generator = torch.Generator().manual_seed(secret_seed("order"))
    order = torch.randperm(len(found.test.targets), generator=generator)  # nothing to learn from the images' places
    images, labels = found.test.images[order], found.test.targets[order]
    put_split(submission, "train", [(file.images, file.targets) for file in found.train])
    succeed(submission, "train", "--data-dir", "data", timeout=exercise.limits.test_seconds)
    call = 'load_model("model.pt")(test images)'
    out = ask(submission, logits, "model.pt", images, call=call)
    right, needed = count_right(check_logits(out, len(labels)), labels), exercise.thresholds[found.name]
    size = sum(len(file.targets) for file in found.train)
    measure(found.name, right / len(labels), of=len(labels), budget=f"its own defaults, {size:,} training images")
    check(
        right / len(labels) >= needed,
        expected=f"at least {100 * needed:.0f} % right answers on the test images ({found.name})",
        got=f"{100 * right / len(labels):.2f} % ({right:,} of {len(labels):,})",
        hint="How low is the training loss? And how do the test images differ from those that you train on?",
    )
