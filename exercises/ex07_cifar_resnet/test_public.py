"""Sample tests of exercise 7. Run them with `make grade EX=7` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check, check_equal, check_tensor


def block_without_weights(sub, x):
    import torch

    block = sub.BasicBlock(2, 2).to(x.device).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()  # f(x) is 0 now
        return block(x)


@pytest.mark.task(1)
def test_a_block_that_adds_nothing(submission):
    """With all weights at 0, what is left of a block is relu(0 + x)."""
    x = torch.tensor([[[[1.0, -2.0], [3.0, 0.5]], [[-4.0, 5.0], [0.0, -0.25]]]])
    expected = torch.tensor([[[[1.0, 0.0], [3.0, 0.5]], [[0.0, 5.0], [0.0, 0.0]]]])
    got = submission.run(block_without_weights, x, call="BasicBlock(2, 2)(x), with all parameters set to 0")
    check_tensor(got, expected, hint="Which way does x take around the convolutions, and what stands on it?")


def block_shape(sub, arguments, x):
    return list(sub.BasicBlock(*arguments).to(x.device)(x).shape)


@pytest.mark.task(1)
@pytest.mark.parametrize(("arguments", "shape"), [([3, 3], [2, 3, 9, 6]), ([3, 8, 2], [2, 8, 5, 3])], ids=str)
def test_the_shape_that_a_block_gives(submission, arguments, shape):
    """Stride 1 keeps height and width, stride 2 halves them, rounded up."""
    x = torch.ones(2, 3, 9, 6)
    got = submission.run(block_shape, arguments, x, call=f"BasicBlock{tuple(arguments)}(x[2, 3, 9, 6]).shape")
    check_equal(got, shape, hint="Write down the shape after each layer. Which one loses pixels, and was it asked to?")


def net_facts(sub, x):
    net = sub.ResNet([1, 1], width=8).to(x.device)
    return {"parameters": sum(p.numel() for p in net.parameters()), "logits": net(x)}


@pytest.mark.task(2)
def test_a_small_net(submission):
    """ResNet([1, 1], width=8) has 5,266 parameters and gives ten logits for an image of any size."""
    got = submission.run(net_facts, torch.ones(2, 3, 12, 20), call="ResNet([1, 1], width=8)(x[2, 3, 12, 20])")
    hint = "Stem 232, stage 0 1,184, stage 1 3,680, linear 170: print yours, part by part."
    check_equal(got["parameters"], 5266, what="the number of parameters", hint=hint)
    check_equal(
        list(got["logits"].shape),
        [2, 10],
        what="the shape of the logits",
        hint="Two images came in. Which dimension of the result are they, and what is the other one?",
    )


def count_parameters(sub):
    return sum(parameter.numel() for parameter in sub.resnet18().parameters())


@pytest.mark.task(3)
def test_resnet18_has_11_million_parameters(submission):
    """resnet18() is the net of the README's table."""
    got = submission.run(count_parameters, call="sum(p.numel() for p in resnet18().parameters())")
    hint = "Count part by part, with the README's table beside it. Which part has more or fewer?"
    check_equal(got, 11_173_962, what="the number of parameters", hint=hint)


def tell_dark_from_bright(sub, images, labels, lr):
    import torch
    from torch import nn

    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(3), nn.Linear(3, 2))
    net[3].weight.data.fill_(0.5)
    options = {"epochs": 5, "lr": lr, "batch_size": 16, "augment": False, "device": images.device}
    net = sub.train(net, images, labels, **options).eval()
    with torch.no_grad():
        return {"right": int((net(images / 255).argmax(1) == labels).sum()), "weight": net[3].weight}


@pytest.mark.task(4)
def test_dark_images_are_told_from_bright_ones(submission, rng):
    """After a few steps a tiny net knows dark images from bright ones."""
    labels = torch.randint(2, (50,), generator=rng)
    images = (torch.randint(100, (50, 3, 32, 32), generator=rng) + 150 * labels[:, None, None, None]).to(torch.uint8)
    call = "train(net, images, labels, epochs=5, lr=0.1, batch_size=16, augment=False, device=device)"
    got = submission.run(tell_dark_from_bright, images, labels, 0.1, call=call)
    hint = "Print the loss after every step. Does it fall? Is each image trained on with its own label?"
    check(got["right"] >= 48, expected="at least 48 of 50 images right", got=f"{got['right']}", hint=hint)


@pytest.mark.task(4)
def test_a_learning_rate_of_0_changes_no_weight(submission, rng):
    """lr=0 leaves the parameters as they are."""
    labels = torch.randint(2, (50,), generator=rng)
    images = torch.randint(256, (50, 3, 32, 32), generator=rng, dtype=torch.uint8)
    call = "train(net, images, labels, epochs=5, lr=0.0, batch_size=16, augment=False, device=device)"
    got = submission.run(tell_dark_from_bright, images, labels, 0.0, call=call)
    hint = "lr is 0 here, and lr times anything is 0. What moves the weight all the same?"
    check_tensor(got["weight"].detach(), torch.full((2, 3), 0.5), what="a weight", hint=hint)
