"""Sample tests of exercise 14. Run them with `make grade EX=14` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check, check_equal


# A driver: it gets the student's module first, and runs where that module is.
def count_small_net(sub, trainable_only):
    from torch import nn

    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 2))
    net[0].weight.requires_grad_(False)
    return sub.count_parameters(net, trainable_only=trainable_only)


@pytest.mark.task(1)
@pytest.mark.parametrize(("trainable_only", "count"), [(False, 298), (True, 82)])
def test_the_parameters_of_a_small_net(submission, trainable_only, count):
    """A frozen convolution of 216 weights, a BN of 16, a linear layer of 66."""
    call = f"count_parameters(net, trainable_only={trainable_only})"
    got = submission.run(count_small_net, trainable_only, call=call)
    check_equal(
        got, count, what="the count", hint="Print the shape of each of net.parameters(). Which ones are to count?"
    )


def net_facts(sub, name, arguments, images):
    net = getattr(sub, name)(*arguments).to(images.device).eval()
    return {"parameters": sum(parameter.numel() for parameter in net.parameters()), "logits": net(images).detach()}


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [
        pytest.param("vgg", [[8, "M", 16]], 1_610, marks=pytest.mark.task(2)),
        pytest.param("vgg", ["VGG16"], 14_728_266, marks=pytest.mark.task(2)),
        pytest.param("preact_resnet18", [], 11_171_146, marks=pytest.mark.task(3)),
        pytest.param("densenet_cifar", [4, [1, 2]], 2_746, marks=pytest.mark.task(4)),
        pytest.param("densenet_cifar", [], 1_000_618, marks=pytest.mark.task(4)),
    ],
)
def test_parameters_and_logits(submission, rng, name, arguments, count):
    """Each net has its number of parameters, and gives ten logits for each of two images."""
    images = torch.rand(2, 3, 32, 32, generator=rng)
    call = f"{name}({', '.join(map(str, arguments))})(images [2, 3, 32, 32])"
    got = submission.run(net_facts, name, arguments, images, call=call)
    hint = "Work the parameters of each layer out by hand, and print yours beside them. Which layer differs?"
    check_equal(got["parameters"], count, what="the number of parameters", hint=hint)
    hint = "Two images came in. Which dimension of the result are they, and what is the other one?"
    check_equal(list(got["logits"].shape), [2, 10], what="the shape of the logits", hint=hint)


def draw_chart(sub):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "zoo.png"
        sub.plot_accuracy_vs_parameters(None, path)
        return path.read_bytes()[:8].hex(" ") if path.exists() else "no file"


@pytest.mark.task(5)
def test_a_chart_of_the_published_models(submission):
    """The four published models are drawn into a PNG file."""
    got = submission.run(draw_chart, call="plot_accuracy_vs_parameters(None, path)")
    hint = "Open the file in an image viewer. Is it there, and is it a picture?"
    check(got == "89 50 4e 47 0d 0a 1a 0a", expected="the first bytes of a PNG file", got=got, hint=hint)
