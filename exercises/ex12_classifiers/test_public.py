"""Sample tests of exercise 12. Run them with `make grade EX=12` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check, check_equal


# A driver: it gets the student's module first, and runs where that module is.
def net_facts(sub, name, images):
    net = getattr(sub, name)().to(images.device)
    return {"parameters": sum(parameter.numel() for parameter in net.parameters()), "logits": net(images).detach()}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        pytest.param("softmax_linear", 307_300, marks=pytest.mark.task(1)),
        pytest.param("mlp", 3_249_252, marks=pytest.mark.task(1)),
        pytest.param("deep_mlp", 2_412_644, marks=pytest.mark.task(1)),
        pytest.param("conv_stride", 47_732, marks=pytest.mark.task(2)),
        pytest.param("conv_pool", 47_732, marks=pytest.mark.task(2)),
        pytest.param("conv_batchnorm", 47_764, marks=pytest.mark.task(3)),
        pytest.param("conv_selu", 47_732, marks=pytest.mark.task(3)),
        pytest.param("conv_dropout", 47_732, marks=pytest.mark.task(3)),
    ],
)
def test_parameters_and_logits(submission, rng, name, parameters):
    """Each net has its number of parameters, and gives 100 logits for each of two images."""
    images = torch.rand(2, 3, 32, 32, generator=rng)
    got = submission.run(net_facts, name, images, call=f"{name}()(images [2, 3, 32, 32])")
    hint = "Work the parameters of each layer out by hand, and print yours beside them. Which layer differs?"
    check_equal(got["parameters"], parameters, what="the number of parameters", hint=hint)
    hint = "Two images came in. Which dimension of the result are they, and what is the other one?"
    check_equal(list(got["logits"].shape), [2, 100], what="the shape of the logits", hint=hint)


def two_models(sub, images, labels):
    from torch import nn

    class Brightness(nn.Module):
        """Knows at once: class 1 is brighter than one half."""

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(images.new_ones(2))

        def forward(self, x):
            bright = x.mean(dim=(1, 2, 3)) - 0.5
            return self.scale * bright[:, None] * bright.new_tensor([-1.0, 1.0])

    class Ignorant(Brightness):
        def forward(self, x):
            return 0 * super().forward(x) + x.new_tensor([1.0, 0.0])

    data = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    builders = {"brightness": Brightness, "ignorant": Ignorant}
    return sub.compare(builders, data, epochs=2, batch_size=4, target=0.9, device=images.device)


@pytest.mark.task(4)
def test_a_model_that_knows_and_one_that_never_learns(submission):
    """One model is right from the first epoch on, the other one always says class 0."""
    labels = torch.tensor([1, 0, 1, 0, 0, 0, 1, 0])
    images = (0.25 + 0.5 * labels)[:, None, None, None].expand(8, 3, 32, 32)
    call = "compare({'brightness': …, 'ignorant': …}, data, epochs=2, batch_size=4, target=0.9)"
    knows, ignorant = submission.run(two_models, images, labels, call=call)
    hint = "A row for each model: which keys has it, and what stands under them?"
    check_equal([knows["name"], ignorant["name"]], ["brightness", "ignorant"], what="the names", hint=hint)
    check_equal([knows["parameters"], ignorant["parameters"]], [2, 2], what="the parameters", hint=hint)
    hint = "Right answers over all test images, after each epoch."
    check_equal(knows["accuracies"], [1.0, 1.0], what="'brightness': accuracies", hint=hint)
    check_equal(ignorant["accuracies"], [0.625, 0.625], what="'ignorant': accuracies", hint=hint)
    check_equal(ignorant["best_accuracy"], 0.625, what="'ignorant': best_accuracy", hint=hint)
    hint = "Epochs count from 1. What stands there if the target is never reached?"
    check_equal(knows["epochs_to_target"], 1, what="'brightness': epochs_to_target", hint=hint)
    check_equal(ignorant["epochs_to_target"], None, what="'ignorant': epochs_to_target", hint=hint)
    seconds = knows["seconds_to_target"]
    check(type(seconds) is float and seconds >= 0, expected="seconds, a float", got=f"{seconds!r}", hint=hint)


ROWS = [
    {
        "name": "conv_pool",
        "parameters": 47732,
        "accuracies": [0.25, 0.5, 0.4375],
        "best_accuracy": 0.5,
        "epochs_to_target": 2,
        "seconds_to_target": 12.34,
    },
    {
        "name": "linear",
        "parameters": 307300,
        "accuracies": [0.125, 0.25, 0.1875],
        "best_accuracy": 0.25,
        "epochs_to_target": None,
        "seconds_to_target": None,
    },
]


@pytest.mark.task(5)
def test_a_table_of_two_rows(submission):
    """Five words in each line, below a line of headings."""
    lines = submission.comparison_table(ROWS).splitlines()
    hint = "The format of a number stands behind a colon: f'{47732:,}', f'{12.34:.1f}'. What stands for None?"
    check_equal(len(lines), 3, what="the number of lines", hint="A line of headings, and one for each row.")
    check_equal(lines[1].split(), ["conv_pool", "47,732", "50.0", "2", "12.3"], what="the words of line 2", hint=hint)
    check_equal(lines[2].split(), ["linear", "307,300", "25.0", "-", "-"], what="the words of line 3", hint=hint)


def plot(sub, rows):
    import os
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        sub.plot_comparison(rows, Path(folder) / "curves")
        return {path.name: path.read_bytes()[:4].hex(" ") for path in Path(folder).iterdir()}


@pytest.mark.task(5)
def test_a_png_at_the_path(submission):
    """The file is where it was asked for, under exactly that name, and it is a PNG."""
    got = submission.run(plot, ROWS, call="plot_comparison(rows, 'curves')")
    hint = "Look into the folder. Which name has the file, and in which format is it?"
    check_equal(got, {"curves": "89 50 4e 47"}, what="the file and its first four bytes", hint=hint)
